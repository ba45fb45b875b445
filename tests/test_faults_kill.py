"""kill -9 at random moments: what is left is complete or absent, and the next run ends in the same bits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import faults
from conftest import Workflow

KILLS = {"maze data": 4, "episodes": 3, "crossings": 2, "training": 5, "evaluation": 4, "measuring": 1, "printing": 1}
CELLS = (
    "results/smoke/audits/mop/mop/teleport/seed0.json",
    "results/smoke/evals/qantara/default/two_room/seed0/bc-k2.json",
)
OF_CLOCK = ".timing.json"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A folder in which every stage ran once, what each wrote, and how long it took: (folder, {stage: {file: bytes}},
    {stage: seconds})."""
    folder = tmp_path_factory.mktemp("undisturbed")
    written, seconds, before = {}, {}, {}
    for stage in faults.stages():
        began = time.monotonic()
        code, output = faults.finish(folder, stage)
        assert code == 0, output
        seconds[stage] = time.monotonic() - began
        after = faults.contents_of(folder)
        written[stage] = {path: content for path, content in after.items() if path not in before}
        assert written[stage]
        before = after
    return folder, written, seconds


def test_there_are_twenty_kills():
    assert sum(KILLS.values()) == 20 and set(KILLS) == set(faults.stages())


@pytest.mark.parametrize(("stage", "number"), [(stage, n) for stage, kills in KILLS.items() for n in range(kills)])
def test_a_killed_stage_leaves_nothing_half_and_runs_again(undisturbed, tmp_path, stage, number):
    folder, written, seconds = undisturbed
    names = list(written)
    for earlier in names[: names.index(stage)]:  # what the stage reads
        for path in written[earlier]:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            os.link(folder / path, tmp_path / path)
    rng = np.random.default_rng()
    moment = rng.uniform(0.2, 1.0) * seconds[stage]
    process = faults.start(tmp_path, stage, start_new_session=True)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    print(f"killed after {moment:.3f} s")  # shown when the test fails

    # A final file is complete or absent. A temporary one is hidden.
    left = {path: content for path, content in faults.contents_of(tmp_path).items() if path in written[stage]}
    assert all(content == written[stage][path] for path, content in left.items())
    visible = {path for path in faults.contents_of(tmp_path) if "/." not in f"/{path}"}
    known = {path for name in names[: names.index(stage) + 1] for path in written[name]}
    assert visible <= known | {"model/checkpoint.safetensors"}

    code, output = faults.finish(tmp_path, stage)
    assert code == 0, output
    found = faults.contents_of(tmp_path)
    assert {path: found[path] for path in written[stage]} == written[stage]
    assert set(found) == known  # and nothing else is left, hidden or not


def test_a_killed_workflow_completes_and_ends_in_the_same_bits(tmp_path):
    """Snakemake and all its jobs, killed three times at random moments, unlocked and started again each time."""
    runs = {}
    for name in ("undisturbed", "disturbed"):
        (tmp_path / name).mkdir()
        runs[name] = Workflow(tmp_path / name)
    began = time.monotonic()
    done = runs["undisturbed"].run("--config", "scale=smoke", "--", *CELLS)
    assert done.returncode == 0, done.stdout[-4000:]
    whole = time.monotonic() - began

    workflow, rng = runs["disturbed"], np.random.default_rng()
    snakemake = [Path(sys.executable).parent / "snakemake", "--cores", "2", "--config", "scale=smoke", "--", *CELLS]
    environment = {k: v for k, v in os.environ.items() if k != "JEPA_DATA_MIRROR"}
    kills = 0
    while kills < 3:
        process = subprocess.Popen(
            snakemake,
            cwd=workflow.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(rng.uniform(0.3, 0.7) * whole)
            assert process.returncode == 0
            break  # it was faster than the clock said
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            # The lock of the dead is taken away by hand: nobody else can know that they are dead.
            assert workflow.run("--unlock", "--config", "scale=smoke").returncode == 0
    assert kills
    done = workflow.run("--config", "scale=smoke", "--", *CELLS)
    assert done.returncode == 0, done.stdout[-4000:]
    ours, theirs = (
        {p: c for p, c in faults.contents_of(run.folder, "data", "results").items() if not p.endswith(OF_CLOCK)}
        for run in runs.values()
    )
    assert set(ours) == set(theirs)
    assert [path for path in ours if ours[path] != theirs[path]] == []
