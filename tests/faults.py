"""Shared by the tests of faults: small stages of the workflow as commands, and comparison of what they write."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from conftest import ROOT
from jepa.config import arm_settings, resolve

CLOCK = ("wall_seconds", "peak_memory_mib", "finished")  # what provenance tells of one run alone
MAZE = "pointmaze-teleport-navigate"


def config():
    """The smoke configuration."""
    import yaml

    raw = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "smoke"}
    return resolve(raw, ROOT / "workflow/schemas/config.schema.yaml")


def stages():
    """The chain of one cell, in order: {stage: (script, arguments)}; paths are relative to one working folder."""
    whole = config()
    settings = {
        "data": {"source": "generate", "seed": 0, "episode_share": 0.02},
        "episodes": {"episodes": 40, "seed": 0, "generator": {}},
        "training": arm_settings(whole, "mop"),
        "audit": whole["mop"]["audit"],
    }
    settings["training"]["training"]["steps"] = 600
    text = {name: json.dumps(value, sort_keys=True) for name, value in settings.items()}
    crossings = ["--crossings", "crossings.npz"]
    audit = ["--out", "audit.json", "--graphs", "audit.graphs.npz", "--provenance", "audit.provenance.json"]
    return {
        "maze data": (
            "fetch_dataset",
            ["--dataset", MAZE, "--settings", text["data"], "--train", "maze.npz", "--val", "maze-val.npz"]
            + ["--provenance", "maze.provenance.json"],
        ),
        "episodes": (
            "generate_episodes",
            ["--env", "two_room", "--settings", text["episodes"], "--out", "two_room.h5"]
            + ["--provenance", "two_room.provenance.json"],
        ),
        "crossings": (
            "extract_crossings",
            ["--dataset", "maze.npz", "--maze", "teleport", "--out", "crossings.npz"]
            + ["--provenance", "crossings.provenance.json"],
        ),
        "training": (
            "train_mop",
            [*crossings, "--maze", "teleport", "--settings", text["training"], "--seed", "0"]
            + ["--model", "model/model.safetensors"],
        ),
        "evaluation": (
            "audit_mop",
            [*crossings, "--validation", "crossings.npz", "--model", "model/model.safetensors", "--arm", "mop"]
            + ["--settings", text["audit"], *audit],
        ),
        "measuring": (
            "measure_table",
            ["--paper", "mop", "--table", "table3", "--scale", "smoke", "--steps", "600", "--published"]
            + [str(ROOT / "paper/mop.csv"), "--data", "maze.provenance.json", "--out", "table3.measured.csv"]
            + ["--results", "audit.json"],
        ),
        "printing": (
            "print_table",
            ["--measurements", "table3.measured.csv", "--csv", "table3.csv", "--md", "table3.md"]
            + ["--tex", "table3.tex"],
        ),
    }


def start(folder, stage, **options):
    """Start a stage in a folder, as its rule does; returns the Popen."""
    script, arguments = stages()[stage]
    command = [sys.executable, ROOT / f"workflow/scripts/{script}.py", *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "JEPA_DATA_MIRROR"} | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes | options)


def finish(folder, stage, **options):
    """Run a stage to its end: (exit code, what it printed)."""
    process = start(folder, stage, **options)
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def contents_of(folder, *parts):
    """{path: what must be the same in every run} of all files below the parts of a folder, hidden ones included."""
    found = {}
    for part in parts or ("",):
        for path in sorted((folder / part).rglob("*")):
            if path.is_file():
                found[str(path.relative_to(folder))] = _content(path)
    return found


def _content(path):
    if path.name.endswith("provenance.json"):
        facts = json.loads(path.read_text())
        return {key: value for key, value in facts.items() if key not in CLOCK}
    return path.read_bytes()


@contextmanager
def small_disk(folder, size, *options):
    """A file system of its own at `folder` (made if absent), `size` as in 64k. Yields a function that resizes it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
