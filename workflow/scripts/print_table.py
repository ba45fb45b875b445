"""Print one table from its tidy rows as CSV, Markdown and LaTeX."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.reporting.tables import write_table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measurements", required=True, type=Path)
    parser.add_argument("--csv", required=True, type=Path)
    parser.add_argument("--md", required=True, type=Path)
    parser.add_argument("--tex", required=True, type=Path)
    a = parser.parse_args()
    write_table(a.measurements, a.csv, a.md, a.tex)


if __name__ == "__main__":
    run(main)
