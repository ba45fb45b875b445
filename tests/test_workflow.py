"""The workflow itself, run by Snakemake: what it writes, what it re-runs, how it fails."""

import json
import resource
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from conftest import ROOT, Workflow
from jepa.config import resolve
from jepa.envs import gl
from jepa.reporting.contents import PAPERS, figures, runs, tables

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
TABLES = [(paper, table) for paper in PAPERS for table in tables(paper)]
FIGURES = [(paper, figure) for paper in PAPERS for figure in figures(paper)]

SMOKE = ("--config", "scale=smoke", "--")
CELL = "results/smoke/audits/mop/mdn/teleport/seed1.json"
CONTROL = "results/smoke/evals/mop/truth/teleport/seed{}/execution.json"
MEASUREMENTS = "results/smoke/measurements.csv"


def quickly(workflow, *arguments):
    """A run that takes less than 5 seconds of a core; wall time would measure what else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = workflow.run(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5
    return done


# One domain of each kind: what differs between those of a kind is tested where the kind is.
DOMAINS = {
    "pedestrians-latent-eth",
    "taxi-position",
    "digits",
    "inpainting",
    "antmaze-teleport",
    "visual-antmaze-teleport",
    "conformers-3",
    "video",
    "dino-port",
    "vjepa2-ac",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Everything at smoke scale, once; and its tables once more elsewhere at the same time, on one core (`twin`)."""
    workflow = Workflow(tmp_path_factory.mktemp("smoke"))
    kept = DOMAINS
    if gl.probe() is None:  # as the error message advises
        workflow.edit(lambda config: [config["qantara"]["environments"].pop(env) for env in ("cube", "reacher")])
        kept = DOMAINS - {"visual-antmaze-teleport"}

    def drop(config):
        cells = config["mop"]["domains"]["cells"]
        config["mop"]["domains"]["cells"] = {name: cells[name] for name in kept}

    workflow.edit(drop)
    workflow.twin = Workflow(tmp_path_factory.mktemp("elsewhere"))
    shutil.copy(workflow.folder / "config.yaml", workflow.twin.folder)
    log = (workflow.twin.folder / "output.txt").open("w")
    workflow.twin.process = workflow.twin.start(*SMOKE, MEASUREMENTS, cores=1, stdout=log)
    try:
        done = workflow.run(*SMOKE, "all", timeout=3600)
        assert done.returncode == 0, done.stdout[-4000:]
        workflow.output = done.stdout
        yield workflow
    finally:
        workflow.twin.process.kill()


def test_one_cell_needs_only_its_own_chain(workflow):
    assert workflow.planned(*SMOKE, CELL) == {
        "fetch_dataset": 1,
        "extract_crossings": 2,  # of the training and of the validation file
        "train_mop": 1,
        "audit_mop": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "scale=huge"], ["`scale`", "'huge'", "'smoke', 'laptop', 'paper'"]),
        (["results/laptop/audits/mop/mopp/teleport/seed1.json"], ["'mopp'", "dense"]),
        (["results/laptop/audits/mop/mop/giant/seed1.json"], ["'giant'", "medium-stitch"]),
        (["results/laptop/evals/qantara/drop-all/two_room/seed0/cem-k4.json"], ["recipe 'drop-all'", "drop-joint"]),
        (["results/laptop/evals/qantara/default/two_room/seed0/dream-k4.json"], ["cem, bc, video-inverse and gcbc"]),
        (["results/laptop/evals/qantara/default/push_u/seed0/cem-k4.json"], ["environment 'push_u'", "two_room"]),
    ],
)
def test_mistakes_end_quickly_in_one_sentence(workflow, arguments, words):
    done = quickly(workflow, *arguments)
    said = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(said) == 1 and "Traceback" not in done.stdout
    assert all(word in said[0] for word in words), said


def test_a_negative_size_in_the_file(workflow):
    workflow.edit(lambda config: config["scales"]["smoke"]["mop"].update(seeds=-3))
    done = quickly(workflow, "-n", *SMOKE, "all_tables")
    assert done.returncode == 2 and "scales.smoke.mop.seeds` is -3; it must be at least 1" in done.stdout


def test_a_failing_job_shows_the_end_of_its_log_and_leaves_nothing(workflow):
    workflow.edit(lambda config: config["data"].update(source="mirror"))
    workflow.edit(lambda config: config["scales"]["smoke"]["mop"].update(episode_share=1.0))
    done = workflow.run(*SMOKE, CELL)
    assert done.returncode != 0
    assert "JEPA_DATA_MIRROR" in " ".join(done.stdout.split()), done.stdout[-2000:]
    assert not (workflow.folder / CELL).exists()
    assert not list((workflow.folder / "data").rglob("*.npz"))


def test_the_scheduler_sleeps_while_jobs_run(workflow):
    """Snakemake's limit of jobs a second would wake it once a second for every job that has ended."""
    done = workflow.run("--verbose", *SMOKE, *(CONTROL.format(seed) for seed in range(6)))
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count("Ready jobs") <= 10  # a look when a job ends, and one when all wait


def test_it_says_what_it_will_do_and_how_long_it_may_take(finished):
    before = finished.output[: finished.output.index("Job stats")]
    assert "train_mop" in finished.output and "expected to take about" in finished.output
    assert "scale smoke:" in finished.output and len(before) > 0


@pytest.mark.parametrize(("paper", "table"), TABLES)
def test_every_table_is_printed_from_its_measurements(finished, paper, table):
    folder = finished.folder / f"results/smoke/tables/{paper}"
    for kind in ("csv", "md", "tex"):
        assert (folder / f"{table}.{kind}").stat().st_size > 100
    rows = pd.read_csv(finished.folder / "results/smoke/measurements.csv")
    assert ((rows["paper"] == paper) & (rows["table"] == table)).any()


@pytest.mark.parametrize(("paper", "figure"), FIGURES)
def test_every_figure_is_drawn(finished, paper, figure):
    folder = finished.folder / f"results/smoke/figures/{paper}"
    assert (folder / f"{figure}.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / f"{figure}.png").read_bytes().startswith(b"\x89PNG")


def test_measurements_are_tidy(finished):
    rows = pd.read_csv(finished.folder / "results/smoke/measurements.csv")
    columns = {"paper", "table", "row", "column", "value", "sd", "n", "lo", "hi", "scale", "tag"}
    assert columns <= set(rows.columns)
    assert set(rows["scale"]) == {"smoke"}
    measured = rows.dropna(subset=["value"])
    assert len(measured) > 100 and measured["tag"].notna().all()


def test_at_smoke_scale_no_claim_is_testable(finished):
    rows = pd.read_csv(finished.folder / "results/smoke/claims.csv")
    assert len(rows) > 80 and set(rows["verdict"]) == {"not testable"}
    assert (finished.folder / "results/smoke/claims.md").stat().st_size > 1000


def test_the_report_collects_tables_figures_and_captions_in_one_page(finished):
    done = finished.run("all", "--report", "report.html", *SMOKE[:-1])
    assert done.returncode == 0, done.stdout[-2000:]
    page = (finished.folder / "report.html").read_text()
    assert len(page) > 1e6
    assert "displacement codebook" in page and "figure9.png" in page and "table6.md" in page
    assert "claims.md" in page


def test_every_cell_has_its_provenance(finished):
    for audit in (finished.folder / "results/smoke/audits").rglob("seed?.json"):
        record = json.loads(audit.with_suffix(".provenance.json").read_text())
        assert record["seed"] == int(audit.stem.removeprefix("seed"))
        assert record["code_hash"] and record["inputs"] and record["versions"]["numpy"] and record["device"]
    for log in ("logs/smoke/models/mop/mop/teleport/seed0.log", "bench/smoke/models/mop/mop/teleport/seed0.jsonl"):
        assert (finished.folder / log).exists()


def test_a_checkpoint_acts_in_three_ways(finished):
    """One training, three dispatches and the dense diagnostics, all on the same frozen pairs."""
    folder = finished.folder / "results/smoke/evals/qantara/default/two_room/seed0"
    results = [json.loads((folder / f"{name}.json").read_text()) for name in ("cem-k4", "bc-k2", "video-inverse-k2")]
    assert len({result["manifest"]["hash"] for result in results}) == 1
    assert [len(result["episodes"]) for result in results] == [result["n"] for result in results] == [4, 8, 8]
    floors = json.loads((finished.folder / "results/smoke/evals/qantara/floors/two_room.json").read_text())
    assert floors["manifest"] == results[0]["manifest"]
    assert floors["floors"]["replay"]["sr"] == 1
    dense = json.loads((folder / "dense.json").read_text())
    assert dense["parameters"] > 0 and dense["forward_error"] > 0


def test_the_readme_acts_with_a_checkpoint(finished):
    """The Python of the README, word for word but for the scale, run where a workflow has run."""
    code = (ROOT / "README.md").read_text().split("```python\n")[1].split("```")[0]
    code = code.replace("results/laptop", "results/smoke")
    done = subprocess.run([sys.executable, "-c", code], cwd=finished.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_environment_has_its_column_with_floor_ceiling_and_n(finished):
    rows = pd.read_csv(finished.folder / "results/smoke/measurements.csv")
    rows = rows[(rows["paper"] == "qantara") & (rows["table"] == "table1")].set_index(["row", "column"])
    environments = yaml.safe_load((finished.folder / "config.yaml").read_text())["qantara"]["environments"]
    for env in environments:
        baselines = ("lewm", "pldm retrained", "random-features") if env in ("push_t", "two_room") else ()
        for row in ("default", *baselines, "random", "replay", "episodes"):
            assert rows.loc[(row, env), "value"] >= 0, (row, env)
        assert rows.loc[("default", env), "tag"] == "kind" and rows.loc[("replay", env), "value"] == 100


def test_goals_are_shuffled_on_push_t(finished):
    path = finished.folder / "results/smoke/evals/qantara/default/push_t/seed0/goal-shuffle.json"
    result = json.loads(path.read_text())["goal_shuffle"]
    assert result["canvas_difference"] == 0 and set(result["dispatches"]) == {"cem", "bc", "video-inverse"}


def test_editing_one_recipe_reruns_that_recipe_alone(finished):
    path = finished.folder / "config.yaml"
    original = path.read_text()
    try:
        finished.edit(lambda config: config["qantara"]["recipes"]["drop-policy"].update(loss={"lambda_a": 2.0}))
        jobs = finished.planned(*SMOKE, "all")
        assert jobs["train_qantara"] == 1 and jobs["evaluate_qantara"] == 3 and jobs["measure_dense"] == 1
        assert not {"train_mop", "generate_episodes", "measure_floors", "decode_rollouts"} & set(jobs)
    finally:
        path.write_text(original)


def test_sizes_of_the_planner_concern_the_planner_alone(finished):
    path = finished.folder / "config.yaml"
    original = path.read_text()
    try:
        finished.edit(lambda config: config["scales"]["smoke"]["qantara"]["evaluation"].update(candidates=9))
        jobs = finished.planned(*SMOKE, "all")
        evaluations = list((finished.folder / "results/smoke/evals/qantara").rglob("cem-k?.json"))
        assert jobs["evaluate_qantara"] == len(evaluations) and "train_qantara" not in jobs
    finally:
        path.write_text(original)


def test_a_recipe_outside_the_grids_of_a_scale_is_one_path_away(workflow):
    jobs = workflow.planned(*SMOKE, "results/smoke/evals/qantara/drop-video/two_room/seed7/cem-k2.json")
    assert jobs == {"generate_episodes": 1, "freeze_manifest": 1, "train_qantara": 1, "evaluate_qantara": 1}


def test_a_run_elsewhere_on_one_core_gives_the_same_measurements(finished):
    """Other folder, other number of cores, everything made anew: the same bytes. Latencies stand elsewhere."""
    code = finished.twin.process.wait(3600)
    assert code == 0, (finished.twin.folder / "output.txt").read_text()[-4000:]
    ours, theirs = ((folder / MEASUREMENTS).read_text() for folder in (finished.folder, finished.twin.folder))
    assert len(ours.splitlines()) > 1000
    assert ours == theirs
    assert (finished.folder / "results/smoke/timings.csv").read_text().count("latency") > 4


def test_a_second_run_does_nothing(finished):
    assert finished.planned(*SMOKE, "all") == {}


def test_editing_one_arm_reruns_that_arm_alone(finished):
    """One key of `mdn`: it is trained again on 3 mazes, on one of them twice, no other arm is, and tables follow."""
    path = finished.folder / "config.yaml"
    original = path.read_text()
    try:
        finished.edit(lambda config: config["mop"]["arms"]["mdn"]["predictor"].update(lambda_bal=0.5))
        jobs = finished.planned(*SMOKE, "all")
        assert jobs["train_mop"] == jobs["audit_mop"] == jobs["execute_mop"] == 4
        assert "fetch_dataset" not in jobs and "audit_control" not in jobs and "execute_control" not in jobs
        done = finished.run("-n", *SMOKE, "results/smoke/audits/mop/mop/teleport/seed0.json")
        assert "Nothing to be done" in done.stdout
    finally:
        path.write_text(original)


def test_audit_settings_do_not_retrain(finished):
    path = finished.folder / "config.yaml"
    original = path.read_text()
    try:
        finished.edit(lambda config: config["mop"]["audit"].update(match=0.7))
        jobs = finished.planned(*SMOKE, "all")
        assert "train_mop" not in jobs and "execute_control" not in jobs and jobs["audit_mop"] == 36
    finally:
        path.write_text(original)


def test_a_new_arm_is_an_entry_in_the_config(workflow):
    """README, "Add an arm": an entry in config.yaml gives it targets, and a name in a grid gives it a grid's cells."""

    def add(config):
        config["mop"]["arms"]["mop-wide"] = {"predictor": {"kind": "mop", "width": 64}}
        config["mop"]["grids"]["planning"]["arms"].append("mop-wide")

    workflow.edit(add)
    jobs = workflow.planned(*SMOKE, "results/smoke/audits/mop/mop-wide/teleport/seed0.json")
    assert jobs["train_mop"] == 1
    config = resolve(yaml.safe_load((workflow.folder / "config.yaml").read_text()) | {"scale": "smoke"}, SCHEMA)
    assert ("audits", "mop-wide", "teleport") in runs(config, "mop")
