"""Measure one table: results in, one tidy row for every cell of the table out."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.reporting.measurements import write_measurements


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paper", required=True, help="mop or qantara")
    parser.add_argument("--table", required=True)
    parser.add_argument("--scale", required=True)
    parser.add_argument("--steps", required=True, type=int, help="training steps, for the footnote")
    parser.add_argument("--published", required=True, type=Path, help="published numbers")
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="provenance of the datasets: their tags")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--results", nargs="*", type=Path, default=[], help="JSON files of the cells")
    a = parser.parse_args()
    write_measurements(a.table, a.results, a.published, a.out, a.scale, a.data, a.steps, a.paper)


if __name__ == "__main__":
    run(main)
