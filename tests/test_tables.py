"""Printed tables: three formats of the same tidy rows, with the paper's numbers and the controls in view."""

import csv
import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import synthetic_results
from jepa.errors import JepaError
from jepa.reporting import contents, formats
from jepa.reporting.layout import Column
from jepa.reporting.measurements import read_measurements, write_measurements
from jepa.reporting.tables import escape, print_table, write_table

PAPER = Path(__file__).parents[1] / "paper/mop.csv"
CONTROLS = (
    "displacement codebook",
    "symmetrised training edges",
    "training edges",
    "majority edge",
    "true edges not held out",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    files = synthetic_results.make(folder)
    for table in contents.TABLES:
        measured = folder / f"{table}.measured.csv"
        write_measurements(table, synthetic_results.results(files), PAPER, measured, "smoke", files["tags"])
        write_table(measured, *(folder / f"{table}.{kind}" for kind in ("csv", "md", "tex")))
    return folder


def cell(**facts):
    empty = dict.fromkeys(("value", "sd", "lo", "hi", "published", "published_sd"))
    return SimpleNamespace(**{**empty, "n": 0, "text": "", "published_text": "", **facts})


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.851, ".851"), (0.0, ".000"), (1.0, "1.00"), (0.9996, "1.00"), (-0.03, "−.030"), (2.134, "2.13")],
)
def test_shares_are_printed_without_the_leading_zero(value, text):
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("quantity", "facts", "ours"),
    [
        ("mean:x", {"value": 0.851, "sd": 0.078, "n": 5}, ".851 ± .08"),
        ("mean:x", {"value": 0.851, "sd": 0.0, "n": 1}, ".851"),  # one seed has no deviation
        ("mean:x", {"text": "not run"}, "not run"),
        ("mean:x", {"text": "undefined"}, "–"),
        ("rate:x", {"value": 5 / 15, "n": 15, "lo": 0.152, "hi": 0.583}, "5/15 [.15, .58]"),
        ("paired:x", {"value": 0.113, "n": 5, "lo": -0.06, "hi": 0.18}, ".113 [−.06, .18]"),
        ("range:x", {"value": 0.17, "n": 3, "lo": 0.14, "hi": 0.21}, ".14–.21"),
        ("leads:x", {"value": 3, "n": 3}, "3/3"),
        ("ranking:x", {"value": 2, "n": 7, "text": "no"}, "no (2 pairs)"),
        ("ratio_gated_or_raw:x", {"value": 2.41, "n": 3}, "2.4×"),
        ("modes:", {"value": 2.13, "n": 3, "text": "yes"}, "yes (2.1)"),
        ("nll:", {"value": -2.345, "sd": 0.1, "n": 3, "text": "chosen"}, "−2.35*"),
        ("nll:", {"value": 0.5, "n": 1}, "0.50"),
        ("chosen:x", {"value": 0.5, "sd": 0.02, "n": 3, "text": "K 16"}, ".500 ± .02 (K 16)"),
        ("rank:x", {"value": 2, "n": 7, "lo": 2, "hi": 5}, "2 of 7 (2–5)"),
    ],
)
def test_a_cell_says_what_was_measured(quantity, facts, ours):
    assert formats.ours(cell(**facts), quantity, Column("c", "c", ("teleport",))) == ours


@pytest.mark.parametrize(
    ("quantity", "facts", "theirs"),
    [
        ("mean:x", {"published": 0.851, "published_sd": 0.08}, ".851 ± .08"),
        ("mean:x", {"published": 0.244}, ".244"),
        ("mean:x", {}, "–"),
        ("rate:x", {"published": 0.33}, ".33"),
        ("paired:x", {"published_text": "0.06-0.18"}, "[.06, .18]"),
        ("range:x", {"published_text": ".14-.21"}, ".14–.21"),
        ("range:x", {"published_text": "high"}, "high"),
        ("leads:x", {"published": 3}, "3/3"),
    ],
)
def test_the_paper_is_printed_in_the_form_of_ours(quantity, facts, theirs):
    assert formats.published(cell(**facts), quantity, Column("c", "c", ("teleport",))) == theirs


@pytest.mark.parametrize("table", contents.TABLES)
def test_markdown_is_rectangular(folder, table):
    text = (folder / f"{table}.md").read_text()
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "nan" not in text.lower() and "None" not in text


@pytest.mark.parametrize("table", contents.TABLES)
def test_latex_is_balanced_ascii_and_rectangular(folder, table):
    text = (folder / f"{table}.tex").read_text()
    text.encode("ascii")
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    for name in ("table*", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") > 0
    assert not re.search(r"(?<!\\)[%#_]", text)
    for columns, body in re.findall(r"\\begin\{tabular\}\{@\{\}l(r+)@\{\}\}(.*?)\\end\{tabular\}", text, flags=re.S):
        for line in body.splitlines():
            spanned = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
            if line.endswith(r"\\"):
                assert len(re.findall(r"(?<!\\)&", line)) + spanned == len(columns), line


@pytest.mark.parametrize("table", contents.TABLES)
def test_the_csv_parses_and_has_the_cells_of_the_page(folder, table):
    lines = list(csv.DictReader(io.StringIO((folder / f"{table}.csv").read_text())))
    rows = sum(len(panel.rows) for panel in contents.TABLES[table].panels)
    assert len(lines) == rows and None not in lines[0]
    page = (folder / f"{table}.md").read_text().replace("**", "")
    assert all(f"| {line['row']} |" in page for line in lines)


@pytest.mark.parametrize("table", ["table2", "table3", "table4"])
def test_planning_tables_set_controls_and_ceiling_apart(folder, table):
    page, tex = ((folder / f"{table}.{kind}").read_text() for kind in ("md", "tex"))
    assert all(f"| {name} |" in page for name in CONTROLS)
    assert page.index("| codebook |") < page.index("*controls*") < page.index("| displacement codebook |")
    before, _, after = tex.partition("displacement codebook")
    assert before.rstrip().endswith(r"\midrule") and r"\midrule" in after


def test_only_the_best_learned_arm_is_bold(folder):
    lines = (folder / "table2.md").read_text().splitlines()
    bold = [line for line in lines if "**" in line]
    assert len(bold) == 1 and bold[0].startswith("| MoP-JEPA |")
    assert "**" not in (folder / "table2.csv").read_text()


def test_the_codebook_is_not_bold_though_it_covers_everything(folder):
    line = next(line for line in (folder / "table5.md").read_text().splitlines() if line.startswith("| codebook |"))
    assert "1.00" in line and "**" not in line


def test_published_values_stand_in_the_next_column(folder):
    lines = list(csv.DictReader(io.StringIO((folder / "table3.csv").read_text())))
    keys = list(lines[0])
    assert keys[keys.index("teleport realroute") + 1] == "teleport realroute (paper)"
    mop = next(line for line in lines if line["row"] == "MoP-JEPA")
    assert mop["teleport realroute (paper)"] == ".192 ± .09" and mop["data"] == "same"


def test_the_ablations_name_the_variant_and_quote_the_paper_in_words(folder):
    page = (folder / "ablations.md").read_text()
    assert (
        page.count("*") > page.count("**") and "(d_eff 1, K 8, λ 0)" in page and "drags heads toward the mean" in page
    )
    empty = [line for line in page.splitlines() if line.startswith("| annealed over 10 %")]
    assert "not run" in empty[0] and "accelerates small models" in empty[0]


def test_every_page_says_scale_seeds_and_data(folder):
    for table in contents.TABLES:
        page, tex = ((folder / f"{table}.{kind}").read_text() for kind in ("md", "tex"))
        assert "data: same" in page and "Scale smoke" in page and "3 seeds" in page
        assert "data: same" in tex and "Scale smoke" in tex


def test_mixed_data_is_tagged_column_by_column(tmp_path):
    files = synthetic_results.make(tmp_path, seeds=1, arms=("dense", "mop"))
    files["tags"][0].write_text('{"dataset": "pointmaze-medium-stitch", "tag": "kind"}')
    out = tmp_path / "t.csv"
    write_measurements("table2", synthetic_results.results(files), PAPER, out, "smoke", files["tags"])
    page = print_table(read_measurements(out))[1]
    assert "medium-stitch (kind)<br>raw" in page and "teleport (same)<br>raw" in page


def test_a_table_without_results_is_printed(tmp_path):
    for table in contents.TABLES:
        out = tmp_path / f"{table}.csv"
        write_measurements(table, [], PAPER, out, "smoke", [])
        text, page, tex = print_table(read_measurements(out))
        assert "not run" in text and "not run" in page and "not run" in tex


def test_measurements_of_two_tables_are_not_one_table(folder, tmp_path):
    both = tmp_path / "both.csv"
    second = (folder / "table3.measured.csv").read_text().partition("\n")[2]
    both.write_text((folder / "table2.measured.csv").read_text() + second)
    with pytest.raises(JepaError, match="mop table2, mop table3"):
        print_table(read_measurements(both))


def test_names_are_escaped():
    assert escape("5 % of a_b & c") == r"5 \% of a\_b \& c"
