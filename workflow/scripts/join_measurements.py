"""Join the tidy rows of all tables into one file, and those that a clock tells into another."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.reporting.measurements import join_measurements


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--timings", required=True, type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    a = parser.parse_args()
    join_measurements(a.files, a.out, a.timings)


if __name__ == "__main__":
    run(main)
