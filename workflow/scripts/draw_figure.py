"""Draw one figure from audits and executions, as PDF and PNG."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.reporting.figures import write_figure


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", required=True)
    parser.add_argument("--scale", required=True)
    parser.add_argument("--audits", nargs="*", type=Path, default=[])
    parser.add_argument("--evals", nargs="*", type=Path, default=[])
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="provenance of the datasets: their tags")
    parser.add_argument("--paper", required=True, type=Path, help="published numbers")
    parser.add_argument("--pdf", required=True, type=Path)
    parser.add_argument("--png", required=True, type=Path)
    a = parser.parse_args()
    write_figure(a.figure, a.audits, a.evals, a.paper, a.pdf, a.png, a.scale, a.data)


if __name__ == "__main__":
    run(main)
