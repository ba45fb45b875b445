"""Faults of disks, clocks and files, really injected: each ends in a sentence, and nothing that was there is lost."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

import faults
from conftest import Workflow

SMOKE = ("--config", "scale=smoke", "--")
AUDIT = "results/smoke/audits/mop/train-edges/teleport/seed0.json"


def sentence(output):
    """The one line that a stage says when it fails; it prints nothing else but progress."""
    assert "Traceback" not in output, output
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    return line


def test_a_full_disk_while_a_dataset_is_written(tmp_path):
    with faults.small_disk(tmp_path / "disk", "64k") as resize:
        (tmp_path / "disk/kept.txt").write_text("kept")
        code, output = faults.finish(tmp_path / "disk", "episodes")
        assert code == 2 and re.search(r"two_room.h5 cannot be written \(No space left", sentence(output))
        assert os.listdir(tmp_path / "disk") == ["kept.txt"]
        resize("20m")
        code, output = faults.finish(tmp_path / "disk", "episodes")
        assert code == 0, output
        assert (tmp_path / "disk/two_room.h5").exists() and (tmp_path / "disk/kept.txt").read_text() == "kept"


def test_a_disk_that_is_too_small_for_frames_is_noticed_before_they_are_rendered(tmp_path):
    assert faults.finish(tmp_path, "episodes")[0] == 0
    command = [sys.executable, faults.ROOT / "workflow/scripts/render_frames.py", "--episodes", "two_room.h5"]
    command += ["--size", "64", "--settings", '{"stride": 1, "quality": null}', "--workers", "1"]
    command += ["--out", "disk/frames.h5", "--provenance", "disk/provenance.json"]
    with faults.small_disk(tmp_path / "disk", "1m"):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 2
        assert re.search(r"frames.h5 would take 0.\d+ GiB, of which 0.00 GiB are free", sentence(done.stderr))
        assert os.listdir(tmp_path / "disk") == []


CHECKPOINTS = """
import json, sys
from pathlib import Path
import jepa.training.loop as loop
import jepa.training.mop as mop
from jepa.errors import run
fit = loop.fit
mop.fit = lambda *a, **k: fit(*a, **k | {"every_seconds": 0.0})
run(lambda: mop.train("crossings.npz", "teleport", json.loads(sys.argv[1]), 0, Path(sys.argv[2]), progress=False))
"""


def test_a_full_disk_while_a_checkpoint_is_written(tmp_path):
    """The checkpoint of the step before stays whole, and training resumes from it when there is room again."""
    for stage in ("maze data", "crossings"):
        assert faults.finish(tmp_path, stage)[0] == 0
    _, arguments = faults.stages()["training"]
    settings = arguments[arguments.index("--settings") + 1]

    def train(folder):
        command = [sys.executable, "-c", CHECKPOINTS, settings, str(folder)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = train(tmp_path / "undisturbed")
    assert done.returncode == 0, done.stderr
    with faults.small_disk(tmp_path / "disk", "20m") as resize:
        disk, filler = tmp_path / "disk", tmp_path / "disk/filler"
        (disk / "model").mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", CHECKPOINTS, settings, str(disk / "model")], cwd=tmp_path, stderr=subprocess.PIPE
        )
        checkpoint = disk / "model/checkpoint.safetensors"
        while not checkpoint.exists():
            assert process.poll() is None
            time.sleep(0.002)
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"\0" * 4096)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2, errors
        assert re.search(r"checkpoint.safetensors cannot be written \(No space left", sentence(errors.decode()))
        assert os.listdir(disk / "model") == ["checkpoint.safetensors"]
        filler.unlink()
        resize("21m")
        done = train(disk / "model")
        assert done.returncode == 0 and "resumed from" in done.stdout, done.stdout + done.stderr
        assert faults.contents_of(disk / "model") == faults.contents_of(tmp_path / "undisturbed")


def test_results_that_cannot_be_written_are_a_sentence(workflow):
    (workflow.folder / "results").mkdir()
    with faults.small_disk(workflow.folder / "results", "1m", "ro"):
        done = workflow.run(*SMOKE, AUDIT)
        assert done.returncode == 2 and "Traceback" not in done.stdout
        assert re.search(r"error: .*results.* cannot be written.*; ", done.stdout), done.stdout
        assert os.listdir(workflow.folder / "results") == []
    assert workflow.run(*SMOKE, AUDIT).returncode == 0


def test_two_workflows_in_one_directory(workflow):
    """The second one is refused while the first one works; the first one completes."""
    seeds = [AUDIT.replace("seed0", f"seed{seed}") for seed in range(12)]  # longer than the second one takes to begin
    first = workflow.start(*SMOKE, *seeds, cores=1, stdout=subprocess.DEVNULL)
    locks = workflow.folder / ".snakemake/locks"
    while not (locks.exists() and any(locks.iterdir())):
        assert first.poll() is None, "the first run ended before it took its lock"
        time.sleep(0.01)
    second = workflow.run(*SMOKE, AUDIT)
    assert second.returncode == 1 and "Directory cannot be locked" in second.stdout and "--unlock" in second.stdout
    assert first.wait(120) == 0
    assert json.loads((workflow.folder / AUDIT).read_text())["method"] == "train-edges"
    assert "Nothing to be done" in workflow.run(*SMOKE, AUDIT).stdout


def test_a_clock_that_goes_back(workflow):
    """Inputs from the future, as after a clock that ran ahead: refused with the reason until the dates are mended."""
    crossings = "data/smoke/crossings/teleport.npz"
    assert workflow.run(*SMOKE, crossings).returncode == 0
    kept = faults.contents_of(workflow.folder / "data")
    now = time.time()
    for ahead in (86400, 0):
        for path in (workflow.folder / "data").rglob("*"):
            os.utime(path, (now + ahead, now + ahead))
        done = workflow.run(*SMOKE, AUDIT)
        assert (done.returncode == 1) == ("clock skew" in done.stdout) == (ahead > 0)
        assert faults.contents_of(workflow.folder / "data") == kept
        assert (workflow.folder / AUDIT).exists() == (ahead == 0)
    assert "Nothing to be done" in workflow.run(*SMOKE, AUDIT).stdout


@pytest.mark.parametrize("damage", ["half", "empty"])
def test_a_damaged_result_is_named_and_made_again(chain, damage):
    """A result that the disk has cut short stops the table with its name; deleted, it comes back as it was."""
    workflow, table = chain
    result = workflow.folder / AUDIT
    kept = {path: (workflow.folder / path).read_bytes() for path in (AUDIT, table)}
    facts = result.stat()
    result.write_bytes({"half": kept[AUDIT][: len(kept[AUDIT]) // 2], "empty": b""}[damage])
    later = facts.st_mtime + 60
    os.utime(result, (later, later))
    done = workflow.run(*SMOKE, table)
    assert done.returncode == 1
    assert re.search(rf"error: {AUDIT} is not valid JSON .* delete it and run again", done.stdout), done.stdout
    result.unlink()
    assert workflow.run(*SMOKE, table).returncode == 0
    assert {path: (workflow.folder / path).read_bytes() for path in kept} == kept


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A workflow that has printed a table of one control alone, and the table."""
    workflow = Workflow(tmp_path_factory.mktemp("chain"))

    def only_controls(config):
        config["mop"]["mazes"] = ["teleport"]
        for grid in config["mop"]["grids"].values():
            grid["mazes"] = []
        del config["scales"]["smoke"]["mop"]["grids"]

    workflow.edit(only_controls)
    table = "results/smoke/measurements/mop/table3.csv"
    done = workflow.run(*SMOKE, table)
    assert done.returncode == 0, done.stdout[-3000:]
    return workflow, table
