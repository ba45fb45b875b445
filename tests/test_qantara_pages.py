"""Qantara's tables as pages: published numbers beside ours, marks, protocols and data tags, every format."""

import csv
import io
import re

import numpy as np
import pytest

import synthetic_qantara
from jepa.errors import JepaError
from jepa.reporting import contents, qantara_grid
from jepa.reporting.layout import cells_of
from jepa.reporting.measurements import join_measurements, read_measurements, read_published
from jepa.reporting.tables import write_table
from qantara_tables import (  # noqa: F401
    FEW,
    PAPER,
    ROOT,
    TABLES,
    folder_fixture,
    grid_fixture,
    measured_fixture,
    rows_of,
)


@pytest.mark.parametrize("table", ["table1", "table3", "table4", "table5", "table6"])
def test_every_table_has_floors_ceilings_and_size(folder, table):
    page = (folder / f"{table}.md").read_text()
    for label in (*qantara_grid.FLOORS.values(), "episodes"):
        assert f"| {label}" in page
    assert page.index("*floors*") < page.index("*references*") < page.index("*size*")


def test_the_dagger_is_where_the_paper_puts_it_in_table_3():
    lines = list(csv.DictReader(PAPER.open()))
    marked = {(x["row"], x["column"]) for x in lines if x["table"] == "table3" and "†" in x["note"]}
    wide = {
        (x["row"], x["column"]) for x in lines if x["table"] == "table3" and float(x["sd"]) > qantara_grid.COLLAPSED
    }
    assert marked == wide and len(marked) == 18


def test_only_a_collapsed_recipe_of_ours_is_marked(folder):
    line = next(x for x in (folder / "table3.csv").read_text().splitlines() if "drop-{policy}" in x)
    cells = next(csv.reader([line]))
    assert sum("†" in text for text in cells) == 3  # ours on Two-Room and Push-T, and the paper's Push-T
    reference = next(x for x in (folder / "table3.csv").read_text().splitlines() if "reference" in x)
    assert "†" not in reference


def test_the_papers_samples_deviations_are_not_population_deviations():
    published = read_published(PAPER)
    assert published["table4", "gamma-2", "two_room"][1] > 100 * np.std([0, 0, 1])  # the widest of three rates
    for recipe in ("default", "gamma-sqrt2"):
        for env in ("cube", "reacher"):
            sample, population = published["table4", recipe, env][1], published["table6", f"{recipe} k1", env][1]
            assert population == pytest.approx(sample / np.sqrt(1.5), abs=0.07)


def test_every_published_number_stands_beside_a_cell():
    cells = {
        (name, row.key, column.key)
        for name in TABLES
        for row, column, _ in cells_of(contents.PAPERS["qantara"][0][name])
        if column.paper
    }
    assert set(read_published(PAPER)) <= cells


def test_cells_are_named_once_in_a_table():
    for name in TABLES:
        keys = [(row.key, column.key) for row, column, q in cells_of(contents.PAPERS["qantara"][0][name]) if q]
        assert len(keys) == len(set(keys)), name


@pytest.mark.parametrize("table", ["table1", "table2", "table3", "table4", "table5", "table6"])
def test_every_environment_has_numbers_floors_and_its_tag(measured, folder, table):
    rows = measured[table]
    for env in qantara_grid.ENVS:
        own = rows[[env in f"{row} {column}".split() for row, column in rows.index]]
        assert own.value.notna().any() and set(own.tag) - {""} == {synthetic_qantara.TAGS[env]}
    page = (folder / f"{table}.md").read_text()
    for env, label in qantara_grid.ENVS.items():
        assert f"{label} ({synthetic_qantara.TAGS[env]})" in page


def test_published_and_retrained_rows_of_a_method_differ_in_key_and_label():
    rows = contents.PAPERS["qantara"][0]["table1"].panels[0].rows
    assert len({row.label for row in rows}) == len({row.key for row in rows}) == len(rows)
    for name in ("PLDM", "DINO-WM", "LeWM"):
        assert len({row.group for row in rows if row.label.startswith(name)}) == 2
    stand_in = next(row for row in rows if row.methods == ("random-features",))
    assert not stand_in.label.startswith("DINO-WM")


@pytest.mark.parametrize("table", TABLES)
def test_every_table_tells_its_protocol_and_how_episodes_were_made(measured, folder, table):
    for kind in ("md", "tex"):
        page = (folder / f"{table}.{kind}").read_text()
        assert "Protocol: repaired (pairs from held-out episodes)." in page
        assert "Episodes: Push-T: noisy replays of human demonstrations, noise 0.1; Cube: planning oracle." in page
    assert set(measured[table].protocol) <= {"", "repaired"}


def test_a_protocol_of_each_environment_is_told_and_a_mixture_within_one_is_refused(tmp_path):
    files = synthetic_qantara.make(tmp_path, envs=("two_room", "cube"), recipes=FEW, seeds=1)
    of_cube = [f for f in files["results"] if "cube" in str(f.relative_to(tmp_path))]
    for f in of_cube:
        f.write_text(f.read_text().replace('"repaired"', '"released"'))
    rows_of("table1", files, tmp_path / "t.csv")
    write_table(tmp_path / "t.csv", *(tmp_path / f"t.{kind}" for kind in ("c", "md", "tex")))
    page = (tmp_path / "t.md").read_text()
    assert "held-out episodes) on Two-Room; released (pairs from the training file, training windows split by" in page
    victim = next(f for f in of_cube if f.name == "cem-k4.json")
    for damage, message in (("repaired", "repaired.*released"), ("secret", "unknown protocol 'secret'")):
        victim.write_text(re.sub('"protocol": "[a-z]*"', f'"protocol": "{damage}"', victim.read_text()))
        with pytest.raises(JepaError, match=message):
            rows_of("table1", files, tmp_path / "t.csv")


def test_published_values_are_printed_as_published(folder):
    page = (folder / "table2.md").read_text()
    assert "| 75 |" in page and "| 6.1 |" in page and "90.1 ± 1.1" in page
    assert "rank-monotone" in (folder / "intext.md").read_text() and "17–24" in (folder / "intext.md").read_text()


@pytest.mark.parametrize("table", TABLES)
def test_markdown_is_rectangular(folder, table):
    text = (folder / f"{table}.md").read_text()
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "nan" not in text.lower() and "None" not in text
    assert "Scale smoke" in text and "3 training seeds" in text and "same = " in text


@pytest.mark.parametrize("table", TABLES)
def test_latex_is_balanced_ascii_and_rectangular(folder, table):
    text = (folder / f"{table}.tex").read_text()
    text.encode("ascii")
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}") and rf"\label{{tab:qantara-{table}}}" in text
    for columns, body in re.findall(r"\\begin\{tabular\}\{@\{\}l(r+)@\{\}\}(.*?)\\end\{tabular\}", text, flags=re.S):
        for line in body.splitlines():
            spanned = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
            if line.endswith(r"\\"):
                assert len(re.findall(r"(?<!\\)&", line)) + spanned == len(columns), line


def test_the_slips_of_the_paper_are_printed_in_every_format(folder):
    assert "71.5 ± 49.4" in (folder / "table4.md").read_text()
    for kind in ("md", "tex"):
        assert "Table 3 has eleven" in (folder / f"intext.{kind}").read_text()


def test_measurements_of_both_papers_can_be_joined(folder, tmp_path):
    paths = [folder / f"{table}.measured.csv" for table in TABLES]
    join_measurements(paths, tmp_path / "all.csv", tmp_path / "timings.csv")
    rows, timings = (read_measurements(tmp_path / name) for name in ("all.csv", "timings.csv"))
    assert set(rows["paper"]) == {"qantara"} and not rows.duplicated(["paper", "table", "row", "column"]).any()
    # What a clock tells stands apart, for two runs never agree on it.
    assert len(timings) and all(timings["row"].str.match("latency|speedup"))
    assert not rows["row"].str.match("latency|speedup").any()
    assert len(rows) + len(timings) == sum(len(read_measurements(path)) for path in paths)


def test_the_page_and_the_csv_have_the_same_rows(folder):
    for table in TABLES:
        lines = list(csv.DictReader(io.StringIO((folder / f"{table}.csv").read_text())))
        assert len(lines) == sum(len(panel.rows) for panel in contents.PAPERS["qantara"][0][table].panels)


def test_every_table_and_figure_has_a_caption():
    for name in (*TABLES, *contents.figures("qantara")):
        assert (ROOT / f"workflow/report/qantara/{name}.rst").read_text().strip()
