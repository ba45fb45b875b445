"""`jepa slurm`: what it reads from a cluster's commands and does about it, with stand-ins for them.

The real Slurm is in tests/slurm, which `make test-slurm` runs.
"""

import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from jepa.config import resolve
from jepa.errors import JepaError
from jepa.slurm import doctor, jobs

SETTINGS = "ClusterName = toy\nSLURM_VERSION = 22.05.8\nMinJobAge = 300 sec\nAccountingStorageEnforce = none"
NODES = "cpu*|7-00:00:00|64000|32|(null)\ngpu|1-00:00:00|128000|64|gpu:h200:8(S:0-1)"
ON_GPUS = ("train_qantara", "evaluate_qantara", "measure_dense", "decode_rollouts", "shuffle_goals", "train_expert")


class Commands:
    """Stand-ins for Slurm's commands, found first on PATH. `called` holds what they were called with."""

    def __init__(self, folder):
        self.folder, self.log = folder, folder / "called"
        folder.mkdir()
        self.log.touch()
        self.says("sbatch", "slurm-wlm 22.05.8")
        self.says("scontrol", SETTINGS)
        self.says("sinfo", NODES)
        self.says("squeue", "")
        self.says("sacct", "")
        self.says("sacctmgr", "project\nother")
        self.says("scancel", "", after=f"rm -f {folder}/squeue.out; touch {folder}/squeue.out")

    def says(self, command, text, status=0, after=":"):
        (self.folder / f"{command}.out").write_text(text + "\n" * bool(text))
        script = self.folder / command
        script.write_text(
            f'#!/bin/sh\necho {command} "$@" >> {self.log}\ncat {self.folder}/{command}.out\n{after}\nexit {status}\n'
        )
        script.chmod(0o755)

    @property
    def called(self):
        return self.log.read_text().splitlines()


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Working stand-ins, in a folder that looks like the root of the repository."""
    commands = Commands(tmp_path / "bin")
    root = tmp_path / "root"
    root.mkdir()
    shutil.copytree(ROOT / "profiles", root / "profiles")
    (root / "slurm").symlink_to("profiles/slurm")
    monkeypatch.setenv("PATH", f"{commands.folder}:{os.environ['PATH']}")
    monkeypatch.chdir(root)
    with_profile(lambda profile: profile.update({"set-resources": {r: {"slurm_partition": "gpu"} for r in ON_GPUS}}))
    return commands


def with_profile(change, name="slurm"):
    path = Path(f"profiles/{name}/config.yaml")
    profile = yaml.safe_load(path.read_text())
    change(profile)
    path.write_text(yaml.safe_dump(profile))


def config_of(scale):
    raw = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": scale}
    raw["scales"]["paper"]["gpus"]["render_frames"] = 0  # so that one rule stays where GPUs are not
    return resolve(raw, ROOT / "workflow/schemas/config.schema.yaml")


def bad(scale="paper"):
    """{topic: lines} of what the doctor finds to be wrong."""
    found = {}
    for topic, good, text in doctor.findings(config_of(scale)):
        if good is False:
            found[topic] = found.get(topic, "") + text + "\n"
    return found


def test_a_healthy_cluster(commands):
    assert bad() == {}
    topics = [topic for topic, _, _ in doctor.findings(config_of("paper"))]
    assert topics == ["slurm", "profile", "status", "account", "partition", "partition", "jobs"]


def _no_accounting(commands):
    commands.says("sacct", "Slurm accounting storage is disabled", status=1)
    commands.says("sacctmgr", "You are not running a supported accounting_storage plugin", status=1)


def _status_command(value):
    def change(commands):
        _no_accounting(commands)
        with_profile(lambda profile: profile.update({"slurm-status-command": value}))

    return change


def _short_memory(commands):
    commands.says("scontrol", SETTINGS.replace("300 sec", "60 sec"))


def _short_memory_without_accounting(commands):
    _no_accounting(commands)
    _short_memory(commands)


def _resources(**resources):
    return lambda commands: with_profile(lambda profile: profile["default-resources"].update(resources))


def _account_without_accounting(commands):
    _no_accounting(commands)
    _resources(slurm_account="project")(commands)


def _enforced(commands):
    commands.says("scontrol", SETTINGS.replace("= none", "= associations,limits"))
    commands.says("sacctmgr", "")


def _nodes(before, after):
    return lambda commands: commands.says("sinfo", NODES.replace(before, after))


def _model(commands):
    with_profile(lambda profile: profile["set-resources"]["train_qantara"].update(gpu_model="a100"))


def _profile(**entries):
    entries = {key.replace("_", "-"): value for key, value in entries.items()}
    return lambda commands: with_profile(lambda profile: profile.update(entries))


def _wide_groups(commands):
    """Twelve cells at once, on nodes that are large enough for any one of them."""
    _profile(cores=12)(commands)
    _nodes("64000|32", "9000|32")(commands)


def _default(**entries):
    return lambda commands: with_profile(lambda profile: profile.update(entries), "default")


def _without_link(commands):
    Path("slurm").unlink()
    Path("slurm").mkdir()


def _left_jobs(commands):
    commands.says("squeue", f"7|RUNNING|rule_train_mop|{Path.cwd()}")


@pytest.mark.parametrize(
    ("change", "topic", "words"),
    [
        (_status_command("sacct"), "status", ["sacct", "for ever", "slurm-status-command: squeue"]),
        (_status_command(None), "status", ["sacct", "slurm-status-command: squeue"]),
        (_short_memory, "status", ["MinJobAge = 60 s", "slurm-status-command: sacct"]),
        (_short_memory_without_accounting, "status", ["MinJobAge = 60 s", "ask for MinJobAge=300"]),
        (_resources(slurm_partition="fast"), "partition", ["fast is unknown", "cpu, gpu"]),
        (_nodes("cpu*", "cpu"), "partition", ["no default", "slurm_partition"]),
        (_resources(slurm_account="theirs"), "account", ["theirs", "yours are other, project"]),
        (_account_without_accounting, "account", ["project cannot be checked", "remove slurm_account"]),
        (_enforced, "account", ["none in the profile", "enforces one"]),
        (_nodes("gpu:h200:8(S:0-1)", "(null)"), "gpu", ["train_expert asks for 1", "no node of gpu", "set-resources"]),
        (_model, "gpu", ["train_qantara asks for 1 of kind gpu:a100", "no node of gpu"]),
        (_nodes("gpu|1-00:00:00", "gpu|30:00"), "time", ["asks for", "min, gpu gives 30:", "expected_seconds"]),
        (_nodes("64000|32", "4000|32"), "memory", ["asks for", "MiB, cpu gives 4000", "memory_mb"]),
        (_nodes("64000|32", "64000|8"), "cores", ["render_frames asks for 16 cores, cpu gives 8", "threads"]),
        (_wide_groups, "memory", ["audit_mop asks for", "cpu gives 9000", "memory_mb or cores"]),
        (_profile(cores=None), "profile", ["groups and no cores"]),
        (_profile(executor="local"), "profile", ["executor is 'local'"]),
        (_profile(slurm_array_jobs="all"), "profile", ["slurm-array-jobs"]),
        (_default(jobs=3), "profile", ["profiles/default/config.yaml sets jobs"]),
        (_without_link, "profile", ["slurm/config.yaml does not exist", "ln -s profiles/slurm slurm"]),
        (_left_jobs, "jobs", ["1 of this folder", "jepa slurm clean"]),
    ],
)
def test_the_doctor_finds(commands, change, topic, words):
    change(commands)
    found = bad()
    assert topic in found and all(word in found[topic] for word in words), found


def test_resources_that_are_no_mapping_are_named(commands):
    with_profile(lambda profile: profile.update({"default-resources": ["mem_mb=1000"]}))
    with pytest.raises(JepaError, match="default-resources.*as a mapping"):
        bad()


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("30:00", 30), ("1:00:00", 60), ("2-12:30:00", 3630), ("45", 0.75), ("infinite", float("inf"))],
)
def test_limits_of_partitions(limit, minutes):
    assert doctor._minutes(limit) == minutes


@pytest.mark.parametrize("command", ["doctor", "clean"])
def test_without_slurm_it_ends_with_one_sentence(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jepa", "slurm", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": str(tmp_path)},
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: s") and "not found on PATH: run this on a login node" in done.stderr


def test_the_doctor_wants_the_root(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jepa", "slurm", "doctor"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and "root of the repository" in done.stderr


def cleaned(**options):
    out = io.StringIO()
    jobs.clean(Path.cwd(), out=out, **options)
    return out.getvalue()


def test_clean_cancels_this_folders_jobs_and_no_others(commands):
    here = Path.cwd()
    commands.says(
        "squeue",
        f"7|RUNNING|rule_train_mop|{here}\n8|PENDING|rule_audit_mop|{here}2\n9|RUNNING|(null)|{here.parent}\n"
        f"10|PENDING|group_cells|{here}/../root",
    )
    said = cleaned()
    assert [line for line in commands.called if line.startswith("scancel")] == ["scancel 7 10"]
    assert "cancelling 7 (RUNNING) rule_train_mop" in said and "8" not in said and "no lock to remove" in said
    assert f"--user={os.geteuid()}" in commands.called[0]


def test_a_dry_run_only_says_what_it_would_do(commands):
    commands.says("squeue", f"7|RUNNING|rule_train_mop|{Path.cwd()}")
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()
    said = cleaned(dry_run=True)
    assert "would cancel 7" in said and "would remove Snakemake's lock" in said
    assert not any(line.startswith("scancel") for line in commands.called)
    assert Path(".snakemake/locks/0.input.lock").exists()


def test_a_job_that_does_not_go_is_named(commands):
    commands.says("squeue", f"7|COMPLETING|rule_train_mop|{Path.cwd()}")
    commands.says("scancel", "")
    with pytest.raises(JepaError, match="job 7 is still there"):
        cleaned(patience=0)


def test_clean_refuses_while_a_snakemake_runs_here(commands):
    """A process called snakemake counts where it was started in this folder, and outside of a Slurm job."""
    commands.says("squeue", f"7|RUNNING|rule_train_mop|{Path.cwd()}")
    inside = os.environ | {"SLURM_JOB_ID": "7"}
    for folder, environment, ours in (
        (Path.cwd(), os.environ, True),
        (Path.cwd().parent, os.environ, False),
        (Path.cwd(), inside, False),
    ):
        process = subprocess.Popen(["snakemake", "30"], executable=shutil.which("sleep"), cwd=folder, env=environment)
        try:
            while Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[0] != b"snakemake":
                time.sleep(0.01)
            assert jobs.masters_in(Path.cwd()) == [process.pid] * ours
            if ours:
                with pytest.raises(JepaError, match=f"process {process.pid}.*Ctrl-C"):
                    cleaned()
        finally:
            process.kill()
            process.wait()
    assert not any(line.startswith("scancel") for line in commands.called)


def test_clean_removes_the_lock_of_a_killed_snakemake(commands):
    """A real Snakemake, killed while it runs a job, then its real lock."""
    Path("Snakefile").write_text("rule all:\n    output: 'x'\n    shell: 'touch started; sleep 60; touch x'\n")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--workflow-profile", "none"]
    with open("log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + 60
        while not Path("started").exists():
            assert process.poll() is None and time.monotonic() < end, Path("log").read_text()
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    assert list(Path(".snakemake/locks").iterdir())
    assert "removed Snakemake's lock" in cleaned()
    assert not list(Path(".snakemake").glob("locks/*"))


def test_what_stops_slurm_from_working_stands_nowhere():
    """Retries of a rule multiply those of the executor; a key of profiles/default replaces that of profiles/slurm."""
    assert (ROOT / "slurm").resolve() == ROOT / "profiles/slurm"
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert "retries:" not in rules and "run:" not in rules.replace("dryrun:", "")
    default = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    assert not set(default) & set(doctor.OF_CLUSTERS)
