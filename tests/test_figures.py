"""Figures: drawn for whole, partial and empty grids, the same bytes for the same data, text that stays text."""

from pathlib import Path

import pytest

import synthetic_results
from jepa.errors import JepaError
from jepa.reporting import contents, figures, style
from jepa.reporting.mop_grid import ARMS

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "paper/mop.csv"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return synthetic_results.make(tmp_path_factory.mktemp("results"))


def draw(name, files, folder, stem="figure"):
    pdf, png = folder / f"{stem}.pdf", folder / f"{stem}.png"
    figures.write_figure(name, synthetic_results.results(files), PAPER, pdf, png, "smoke", files["tags"])
    return pdf.read_bytes(), png.read_bytes()


@pytest.mark.parametrize("name", contents.FIGURES)
def test_equal_data_gives_equal_bytes_without_dates(name, files, tmp_path):
    first, second = draw(name, files, tmp_path, "a"), draw(name, files, tmp_path, "b")
    assert first == second
    assert b"CreationDate" not in first[0] and b"Software" not in first[1]


@pytest.mark.parametrize("name", contents.FIGURES)
def test_text_is_embedded_as_truetype(name, files, tmp_path):
    pdf, _ = draw(name, files, tmp_path)
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf


@pytest.mark.parametrize("name", contents.FIGURES)
def test_partial_and_empty_grids_are_drawn(name, tmp_path):
    part = synthetic_results.make(tmp_path, seeds=1, mazes=("medium-stitch",), arms=("dense", "mop"))
    draw(name, part, tmp_path)
    draw(name, {"tags": []}, tmp_path)


def test_what_is_drawn_is_what_the_snakefile_knows():
    assert list(figures.DRAWINGS) == list(contents.FIGURES)


@pytest.mark.parametrize("name", contents.FIGURES)
def test_a_figure_shows_nothing_beyond_what_it_needs(name, files, tmp_path):
    needed, places = set(contents.FIGURES[name]), {cell[-1] for cell in contents.FIGURES[name]}
    kinds = {cell[0] for cell in needed}
    cells = [cell for cell in synthetic_results.cells_of(files) if cell[0] in kinds and cell[-1] in places]
    assert set(cells) >= needed
    whole = draw(name, synthetic_results.only(files, needed), tmp_path, "needed")
    assert whole == draw(name, synthetic_results.only(files, cells), tmp_path, "all")


def test_every_arm_has_its_own_colour_and_name():
    assert set(style.COLOURS) == set(style.SHORT) == set(ARMS)
    assert len(set(style.COLOURS.values())) == len(ARMS)


def test_an_unknown_figure_is_refused(files, tmp_path):
    with pytest.raises(JepaError, match="figure5"):
        draw("figure99", files, tmp_path)


def test_every_table_and_figure_has_a_caption():
    for name in [*contents.TABLES, *contents.FIGURES]:
        assert (ROOT / f"workflow/report/mop/{name}.rst").read_text().strip()
