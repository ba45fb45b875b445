"""Judge the claims of both papers: measurements of tables in, the ledger as CSV and Markdown out."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.reporting.ledger import write_ledger


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", required=True, type=Path)
    parser.add_argument("--scale", required=True)
    parser.add_argument("--csv", required=True, type=Path)
    parser.add_argument("--md", required=True, type=Path)
    parser.add_argument("measurements", nargs="+", type=Path)
    a = parser.parse_args()
    write_ledger(a.claims, a.measurements, a.csv, a.md, a.scale)


if __name__ == "__main__":
    run(main)
