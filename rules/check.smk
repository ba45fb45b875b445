# The configuration file, read strictly before Snakemake reads it: a mistake in it ends in one sentence.

import sys

from jepa.config_file import read as read_strictly
from jepa.errors import JepaError


def refuse(error):
    """End before anything runs, with one sentence instead of a traceback."""
    print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr, flush=True)
    sys.exit(2)


try:
    read_strictly("config.yaml")
except JepaError as error:
    refuse(error)
