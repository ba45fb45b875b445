"""Qantara's tables of synthetic results: what the tests of their cells and of their pages share."""

from pathlib import Path

import pytest

import synthetic_qantara
from jepa.reporting import contents
from jepa.reporting.measurements import read_measurements, write_measurements
from jepa.reporting.tables import write_table

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "paper/qantara.csv"
TABLES = contents.tables("qantara")
FEW = ("default", "uniform", "lewm")


def rows_of(table, files, out):
    """The measurements of a table of these results, written to `out`, by row and column."""
    arguments = (files["results"], PAPER, out, "smoke", files["tags"], 20)
    write_measurements(table, *arguments, paper="qantara")
    return read_measurements(out).set_index(["row", "column"])


@pytest.fixture(name="grid", scope="module")
def grid_fixture(tmp_path_factory):
    """All recipes on all environments: {"results", "tags"}."""
    return synthetic_qantara.make(tmp_path_factory.mktemp("results"))


@pytest.fixture(name="folder", scope="module")
def folder_fixture(grid, tmp_path_factory):
    """Every table of the grid, printed: {table}.measured.csv, .csv, .md, .tex."""
    folder = tmp_path_factory.mktemp("tables")
    for table in TABLES:
        measured = folder / f"{table}.measured.csv"
        rows_of(table, grid, measured)
        write_table(measured, *(folder / f"{table}.{kind}" for kind in ("csv", "md", "tex")))
    return folder


@pytest.fixture(name="measured", scope="module")
def measured_fixture(folder):
    """{table: its measurements, by row and column}."""
    return {t: read_measurements(folder / f"{t}.measured.csv").set_index(["row", "column"]) for t in TABLES}
