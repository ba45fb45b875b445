"""Tidy rows: what a cell of a table says about the recorded runs behind it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import synthetic_results
from jepa.errors import JepaError
from jepa.reporting import contents, domain_grid
from jepa.reporting.layout import quantity_of
from jepa.reporting.measurements import (
    COLUMNS,
    join_measurements,
    read_measurements,
    read_published,
    write_measurements,
)
from jepa.reporting.records import Records, episodes

PAPER = Path(__file__).parents[1] / "paper/mop.csv"


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return folder, synthetic_results.make(folder)


def rows_of(table, files, out):
    write_measurements(table, synthetic_results.results(files), PAPER, out, "smoke", files["tags"], steps=200)
    return read_measurements(out).set_index(["row", "column"])


@pytest.fixture(scope="module")
def measured(grid, tmp_path_factory):
    folder = tmp_path_factory.mktemp("measurements")
    return {table: rows_of(table, grid[1], folder / f"{table}.csv") for table in contents.TABLES}


def audit_values(files, method, maze, path):
    found = [json.loads(f.read_text()) for f in files["audits"] if f.parts[-3:-1] == (method, maze)]
    values = []
    for value in sorted(found, key=lambda audit: audit["seed"]):
        for key in path.split("."):
            value = value[key]
        values.append(value)
    return values


def test_a_cell_is_the_mean_and_population_deviation_over_seeds(grid, measured):
    values = audit_values(grid[1], "mop", "teleport", "raw.realroute")
    cell = measured["table3"].loc["mop", "teleport realroute"]
    assert cell.value == pytest.approx(np.mean(values), rel=1e-5)
    assert cell.sd == pytest.approx(np.std(values), rel=1e-4)
    assert cell.n == 3 and cell.lo <= cell.value <= cell.hi
    assert (cell.tag, cell.scale, cell.steps) == ("same", "smoke", "200")
    assert (cell.published, cell.published_sd) == (0.192, 0.09)


def test_the_rate_of_the_paper_counts_one_episode_a_task_for_three_seeds(measured):
    cell = measured["table4"].loc["mop", "large-stitch execution"]
    assert cell.n == 15 and (cell.value * 15) == pytest.approx(round(cell.value * 15), abs=1e-3)
    assert measured["table4"].loc["mop", "large-stitch execution all"].n == 300


def test_a_fourth_seed_does_not_enter_the_paper_protocol(tmp_path):
    files = synthetic_results.make(tmp_path, seeds=4, mazes=("medium-stitch",), arms=("mop",))
    records = Records(files["evals"]).get("evals", "mop", "medium-stitch")
    assert episodes(records, "raw", "dijkstra", "neglogpi", "full", "first")[1] == 15
    assert episodes(records, "raw", "dijkstra", "neglogpi", "full", "all")[1] == 400


def test_fifteen_of_fifteen_has_a_wilson_interval_below_one(measured):
    cell = measured["intext"].loc["truth", "executor medium-stitch"]
    assert (cell.value, cell.n, cell.hi) == (1, 15, 1)
    assert cell.lo == pytest.approx(0.796, abs=0.001)


def test_differences_are_paired_by_seed(grid, measured):
    mop, mdn = (np.array(audit_values(grid[1], arm, "teleport", "raw.realroute")) for arm in ("mop", "mdn"))
    cell = measured["intext"].loc["mop - mdn realroute", "difference teleport"]
    assert cell.value == pytest.approx((mop - mdn).mean(), rel=1e-5)
    assert (mop - mdn).min() - 1e-6 <= cell.lo <= cell.value <= cell.hi <= (mop - mdn).max() + 1e-6


def test_the_best_arm_of_every_maze_leads_three_of_three(measured):
    leads = measured["table6"].xs("leads", level="column")
    assert leads.value["mop"] == 3 and leads.value.sum() == 3 and set(leads.n) == {3}


def test_words_of_the_summary_are_computed(measured):
    words = measured["table6"].xs("modes", level="column").text
    assert words["dense"] == "no"  # one prediction
    assert words["ensemble"] == "no"  # eight predictions of one successor
    assert words["codebook"] == "static"  # the same codes in every cell


def test_validation_likelihood_chooses_the_variant_and_hindsight_the_strongest(grid, measured):
    rows = measured["ablations"]
    for maze in ("medium-stitch", "teleport", "large-stitch"):
        column = f"grid {maze} realroute"
        nll = rows.xs(f"grid {maze} nll", level="column")
        assert list(nll.index[nll.text == "chosen"]) == ["mdn-e1-k8-l0"]
        assert nll.value["mdn-e1-k8-l0"] < nll.value["mdn-ed-k16-l01"] < nll.value["mdn"]
        chosen = rows.loc["grid chosen", column]
        assert chosen.value == rows.loc["mdn-e1-k8-l0", column].value and chosen.text == "d_eff 1, K 8, λ 0"
        assert rows.loc["grid chosen gaussian", column].text == "d_eff d, K 16, λ .1"  # the main MDN is not of the grid
        variants = [rows.loc[name, column].value for name in ("mdn-e1-k8-l0", "mdn-ed-k16-l01")]
        assert rows.loc["grid strongest", column].value == max(variants) >= chosen.value
    assert rows.loc["mdn-e8-k8-l0", "grid teleport realroute"].text == "not run"


def test_the_rank_allows_for_the_interval_of_the_rate(measured):
    rate = measured["table4"].loc["mop", "large-stitch execution all"]
    rank = measured["table4"].loc["rank", "large-stitch execution"]
    quoted = [0.84, 0.31, 0.13, 0.12, 0.07, 0.0]
    assert rank.n == 7 and rank.published == 2
    assert rank.value == 1 + sum(q > rate.value for q in quoted)
    assert rank.lo == 1 + sum(q > rate.hi for q in quoted) and rank.hi == 1 + sum(q > rate.lo for q in quoted)


def test_a_rank_that_the_noise_cannot_tell_spans_several_places():
    from jepa.reporting.quantities import Measure, rank_among

    rank = rank_among(Measure(5 / 15, None, 15, 0.152, 0.583), [0.84, 0.31, 0.13, 0.12, 0.07, 0.0])
    assert (rank.value, rank.lo, rank.hi) == (2, 2, 3)


def test_the_gated_ceiling_is_one_minus_the_held_out_share_of_six(measured):
    assert measured["table5"].loc["ceiling", "cov_r gated"].value == pytest.approx(1 - (0 + 1 + 2) / 3 / 6, rel=1e-5)


def test_what_was_not_run_says_so_and_has_no_number(tmp_path):
    files = synthetic_results.make(tmp_path, seeds=1, mazes=("teleport",), arms=("dense", "mop"))
    for table in contents.TABLES:
        rows = rows_of(table, files, tmp_path / f"{table}.csv")
        missing = rows[rows.text == "not run"]
        assert len(missing) and missing.value.isna().all()
    assert rows_of("table3", files, tmp_path / "t.csv").loc["mdn", "teleport realroute"].text == "not run"


def test_no_result_at_all_is_a_table_of_not_run(tmp_path):
    rows = rows_of("table2", {"tags": []}, tmp_path / "t.csv")
    assert (rows.text == "not run").all() and rows.published.notna().any()


def test_a_cell_that_spans_mazes_carries_the_weakest_tag(tmp_path):
    files = synthetic_results.make(tmp_path, seeds=1, arms=("mop", "mdn"))
    facts = json.loads(files["tags"][0].read_text())
    files["tags"][0].write_text(json.dumps({**facts, "tag": "kind"}))
    rows = rows_of("table6", files, tmp_path / "t.csv")
    assert rows.loc["mop", "precision"].tag == "kind" and rows.loc["mop", "cov_r gated"].tag == "same"


def test_results_without_a_data_tag_are_refused(grid, tmp_path):
    files = {**grid[1], "tags": grid[1]["tags"][:1]}
    with pytest.raises(JepaError, match="pointmaze-large-stitch"):
        rows_of("table2", files, tmp_path / "t.csv")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:100],
        lambda text: "[]",
        lambda text: text.replace('"realroute":', '"other":'),
        lambda text: text.replace('"raw": {', '"raw": null, "old": {', 1),
        lambda text: text.replace('"maze": "teleport"', '"maze": "moon"'),
        lambda text: text.replace('"realroute": ', '"realroute": "much", "old": '),
    ],
)
def test_a_damaged_audit_is_named(tmp_path, damage):
    files = synthetic_results.make(tmp_path, seeds=1, mazes=("teleport",), arms=("mop",))
    victim = next(f for f in files["audits"] if f.parts[-3] == "mop")
    victim.write_text(damage(victim.read_text()))
    with pytest.raises(JepaError, match=str(victim)):
        rows_of("table3", files, tmp_path / "t.csv")


def test_a_damaged_execution_is_named(tmp_path):
    files = synthetic_results.make(tmp_path, seeds=1, mazes=("medium-stitch",), arms=("mop",))
    victim = next(f for f in files["evals"] if f.parts[-4] == "mop")
    victim.write_text(victim.read_text().replace('"success"', '"won"'))
    with pytest.raises(JepaError, match=str(victim)):
        rows_of("table4", files, tmp_path / "t.csv")


def test_a_file_given_twice_is_refused(grid, tmp_path):
    files = {**grid[1], "audits": [*grid[1]["audits"], grid[1]["audits"][0]]}
    with pytest.raises(JepaError, match="twice"):
        rows_of("table2", files, tmp_path / "t.csv")


def test_joined_measurements_have_each_cell_once(grid, tmp_path):
    paths = []
    for table in contents.TABLES:
        paths.append(tmp_path / f"{table}.csv")
        rows_of(table, grid[1], paths[-1])
    join_measurements(paths, tmp_path / "all.csv", tmp_path / "timings.csv")
    rows = read_measurements(tmp_path / "all.csv")
    assert list(rows.columns) == COLUMNS
    assert not rows.duplicated(["paper", "table", "row", "column"]).any()
    assert (tmp_path / "all.csv").read_text().count("\n") == 1 + len(rows)


def test_measuring_twice_gives_equal_bytes(grid, tmp_path):
    for name in ("a", "b"):
        rows_of("intext", grid[1], tmp_path / f"{name}.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_every_published_number_stands_beside_a_cell():
    cells = {
        (name, row.key, column.key)
        for name, table in contents.TABLES.items()
        for panel in table.panels
        for row in panel.rows
        for column in panel.columns
        if column.paper
    }
    assert set(read_published(PAPER)) <= cells


def test_cells_are_named_once_in_a_table():
    for table in contents.TABLES.values():
        keys = [
            (row.key, column.key)
            for panel in table.panels
            for row in panel.rows
            for column in panel.columns
            if quantity_of(row, column)
        ]
        assert len(keys) == len(set(keys)), table.key


CONFIG = {
    "mop": {
        "mazes": ["medium-stitch", "large-stitch", "teleport"],
        "seeds": 2,
        "arms": dict.fromkeys(["dense", "mdn", "mop", "mop-k3", "codebook-teleport"]),
        "grids": {
            "planning": {"arms": ["dense", "mdn", "mop"], "mazes": ["medium-stitch", "teleport"]},
            "k-sweep": {"arms": ["mop-k3", "codebook-teleport"], "mazes": ["teleport"]},
        },
        "execution": {"arms": ["mop"]},
        "domains": {"seeds": 2, "cells": {"digits": {}, "antmaze-teleport": {}}},
    }
}


def test_a_table_needs_the_cells_that_the_scale_runs():
    needs = contents.needs("table5", CONFIG)
    assert set(needs) == {("audits", m, "teleport") for m in ("dense", "mdn", "mop", "codebook-teleport")}
    needs = contents.needs("table4", CONFIG)
    assert ("evals", "mop", "medium-stitch") in needs and ("evals", "truth", "medium-stitch") in needs
    assert ("evals", "dense", "medium-stitch") not in needs and ("audits", "mop", "large-stitch") not in needs
    assert ("audits", "mop-k3", "teleport") in contents.needs("figure9", CONFIG)
    assert ("fanout", "mdn", "teleport") in contents.needs("intext", CONFIG)
    domains = [("domains", "all", "digits"), ("domains", "all", "antmaze-teleport")]
    assert contents.needs("generality", CONFIG) == domains and set(domains) < set(contents.needs("table1", CONFIG))
    assert contents.runs(CONFIG, "mop")["domains", "all", "digits"] == 2 and not contents.needs("figure1", CONFIG)
    assert all(len(contents.needs(n, CONFIG)) == len(set(contents.needs(n, CONFIG))) for n in contents.TABLES)


def test_a_table_measures_nothing_beyond_what_it_needs(grid, measured, tmp_path):
    config = json.loads(json.dumps(CONFIG))
    arms = [*synthetic_results.ARMS, *synthetic_results.SWEEP, *synthetic_results.ABLATED, "codebook-teleport"]
    config["mop"]["grids"] = {"all": {"arms": arms, "mazes": config["mop"]["mazes"]}}
    config["mop"]["arms"], config["mop"]["execution"]["arms"] = dict.fromkeys(arms), arms
    config["mop"]["domains"]["cells"] = dict.fromkeys(domain_grid.DATASETS, {})
    for table in contents.TABLES:
        files = synthetic_results.only(grid[1], contents.needs(table, config))
        assert rows_of(table, files, tmp_path / f"{table}.csv").equals(measured[table])


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(JepaError, match="table2.*figure9"):
        contents.needs("table99", CONFIG)


def test_the_snakefile_side_is_light_and_reporting_needs_no_torch():
    check = (
        "import sys, jepa.reporting.contents; assert not {'pandas', 'numpy', 'matplotlib'} & set(sys.modules);"
        "import jepa.reporting.figures, jepa.reporting.tables; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
