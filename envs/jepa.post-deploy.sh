#!/bin/sh
# Written by `jepa env write`. Snakemake runs this in an environment that it has just made, in the repository's root.
# From a file of pins an environment has conda's packages alone: the lock is installed here. What differs is refused.
set -eu
export PYTHONNOUSERSITE=1 PYTHONPATH=src
torch=$(grep '^torch==' requirements.lock)
python -m pip install --quiet --disable-pip-version-check --extra-index-url https://download.pytorch.org/whl/cpu "$torch" -r requirements.lock
python -m jepa env check
