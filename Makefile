# make tables    the tables and figures of the first hour, at the laptop scale
# make all       every table and figure
# make test      the test suite
# make test-slurm    the workflow on a Slurm that is started for it and thrown away
# Everything else is listed by: make help

CORES ?= 2
SCALE ?= laptop
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
CONFIG := --config scale=$(SCALE)

.PHONY: help setup tables all figures smoke test test-slurm lint report clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(VENV)/.complete ## .venv with the exact lock

# torch stands on the install line itself: resolved as a dependency it may become a build of several GB.
$(VENV)/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
		{ echo "error: Python 3.11 was not found; install it or say make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' requirements.lock) -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

tables: setup ## the tables and figures of the first hour, SCALE=laptop unless given
	$(SNAKEMAKE) headline $(CONFIG)

all: setup ## every table and figure: also MoP-JEPA's design ablations and its other domains
	$(SNAKEMAKE) all_tables all_figures claims $(CONFIG)

figures: setup ## every figure
	$(SNAKEMAKE) all_figures $(CONFIG)

smoke: setup ## the whole workflow at tiny size, in its own data and results folders
	$(MAKE) all SCALE=smoke

test: setup ## the test suite, a smoke run included
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The tests say what they lack and skip, where these packages cannot be installed.
test-slurm: setup ## the workflow on a throw-away Slurm; as root, installs Debian's packages for it
	@command -v slurmctld >/dev/null || [ "$$(id -u)" != 0 ] || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge; } || \
		echo "apt-get could not install slurm-wlm and munge"
	$(BIN)/python -m pytest -rs --durations=0 tests/slurm

lint: setup ## ruff, snakefmt, snakemake --lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --config scale=smoke

report: all ## report.html: tables, figures, captions, provenance of every job, offline
	$(SNAKEMAKE) all_tables all_figures claims --report results/$(SCALE)/report.html $(CONFIG)

clean: ## remove results and logs of SCALE (data are kept)
	rm -rf results/$(SCALE) logs/$(SCALE) bench/$(SCALE)
