"""Join the tidy rows of all tables into one file."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.reporting.measurements import join_measurements


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    a = parser.parse_args()
    join_measurements(a.files, a.out)


if __name__ == "__main__":
    run(main)
