"""Damaged results and measurements: no table or figure is made from them, and the sentence names the file."""

import json

import pytest

import synthetic_qantara
import synthetic_results
from bad_input import call, options, refused
from conftest import ROOT
from jepa.reporting.measurements import COLUMNS
from synthetic_results import write


@pytest.fixture(scope="module")
def mop(tmp_path_factory):
    """One audit and one execution of MoP-JEPA, and the provenance of their data."""
    files = synthetic_results.make(tmp_path_factory.mktemp("mop"), 1, ("medium-stitch",), ("mop",))
    named = {"audit": files["audits"], "execution": files["evals"]}
    return {kind: json.loads(paths[0].read_text()) for kind, paths in named.items()} | {"tags": files["tags"]}


@pytest.fixture(scope="module")
def qantara(tmp_path_factory):
    files = synthetic_qantara.make(tmp_path_factory.mktemp("qantara"), ("two_room",), ("default",), 1)
    found = {path.stem: json.loads(path.read_text()) for path in files["results"]}
    return {"evaluation": found["cem-k4"], "floors": found["two_room"], "tags": files["tags"]}


def measuring(folder, paper, table, results, tags, **changes):
    """Arguments of measure_table."""
    given = options(paper=paper, table=table, scale="smoke", steps=20, out=folder / "out/t.csv")
    given += options(published=changes.get("published", ROOT / f"paper/{paper}.csv"))
    return [*given, "--data", *tags, "--results", *results]


def measure(folder, paper, table, results, tags, words, **changes):
    """Assert that no table is measured from damaged results (see `refused`)."""
    refused("measure_table", measuring(folder, paper, table, results, tags, **changes), words, folder)


def test_the_undamaged_results_are_accepted(mop, qantara, tmp_path):
    """Each case below is refused for its damage and for nothing else."""
    for paper, table, value, tags in (
        ("mop", "table3", mop["audit"], mop["tags"]),
        ("mop", "table4", mop["execution"], mop["tags"]),
        ("qantara", "table1", qantara["evaluation"], qantara["tags"]),
        ("qantara", "table1", qantara["floors"], qantara["tags"]),
    ):
        given = measuring(tmp_path, paper, table, [write(tmp_path / "result.json", value)], tags)
        assert call("measure_table", given) == (0, "")
        assert (tmp_path / "out/t.csv").read_text().startswith("paper,table,row,column,value")


def without(key):
    return lambda value: value.pop(key)


def at(path, new):
    """Put `new` at a dotted path."""

    def change(value):
        *parents, last = path.split(".")
        for parent in parents:
            value = value[parent]
        value[last] = new

    return change


RESULTS = {
    "without seed": ("audit", without("seed"), ["lacks `seed`"]),
    "of an unknown maze": ("audit", at("maze", "<b>giant</b>"), ["unknown maze `<b>giant</b>`"]),
    "without a number": ("audit", lambda value: value["raw"].pop("realroute"), ["lacks `raw.realroute`"]),
    "with a word for a number": ("audit", at("raw.realroute", "high"), ["'high' at `raw.realroute`, not a number"]),
    "with a truth value for a number": ("audit", at("raw.realroute", True), ["True at `raw.realroute`, not a number"]),
    "with a list for a readout": ("audit", at("raw", []), ["lacks `raw`"]),
    "a run without episodes": ("execution", lambda value: value["runs"][0].pop("episodes"), ["a run without"]),
    "an episode that is a word": (
        "execution",
        lambda value: value["runs"][0].update(episodes=["won"]),
        ["a run without"],
    ),
    "a run that is none": ("execution", at("runs", [3]), ["a run without"]),
}


@pytest.mark.parametrize("case", RESULTS)
def test_results_of_mop_jepa(mop, tmp_path, case):
    kind, change, words = RESULTS[case]
    value = json.loads(json.dumps(mop[kind]))
    change(value)
    path, table = write(tmp_path / "result.json", value), "table3" if kind == "audit" else "table4"
    measure(tmp_path, "mop", table, [path], mop["tags"], ["result.json", *words])


EVALUATIONS = {
    "of an unknown environment": ("evaluation", at("env", "moon"), ["unknown environment `moon`"]),
    "of an unknown protocol": ("evaluation", at("protocol", "mine"), ["unknown protocol 'mine'"]),
    "without its manifest": ("evaluation", without("manifest"), ["is neither an evaluation"]),
    "an episode without outcome": (
        "evaluation",
        lambda value: value["episodes"][3].pop("success"),
        ["an episode without"],
    ),
    "an episode that is a word": ("evaluation", lambda value: value.update(episodes=["won"]), ["an episode without"]),
    "a count of pairs that is a word": ("evaluation", at("manifest.n", "all"), ["'all' at `manifest.n`"]),
    "floors that are numbers": ("floors", at("floors", {"random": 3}), ["random"]),
}


@pytest.mark.parametrize("case", EVALUATIONS)
def test_results_of_qantara(qantara, tmp_path, case):
    kind, change, words = EVALUATIONS[case]
    value = json.loads(json.dumps(qantara[kind]))
    change(value)
    path = write(tmp_path / "result.json", value)
    measure(tmp_path, "qantara", "table1", [path], qantara["tags"], ["result.json", *words])


TEXTS = {
    "no JSON": ("{", ["is not valid JSON"]),
    "a list": ("[]", ["lacks `method`"]),
    "nothing": ("", ["is not valid JSON"]),
    "NaN": ('{"raw": NaN}', ["NaN is no JSON number"]),
    "a number too long to read": (f'{{"seed": {"9" * 5000}}}', ["is not valid JSON"]),
}


@pytest.mark.parametrize("case", TEXTS)
def test_files_that_are_no_result(tmp_path, case):
    text, words = TEXTS[case]
    (tmp_path / "result.json").write_text(text)
    measure(tmp_path, "mop", "table3", [tmp_path / "result.json"], [], ["result.json", *words])


def test_results_that_do_not_belong_together(mop, qantara, tmp_path):
    one, two = (write(tmp_path / f"{name}.json", mop["audit"]) for name in "ab")
    measure(tmp_path, "mop", "table3", [one, two], mop["tags"], ["given twice for seed 0", "a.json", "b.json"])
    measure(tmp_path, "mop", "table3", [one], [], ["No provenance file tells the data tag"])
    measure(tmp_path, "mop", "table99", [one], mop["tags"], ["no table 'table99'"])
    other = qantara["evaluation"] | {"k": 8, "manifest": qantara["evaluation"]["manifest"] | {"hash": "other"}}
    pair = [write(tmp_path / "k4.json", qantara["evaluation"]), write(tmp_path / "k8.json", other)]
    measure(tmp_path, "qantara", "table1", pair, qantara["tags"], ["evaluated on different pairs of two_room"])


def test_provenance_without_a_known_tag(mop, tmp_path):
    one = write(tmp_path / "a.json", mop["audit"])
    for facts, word in (({}, "lacks `tag`"), ({"tag": "official<script>"}, "unknown data tag"), ([], "lacks `tag`")):
        tags = [write(tmp_path / "provenance.json", facts)]
        measure(tmp_path, "mop", "table3", [one], tags, ["provenance.json", word])


def test_published_numbers_that_were_edited(mop, tmp_path):
    one, published = write(tmp_path / "a.json", mop["audit"]), tmp_path / "mop.csv"
    right = (ROOT / "paper/mop.csv").read_text()
    for text, word in (
        ("", "cannot be read"),
        ("a,b\n1,2\n", "must have the columns"),
        (right + right.splitlines()[1] + "\n", "twice"),
        (right + '"', "cannot be read"),
    ):
        published.write_text(text)
        measure(tmp_path, "mop", "table3", [one], mop["tags"], ["mop.csv", word], published=published)


ROWS = {
    "no table": ("", ["cannot be read"]),
    "other columns": ("a,b\n1,2\n", ["must have the columns"]),
    "no rows": (",".join(COLUMNS) + "\n", ["exactly one known table", "none"]),
    "an unknown table": (",".join(COLUMNS) + "\nmop,table99" + "," * (len(COLUMNS) - 2) + "\n", ["mop table99"]),
    "an unknown tag": (
        ",".join(COLUMNS) + "\n" + ",".join("<b>" if c == "tag" else "" for c in COLUMNS) + "\n",
        ["unknown data tag '<b>'"],
    ),
    "a word for a number": (
        ",".join(COLUMNS) + "\nmop,table3,a,b,high" + "," * (len(COLUMNS) - 5) + "\n",
        ["words in its column `value`"],
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_measurements(tmp_path, case):
    text, words = ROWS[case]
    (tmp_path / "t.csv").write_text(text)
    given = options(
        measurements=tmp_path / "t.csv", **{kind: tmp_path / f"out/t.{kind}" for kind in ("csv", "md", "tex")}
    )
    refused("print_table", given, words, tmp_path)


def test_measurements_that_cannot_be_joined(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n")
    given = options(out=tmp_path / "out/all.csv", timings=tmp_path / "out/timings.csv")
    refused("join_measurements", [*given, tmp_path / "t.csv"], ["t.csv must have the columns"], tmp_path)
    refused("join_measurements", [*given, tmp_path / "none.csv"], ["none.csv cannot be read"], tmp_path)


@pytest.mark.parametrize("paper", ["mop", "qantara"])
def test_figures(tmp_path, paper):
    (tmp_path / "result.npz").write_text("no npz")
    given = options(paper=paper, scale="smoke", published=ROOT / "paper/mop.csv")
    given += options(pdf=tmp_path / "out/f.pdf", png=tmp_path / "out/f.png")
    refused("draw_figure", [*given, "--figure", "figure99"], ["no figure 'figure99'"], tmp_path)
    figure = {"mop": "figure5", "qantara": "figure1"}[paper]
    damaged = [*given, "--figure", figure, "--results", tmp_path / "result.npz"]
    refused("draw_figure", damaged, ["result.npz"], tmp_path)
