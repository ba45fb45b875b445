"""Measure one table: audits and executions in, one tidy row for every cell of the table out."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.reporting.measurements import write_measurements


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True)
    parser.add_argument("--scale", required=True)
    parser.add_argument("--steps", required=True, type=int, help="training steps of the arms, for the footnote")
    parser.add_argument("--audits", nargs="*", type=Path, default=[])
    parser.add_argument("--evals", nargs="*", type=Path, default=[])
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="provenance of the datasets: their tags")
    parser.add_argument("--paper", required=True, type=Path, help="published numbers")
    parser.add_argument("--out", required=True, type=Path)
    a = parser.parse_args()
    write_measurements(a.table, a.audits, a.evals, a.paper, a.out, a.scale, a.data, a.steps)


if __name__ == "__main__":
    run(main)
