"""Mistakes on the command line: of `jepa`, of every script, and of Snakemake's targets."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bad_input import SECONDS, files_of, options, outputs, refused
from conftest import ROOT, Workflow

SCRIPTS = ROOT / "workflow/scripts"
JEPA = Path(sys.executable).parent / "jepa"


def in_a_process(command, folder, seconds=SECONDS):
    """Run a command as a user does. Returns its last line; asserts exit code 2, no traceback, no new file, soon."""
    before, began = files_of(folder), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, timeout=300)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime < seconds
    assert files_of(folder) == before
    return done.stderr.splitlines()[-1]


def given(*names, **values):
    """Options: files that do not exist for `names`, and what is said of the others."""
    return options(**{name: f"none.{name}" for name in names}, **values)


SIZES = '{"eval_seeds": 1, "holdout": 0.2, "split_seed": 0}'
REFUSED = {  # every script, and what it says about what is not there
    "audit_control": (given("crossings", maze="teleport", control="majority", seed=0), "none.crossings does not exist"),
    "audit_domain": (given("data", domain="digits", seed=0, settings='{"kind": "digits"}'), "none.data does not exist"),
    "audit_mop": (
        given("crossings", "validation", model="m/model.safetensors", arm="mop", settings="{}"),
        "m/config.json",
    ),
    "decode_rollouts": (given("model", "episodes", settings='{"steps": 1}'), "none.episodes does not exist"),
    "draw_figure": (
        given("published", paper="mop", figure="figure5", scale="smoke", results="none.json"),
        "none.json does not exist",
    ),
    "draw_noise_square": (given(rows=3), "the system refuses a file"),
    "evaluate_qantara": (
        given("model", "episodes", "manifest", recipe="default", seed=0, dispatch="cem", k=1, settings="{}"),
        "none.episodes does not exist",
    ),
    "execute_mop": (
        given("graphs", method="mop", maze="teleport", seed=0, settings='{"episodes": 1, "max_steps": 1}'),
        "none.graphs does not exist",
    ),
    "extract_crossings": (given("dataset", maze="teleport"), "none.dataset does not exist"),
    "fetch_dataset": (given(dataset="../../etc", settings="{}"), "'../../etc' is no dataset of a point maze"),
    "fetch_weights": (given(source="generate"), "data.source is 'generate'"),
    "freeze_manifest": (given("episodes", settings="{}"), "none.episodes does not exist"),
    "generate_episodes": (given(env="push_t", settings='{"seed": 0}', file="none.zip"), "none.zip does not exist"),
    "join_measurements": (["none.csv"], "none.csv cannot be read"),
    "judge_claims": (["none.csv", *given("claims", scale="smoke")], "none.claims cannot be read"),
    "measure_dense": (given("model", "history", "episodes", recipe="default", seed=0), "none.episodes does not exist"),
    "measure_fanout": (given("crossings", model="m/model.safetensors", arm="mop", settings="{}"), "m/config.json"),
    "measure_floors": (given("episodes", "manifest", settings=SIZES), "none.episodes does not exist"),
    "measure_table": (
        given("published", paper="mop", table="table3", scale="smoke", steps=1, results="none.json"),
        "none.json does not exist",
    ),
    "prepare_domain": (given(data="digits", settings='{"kind": "weather"}'), "no kind of domain called 'weather'"),
    "print_table": (given("measurements"), "none.measurements cannot be read"),
    "render_frames": (
        given("episodes", size=16, settings='{"stride": 1, "quality": null}'),
        "none.episodes does not exist",
    ),
    "shuffle_goals": (given("model", "episodes", "manifest", settings="{}"), "none.episodes does not exist"),
    "train_expert": (given(env="moon", settings="{}", seed=0), "environment 'moon' has no expert"),
    "train_mop": (
        given("crossings", maze="teleport", settings='{"training": 1}', seed=0),
        "none.crossings does not exist",
    ),
    "train_qantara": (
        given("episodes", env="two_room", seed=0, settings='{"training": 1, "data": 1}'),
        "none.episodes does not exist",
    ),
}
OUTPUTS = {  # options that name what a script writes; the rest write out.json and provenance.json
    "audit_mop": ("out", "graphs", "provenance"),
    "draw_figure": ("pdf", "png"),
    "draw_noise_square": ("out",),
    "fetch_dataset": ("train", "val", "provenance"),
    "freeze_manifest": ("out",),
    "evaluate_qantara": ("out", "timing", "provenance"),
    "join_measurements": ("out", "timings"),
    "judge_claims": ("csv", "md"),
    "measure_table": ("out",),
    "print_table": ("csv", "md", "tex"),
    "train_expert": ("out",),
    "train_mop": ("model",),
    "train_qantara": ("model",),
}


@pytest.mark.parametrize("script", sorted(path.stem for path in SCRIPTS.glob("*.py")))
def test_every_script_refuses_in_a_process_of_its_own(tmp_path, script):
    arguments, words = REFUSED[script]
    written = outputs(tmp_path, *OUTPUTS.get(script, ("out", "provenance")))
    if script == "draw_noise_square":  # reads no file: a folder stands where its output should
        written = options(out=tmp_path / "out/out.npz")
        (tmp_path / "out/out.npz").mkdir(parents=True)
    line = in_a_process([sys.executable, SCRIPTS / f"{script}.py", *arguments, *written], tmp_path)
    assert line.startswith("error: ") and words in line, line


SETTINGS = {
    "no JSON": ("steps: 3", ["--settings is not valid JSON"]),
    "a list": ("[1]", ["not a JSON object"]),
    "NaN": ('{"gate": NaN}', ["NaN is no JSON number"]),
    "endless nesting": ('{"a":' * 100_000, ["--settings is not valid JSON"]),
    "a missing key": ('{"episodes": 3}', ["--settings lacks the key 'max_steps'", "episodes"]),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_of_a_script(tmp_path, case):
    text, words = SETTINGS[case]
    arguments = options(method="truth", maze="teleport", seed=0, settings=text) + outputs(tmp_path, "out", "provenance")
    refused("execute_mop", arguments, words, tmp_path)


def test_a_missing_key_deep_in_the_settings(tmp_path):
    arguments = options(dataset="pointmaze-teleport-navigate", settings='{"source": "mirror"}')
    refused("fetch_dataset", arguments + outputs(tmp_path, "train", "val", "provenance"), ["'episode_share'"], tmp_path)


def test_what_argparse_refuses_ends_with_its_usage_and_a_sentence(tmp_path):
    arguments = options(crossings="c.npz", maze="teleport", settings="{}", seed="many", model="m")
    line = in_a_process([sys.executable, SCRIPTS / "train_mop.py", *arguments], tmp_path)
    assert line == "train_mop.py: error: argument --seed: invalid int value: 'many'"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder in which `jepa` works."""
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    (tmp_path / "config.yaml").symlink_to(ROOT / "config.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "a dataset that climbs": (["fetch", "../../etc"], ["'../../etc' is no dataset", "pointmaze-large-stitch"]),
    "a dataset of another kind": (["fetch", "svhn_train"], ["'svhn_train' is no dataset of a point maze"]),
    "a mirror that is a file": (
        ["fetch", "pointmaze-teleport-navigate", "--mirror", "config.yaml", "--source", "mirror"],
        ["config.yaml is no folder"],
    ),
    "a folder below a file": (
        ["fetch", "pointmaze-teleport-navigate", "--source", "mirror", "--out", "config.yaml/x"],
        ["cannot be written"],
    ),
    "no episodes": (["export", "none.h5", "out.h5"], ["none.h5 does not exist"]),
    "a text for episodes": (["export", "config.yaml", "out.h5"], ["config.yaml is no file of episodes"]),
    "a folder for episodes": (["export", "workflow", "out.h5"], ["workflow is no file of episodes"]),
    "a size in words": (["export", "a.h5", "out.h5", "--size", "big"], ["--size is 'big'"]),
    "size 0": (["export", "a.h5", "out.h5", "--size", "0"], ["--size is '0'", "from 1 to 4096"]),
    "a negative size": (["export", "a.h5", "out.h5", "--size=-3"], ["--size is '-3'"]),
    "a size that no memory holds": (["export", "a.h5", "out.h5", "--size", "99999999"], ["from 1 to 4096"]),
    "an unknown scale": (["cells", "--scale", "huge"], ["'huge'", "smoke"]),
    "a cell that climbs": (["cells", "../../etc/passwd"], ["'../../etc' is no paper"]),
    "a name with a line break": (["cells", "mop\nerror: x"], ["has no cell"]),
    "a name in other letters": (["cells", "möp"], ["'möp' has no cell"]),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_the_jepa_command(repository, case):
    arguments, words = COMMANDS[case]
    refused("jepa", arguments, words, repository)


def test_export_into_a_folder(repository):
    from jepa.data.generate_two_room import generate

    generate(repository / "two_room.h5", 0, 1)
    (repository / "out.h5").mkdir()
    words = ["the system refuses a file", "out.h5", "Is a directory"]
    refused("jepa", ["export", "two_room.h5", "out.h5", "--size", "4"], words, repository)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(repository):
    (repository / "secret.h5").touch(mode=0)
    refused("jepa", ["export", "secret.h5", "out.h5"], ["secret.h5", "Permission denied"], repository)


def test_jepa_in_a_process_of_its_own(tmp_path):
    assert "there is no config.yaml here" in in_a_process([JEPA, "cells"], tmp_path)


def snakemake_refuses(workflow, *arguments):
    """The sentence in which Snakemake ends. Its own start is 2 to 3 seconds of a core."""
    before, began = files_of(workflow.folder), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = workflow.run(*arguments)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(said) == 1 and "Traceback" not in done.stdout, done.stdout
    assert ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime < SECONDS
    kept = {path: at for path, at in files_of(workflow.folder).items() if ".snakemake" not in path.parts}
    assert kept == before
    return said[0]


def test_a_configuration_that_is_no_yaml(workflow: Workflow):
    (workflow.folder / "config.yaml").write_text("scale: laptop\n\tmop: [\n")
    assert "config.yaml cannot be read" in snakemake_refuses(workflow, "-n", "all")


def test_a_name_that_would_be_a_command(workflow: Workflow):
    arm = {"predictor": {"kind": "mop"}}
    workflow.edit(lambda config: config["mop"]["arms"].update({"x; touch pwned; <script>alert(1)</script>": arm}))
    line = snakemake_refuses(workflow, "all_tables")
    assert "`mop.arms` has the entry 'x; touch pwned; <script>" in line and "lower-case letters" in line


def test_a_target_that_climbs_out(workflow: Workflow):
    line = snakemake_refuses(workflow, "results/laptop/audits/../../../../etc/passwd")
    assert "has an empty part, . or .. in it" in line


def test_a_value_on_the_command_line(workflow: Workflow):
    line = snakemake_refuses(workflow, "-n", "all", "--config", 'data={"dir": "a{b}"}')
    assert "`data.dir` is 'a{b}'; it must be a path without braces" in line
