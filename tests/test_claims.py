"""The ledger: the claims of the papers against the papers' own numbers, and what it prints of measured tables."""

import csv
import io
import re
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
import yaml

import synthetic_qantara
import synthetic_results
from conftest import ROOT
from jepa.errors import JepaError
from jepa.reporting import contents
from jepa.reporting.claims import judge_claims, names_of, read_claims
from jepa.reporting.expressions import cells_of
from jepa.reporting.layout import cells_of as cells_of_table
from jepa.reporting.ledger import COLUMNS, write_ledger
from jepa.reporting.measurements import measure, read_published, write_measurements
from jepa.reporting.papers import PAPERS
from jepa.reporting.verdicts import NOT_TESTABLE, REPRODUCED, VERDICTS, decide, kind_of

CLAIMS = ROOT / "paper/claims.yaml"
HEADLINE = [(paper, table) for paper in PAPERS for table in contents.tables(paper) if table in contents.HEADLINE[paper]]


@pytest.fixture(scope="module")
def claims():
    return read_claims(CLAIMS)


@pytest.fixture(scope="module")
def nothing_run():
    """Tidy rows of the headline's tables without any result: the paper's numbers alone."""
    published = {paper: read_published(ROOT / f"paper/{paper}.csv") for paper in PAPERS}
    records = {paper: PAPERS[paper].read([]) for paper in PAPERS}
    rows = [measure(t, records[p], published[p], "paper", {}, 1, p) for p, t in HEADLINE]
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Files of measurements of synthetic results, in which MoP-JEPA is the best by far: {(paper, table): path}."""
    folder = tmp_path_factory.mktemp("results")
    mop = synthetic_results.make(folder / "mop", domains=())
    qantara = synthetic_qantara.make(folder / "qantara")
    found = {"mop": (synthetic_results.results(mop), mop["tags"]), "qantara": (qantara["results"], qantara["tags"])}
    files = {}
    for paper, table in HEADLINE:
        results, tags = found[paper]
        path = files[paper, table] = folder / f"{paper}-{table}.csv"
        write_measurements(table, results, ROOT / f"paper/{paper}.csv", path, "laptop", tags, 20, paper)
    return files


def ledger(folder, files, scale="laptop", claims_yaml=CLAIMS):
    """What is written: {id: its row of the CSV}, and the page."""
    write_ledger(claims_yaml, files, folder / "claims.csv", folder / "claims.md", scale)
    rows = csv.DictReader(io.StringIO((folder / "claims.csv").read_text()))
    return {row["id"]: row for row in rows}, (folder / "claims.md").read_text()


@pytest.fixture(scope="module")
def written(measured, tmp_path_factory):
    return ledger(tmp_path_factory.mktemp("ledger"), measured.values())


def test_every_claim_holds_for_the_papers_own_numbers(claims, nothing_run):
    """Where the paper gives every cell, the claim is true of them: so it is the paper's claim, not a slip of ours."""
    checked = 0
    for claim, _, _, _, parts in judge_claims(claims, nothing_run, "paper"):
        known = [part for _, part in parts if part.published is not None]
        for part in known:
            said = decide(part.symbol, part.threshold, part.published, part.published)
            assert said == REPRODUCED, (claim.id, part.shown, part.published)
        checked += len(known) == len(parts)
    assert checked > 60


def test_there_are_claims_of_both_papers_from_tables_of_the_first_hour(claims):
    assert min(Counter(claim.paper for claim in claims).values()) >= 40
    for claim in claims:
        tables = {cell.table for _, comparison in claim.parts for cell in cells_of(comparison)}
        assert tables <= {table for paper, table in HEADLINE if paper == claim.paper}, claim.id


def test_what_the_paper_quotes_from_elsewhere_is_compared_on_its_data_alone(claims):
    for claim in claims:
        names = names_of(claim.paper)
        cells = [cell for _, comparison in claim.parts for cell in cells_of(comparison)]
        if any(names[cell.table][cell.row][cell.column][-1] == "quoted" for cell in cells):
            assert set(claim.tags) <= {"official", "same"}, claim.id


def test_no_verdict_is_written_by_hand():
    text = CLAIMS.read_text().partition("\nclaims:")[2]
    assert not [verdict for verdict in VERDICTS if verdict in text]


def test_two_cells_have_never_one_name():
    for paper, house in PAPERS.items():
        for key, table in house.tables.items():
            named = names_of(paper).get(key, {})
            cells = {(row.key, column.key) for row, column, _ in cells_of_table(table) if kind_of(row, column)}
            assert sum(map(len, named.values())) == len(cells), (paper, key)


def test_ranges_and_counts_cannot_be_named():
    """A cell that has no interval to judge by: the range over mazes, the number of mazes led, a rank correlation."""
    mop, qantara = names_of("mop"), names_of("qantara")
    assert "leads" not in mop["table6"]["mop"] and "over_mazes" not in mop["intext"]["realroute_mop"]
    assert "loss_rank" not in qantara["intext"] and "latency_suite" not in qantara["intext"]["latency_bc_k2"]


def test_verdicts_follow_the_measurements(written):
    rows, _ = written
    assert list(rows["mop-realroute-over-mdn"]) == list(COLUMNS)
    won = rows["mop-realroute-over-mdn"]  # the synthetic MoP-JEPA leads MDN by .2 with little noise
    assert (won["verdict"], won["parts"], won["n"], won["tag"]) == ("reproduced", "3 reproduced", "3", "same")
    assert 0 < float(won["lo"]) < float(won["value"]) < float(won["hi"])
    lost = rows["mop-planall-mdn-large"]
    assert (lost["verdict"], lost["threshold"]) == ("contradicted", "0") and float(lost["lo"]) > 0
    assert rows["mop-executor-sound"]["verdict"] == "reproduced" and rows["mop-executor-sound"]["n"] == "30"
    assert rows["mop-second-of-seven"]["verdict"] == "inconclusive"
    unsure = rows["qantara-uniform-held"]  # one seed on Cube and on Reacher
    assert (unsure["verdict"], unsure["n"], unsure["lo"]) == ("inconclusive", "1", "")
    assert rows["mop-precision"]["reason"] == "for scale paper" and not rows["mop-precision"]["value"]


def test_the_papers_value_stands_beside_ours(written):
    row = written[0]["qantara-uniform-held"]
    assert float(row["published_value"]) in (pytest.approx(-6.8), pytest.approx(-23.4))
    assert float(written[0]["mop-raw-coverage"]["published_value"]) == 0.997


def test_the_page_has_a_line_a_claim_and_counts_them(written, claims):
    rows, page = written
    assert list(rows) == [claim.id for claim in claims] and {row["verdict"] for row in rows.values()} <= set(VERDICTS)
    lines = [line for line in page.splitlines() if line.startswith("| ") and line.endswith("` |")]
    assert len(lines) == len(claims) and {line.count(" | ") for line in lines} == {5}
    for verdict in VERDICTS:
        counts = Counter(row["paper"] for row in rows.values() if row["verdict"] == verdict)
        assert f"| {verdict} | {counts['mop']} | {counts['qantara']} |" in page
    assert not re.search(r"\b(nan|inf|None)\b", page)


def test_at_smoke_scale_nothing_is_testable(measured, tmp_path):
    rows, page = ledger(tmp_path, measured.values(), "smoke")
    assert {row["verdict"] for row in rows.values()} == {NOT_TESTABLE}
    assert {row["reason"].partition(" ")[0] for row in rows.values()} == {"for"} and "| – |" in page


def test_tables_that_are_missing_leave_their_claims_untested(measured, tmp_path):
    rows, _ = ledger(tmp_path, [measured["mop", "table5"]])
    assert rows["mop-raw-coverage"]["verdict"] != NOT_TESTABLE
    assert rows["mop-realroute-over-dense"]["reason"].endswith("not measured")


def test_what_was_not_run_is_not_testable(nothing_run, claims):
    judged = judge_claims(claims, nothing_run, "paper")
    assert {verdict for _, verdict, *_ in judged} == {NOT_TESTABLE}


def test_judging_twice_gives_equal_bytes(measured, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        ledger(tmp_path / name, [measured["mop", "table3"], measured["mop", "table5"]])
    for file in ("claims.csv", "claims.md"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


ENTRY = {
    "id": "mine",
    "paper": "mop",
    "where": "Table 5",
    "statement": "It covers.",
    "published": ".997",
    "expression": "table5.mop.cov_r > 0.95",
}
FILE = {"defaults": {"scales": ["laptop"], "tags": ["same"]}, "sets": {"ARM": ["mop", "mdn"]}, "claims": [ENTRY]}


def one(**changes):
    return FILE | {"claims": [{key: value for key, value in (ENTRY | changes).items() if value is not ...}]}


BROKEN = [  # what stands in the file, and words of the one sentence about it
    ([], "must have the entries defaults, sets and claims"),
    ({"claims": [ENTRY]}, "must have the entries defaults, sets and claims"),
    (FILE | {"claims": []}, "must be a list of claims"),
    (FILE | {"claims": ["mine"]}, "Claim number 1: it must be a mapping"),
    (FILE | {"claims": [ENTRY, ENTRY]}, "Claim mine stands twice"),
    (FILE | {"defaults": {"scales": ["laptop"]}}, "must have scales and tags"),
    (FILE | {"sets": {"arm": ["mop"]}}, "two capitals or more"),
    (FILE | {"sets": {False: ["mop"]}}, "two capitals or more"),  # YAML reads OFF as False
    (FILE | {"sets": {"ARM": [64]}}, "The set ARM of the claims must be a list of keys"),
    (one(id=...), "Claim number 1: the entry id must be a text"),
    (one(published=0.997), "Claim mine: the entry published must be a text (in quotes"),
    (one(expression=""), "Claim mine: the entry expression must be a text"),
    (one(verdict="reproduced"), "Claim mine: the entry verdict is unknown"),
    (one(paper="lewm"), "Claim mine: there is no paper 'lewm'; there are mop, qantara"),
    (one(scales=["huge"]), "Claim mine: the entry scales is ['huge']; it must list some of smoke, laptop, paper"),
    (one(tags="same"), "Claim mine: the entry tags is 'same'"),
    (one(expression="table5.mop.cov_x > 0.95"), "which table5.mop has not; the nearest is `cov_"),
    (one(expression="table5.ARMS.cov_r > 0.95"), "names the row `ARMS`"),
    (one(expression="table6.mop.leads >= 3"), "names the column `leads`"),
    (one(expression="table4.mop.large_stitch_execution.sd > 0.1"), "is no deviation over seeds"),
    (one(expression="__import__('os').system('touch /tmp/x') > 0"), "Claim mine: `__import__('os')"),
    (one(expression=" and ".join(["table5.ARM.cov_r > 0"] * 30)), "at most 400 are allowed"),
]


@pytest.mark.parametrize(("content", "words"), BROKEN)
def test_a_mistake_in_the_file_ends_in_one_sentence(tmp_path, content, words):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(JepaError) as refused:
        read_claims(path)
    assert words in str(refused.value) and str(refused.value).endswith(".") and "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["claims: [", "a: &a [*b]", "!!python/object/apply:os.system ['id']"])
def test_a_file_that_is_no_yaml_runs_nothing(tmp_path, text):
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(JepaError, match="cannot be read"):
        read_claims(tmp_path / "claims.yaml")


def test_too_many_parts_are_refused(tmp_path):
    sets = {name: [str(number) for number in range(9)] for name in ("AA", "BB")}
    content = one(expression="intext.gate_mop_AA_BB.gate_cov_r > 0") | {"sets": sets}
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(JepaError, match="Claim mine: it has more than 64 parts"):
        read_claims(tmp_path / "claims.yaml")


def test_a_set_makes_one_part_for_each_of_its_keys(tmp_path):
    content = one(expression="table5.ARM.cov_r > 0.5 and table5.ARM.cov_p > 0.5")
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(content))
    (claim,) = read_claims(tmp_path / "claims.yaml")
    assert [label for label, _ in claim.parts] == ["mop, 1", "mop, 2", "mdn, 1", "mdn, 2"]


def test_the_script_ends_with_one_sentence(tmp_path, measured):
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(one(expression="exec('1') > 0")))
    script, out = ROOT / "workflow/scripts/judge_claims.py", [tmp_path / "claims.csv", tmp_path / "claims.md"]
    arguments = ["--claims", tmp_path / "claims.yaml", "--scale", "laptop", "--csv", out[0], "--md", out[1]]
    command = [sys.executable, script, *arguments, measured["mop", "table5"]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: Claim mine: `exec('1')`")
    assert len(done.stderr.splitlines()) == 1 and not any(path.exists() for path in out)


def test_judging_needs_no_torch():
    check = "import sys, jepa.reporting.ledger; assert not {'torch', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_ledger_is_one_job_after_the_tables_of_the_first_hour(workflow):
    smoke = ("--config", "scale=smoke", "--")
    alone = workflow.planned(*smoke, "claims")
    assert alone["claims"] == 1 and alone["measure_table"] == len(HEADLINE) and "draw_figure" not in alone
    assert workflow.planned(*smoke, "headline")["claims"] == 1
