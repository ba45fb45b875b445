"""The workflow itself, run by Snakemake: what it writes, what it re-runs, how it fails."""

import json
import time

import pandas as pd
import pytest
import yaml

from conftest import Workflow
from jepa.reporting.contents import FIGURES, TABLES

SMOKE = ("--config", "scale=smoke", "--")
CELL = "results/smoke/audits/mop/mdn/teleport/seed1.json"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Everything at smoke scale, once."""
    workflow = Workflow(tmp_path_factory.mktemp("smoke"))
    done = workflow.run(*SMOKE, "all")
    assert done.returncode == 0, done.stdout[-4000:]
    workflow.output = done.stdout
    return workflow


def edit(workflow, change):
    path = workflow.folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def test_one_cell_needs_only_its_own_chain(workflow):
    assert workflow.planned(*SMOKE, CELL) == {
        "fetch_dataset": 1,
        "extract_crossings": 1,
        "train_mop": 1,
        "audit_mop": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "scale=huge"], ["`scale`", "'huge'", "'smoke', 'laptop', 'paper'"]),
        (["results/laptop/audits/mop/mopp/teleport/seed1.json"], ["'mopp'", "dense"]),
        (["results/laptop/audits/mop/mop/giant/seed1.json"], ["'giant'", "medium-stitch"]),
    ],
)
def test_mistakes_end_quickly_in_one_sentence(workflow, arguments, words):
    started = time.monotonic()
    done = workflow.run(*arguments)
    assert time.monotonic() - started < 3
    said = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(said) == 1 and "Traceback" not in done.stdout
    assert all(word in said[0] for word in words), said


def test_a_negative_size_and_an_unknown_recipe_kind_in_the_file(workflow):
    edit(workflow, lambda config: config["scales"]["smoke"]["mop"].update(seeds=-3))
    started = time.monotonic()
    done = workflow.run("-n", *SMOKE, "all_tables")
    assert time.monotonic() - started < 3
    assert done.returncode == 2 and "scales.smoke.mop.seeds` is -3; it must be at least 1" in done.stdout


def test_a_failing_job_shows_the_end_of_its_log_and_leaves_nothing(workflow):
    edit(workflow, lambda config: config["data"].update(source="mirror"))
    edit(workflow, lambda config: config["scales"]["smoke"]["mop"].update(episode_share=1.0))
    done = workflow.run(*SMOKE, CELL)
    assert done.returncode != 0
    assert "JEPA_DATA_MIRROR" in " ".join(done.stdout.split()), done.stdout[-2000:]
    assert not (workflow.folder / CELL).exists()
    assert not list((workflow.folder / "data").rglob("*.npz"))


def test_it_says_what_it_will_do_and_how_long_it_may_take(finished):
    before = finished.output[: finished.output.index("Job stats")]
    assert "train_mop" in finished.output and "expected to take about" in finished.output
    assert "scale smoke:" in finished.output and len(before) > 0


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_printed_from_its_measurements(finished, table):
    folder = finished.folder / "results/smoke/tables/mop"
    for kind in ("csv", "md", "tex"):
        assert (folder / f"{table}.{kind}").stat().st_size > 100
    rows = pd.read_csv(finished.folder / "results/smoke/measurements.csv")
    assert (rows["table"] == table).any()


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_drawn(finished, figure):
    folder = finished.folder / "results/smoke/figures/mop"
    assert (folder / f"{figure}.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / f"{figure}.png").read_bytes().startswith(b"\x89PNG")


def test_measurements_are_tidy(finished):
    rows = pd.read_csv(finished.folder / "results/smoke/measurements.csv")
    columns = {"paper", "table", "row", "column", "value", "sd", "n", "lo", "hi", "scale", "tag"}
    assert columns <= set(rows.columns)
    assert set(rows["scale"]) == {"smoke"}
    measured = rows.dropna(subset=["value"])
    assert len(measured) > 100 and measured["tag"].notna().all()


def test_every_cell_has_its_provenance(finished):
    for audit in (finished.folder / "results/smoke/audits").rglob("seed?.json"):
        record = json.loads(audit.with_suffix(".provenance.json").read_text())
        assert record["seed"] == int(audit.stem.removeprefix("seed"))
        assert record["code_hash"] and record["inputs"] and record["versions"]["numpy"]
    for log in ("logs/smoke/models/mop/mop/teleport/seed0.log", "bench/smoke/models/mop/mop/teleport/seed0.jsonl"):
        assert (finished.folder / log).exists()


def test_a_second_run_does_nothing(finished):
    assert finished.planned(*SMOKE, "all") == {}


def test_editing_one_arm_reruns_that_arm_alone(finished):
    """One key of `mdn`: its 2 seeds x 3 mazes are trained again, no other arm is, and tables follow."""
    path = finished.folder / "config.yaml"
    original = path.read_text()
    try:
        edit(finished, lambda config: config["mop"]["arms"]["mdn"]["predictor"].update(lambda_bal=0.5))
        jobs = finished.planned(*SMOKE, "all")
        assert jobs["train_mop"] == 6 and jobs["audit_mop"] == 6 and jobs["execute_mop"] == 6
        assert "fetch_dataset" not in jobs and "audit_control" not in jobs and "execute_control" not in jobs
        done = finished.run("-n", *SMOKE, "results/smoke/audits/mop/mop/teleport/seed0.json")
        assert "Nothing to be done" in done.stdout
    finally:
        path.write_text(original)


def test_audit_settings_do_not_retrain(finished):
    path = finished.folder / "config.yaml"
    original = path.read_text()
    try:
        edit(finished, lambda config: config["mop"]["audit"].update(match=0.7))
        jobs = finished.planned(*SMOKE, "all")
        assert "train_mop" not in jobs and "execute_control" not in jobs and jobs["audit_mop"] == 54 - 0
    finally:
        path.write_text(original)


def test_a_new_arm_is_an_entry_in_the_config(workflow):
    """README, "Add an arm": a line in config.yaml and a name in a grid give targets, tables and figures."""

    def add(config):
        config["mop"]["arms"]["mop-wide"] = {"predictor": {"kind": "mop", "width": 64}}
        config["mop"]["grids"]["planning"]["arms"].append("mop-wide")

    edit(workflow, add)
    jobs = workflow.planned(*SMOKE, "results/smoke/audits/mop/mop-wide/teleport/seed0.json")
    assert jobs["train_mop"] == 1
