"""Draw one figure from results, as PDF and PNG."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.reporting import figures, qantara_figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paper", required=True, choices=["mop", "qantara"])
    parser.add_argument("--figure", required=True)
    parser.add_argument("--scale", required=True)
    parser.add_argument("--published", required=True, type=Path, help="published numbers")
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="provenance of the datasets: their tags")
    parser.add_argument("--pdf", required=True, type=Path)
    parser.add_argument("--png", required=True, type=Path)
    parser.add_argument("--results", nargs="*", type=Path, default=[], help="files of the cells")
    a = parser.parse_args()
    if a.paper == "mop":
        figures.write_figure(a.figure, a.results, a.published, a.pdf, a.png, a.scale, a.data)
    else:
        qantara_figures.write_figure(a.figure, a.results, a.pdf, a.png, a.scale, a.data)


if __name__ == "__main__":
    run(main)
