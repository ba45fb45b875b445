"""Snakemake's --sdm conda with our environment files, rules and post-deploy script, offline.

conda is a stand-in (conda_stand_in.py), the channel and the wheels are made here, and the lock has two packages: that
real channels have what envs/*.yaml asks for is not tested.
"""

import json
import os
import subprocess
import sys

import pytest

from conda_channel import write_channel, write_conda, write_wheel
from conftest import ROOT, Workflow

RULE = """
include: "common.smk"

rule probe:
    output:
        "probe.json",
    conda:
        CONDA
    shell:
        "python probe.py > {output}"
"""
PROBE = """
import importlib.metadata, json, sys
import jepa, tiny_package, torch
versions = {name: importlib.metadata.version(name) for name in ("torch", "tiny-package")}
print(json.dumps({"prefix": sys.prefix, "jepa": jepa.__file__, "versions": versions, "path": sys.path}))
"""
SNAKEFILE = """
configfile: "config.yaml"
include: "rules/probe.smk"
"""
CONDA = ("--sdm", "conda", "--conda-frontend", "conda", "--")


class Offline(Workflow):
    """The workflow with one rule of its own, our envs/ on a channel in a folder, and conda's stand-in first on PATH."""

    def __init__(self, folder):
        (folder / "workflow-of-jepa").mkdir()
        super().__init__(folder / "workflow-of-jepa")
        self.channel, self.wheels, self.conda = folder / "channel", folder / "wheels", folder / "conda"
        write_channel(self.channel)
        write_conda(self.conda)
        for name, version in (("torch", "2.13.0+cpu"), ("tiny-package", "1.0"), ("tiny-package", "1.1")):
            write_wheel(self.wheels, name, version)
        (self.folder / "src").symlink_to(ROOT / "src")
        (self.folder / "Snakefile").write_text(SNAKEFILE)
        (self.folder / "rules/probe.smk").write_text(RULE)
        (self.folder / "probe.py").write_text(PROBE)
        self.lock("1.0")

    @property
    def variables(self):
        offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        return offline | {"PATH": f"{self.conda}/bin:{os.environ['PATH']}"}

    def run(self, *arguments, **options):
        return super().run(*arguments, variables=self.variables, **options)

    def jepa(self, *arguments):
        environment = os.environ | self.variables
        command = [sys.executable, "-m", "jepa", "env", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def lock(self, version):
        """Lock torch and a tiny package, and write envs/ from it, on our channel."""
        (self.folder / "requirements.lock").write_text(f"tiny.package=={version}\ntorch==2.13.0\n")
        assert self.jepa("write").returncode == 0
        self.on(self.channel)

    def on(self, channel):
        for path in (self.folder / "envs").glob("*.yaml"):
            path.write_text(path.read_text().replace("conda-forge", channel.as_uri()))

    def environments(self):
        return {path for path in (self.folder / ".snakemake/conda").iterdir() if path.is_dir()}

    def probed(self):
        return json.loads((self.folder / "probe.json").read_text())


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One job, run once with --sdm conda."""
    workflow = Offline(tmp_path_factory.mktemp("conda"))
    for pin in (workflow.folder / "envs").glob("*.pin.txt"):  # of the real channel
        pin.unlink()
    done = workflow.run(*CONDA, "probe.json")
    assert done.returncode == 0, done.stdout[-3000:]
    workflow.output = done.stdout
    return workflow


def test_a_job_has_the_lock_from_its_environment_and_jepa_from_the_repository(ran):
    (environment,) = ran.environments()
    probed = ran.probed()
    assert probed["prefix"] == str(environment)
    assert probed["versions"] == {"torch": "2.13.0+cpu", "tiny-package": "1.0"}
    assert probed["jepa"] == str(ran.folder / "src/jepa/__init__.py")
    outside = [path for path in probed["path"] if "site-packages" in path and not path.startswith(str(environment))]
    assert not outside  # neither the interpreter of Snakemake nor the user's packages


def test_the_environment_is_equal_to_the_lock(ran):
    (environment,) = ran.environments()
    done = ran.jepa("check", "--python", str(environment / "bin/python"))
    assert done.returncode == 0 and "2 of 2 entries" in done.stdout, done.stdout


def test_runs_with_and_without_conda_are_the_same_to_snakemake(ran):
    """`software-env` is out of the triggers of profiles/default: with it, a mixed run makes everything anew."""
    assert ran.planned("probe.json") == {}
    assert ran.planned("--rerun-triggers", "software-env", "--", "probe.json") == {"probe": 1}


def test_a_changed_lock_makes_a_new_environment(ran):
    before = ran.environments()
    ran.lock("1.1")
    try:
        done = ran.run("--forceall", *CONDA, "probe.json")
        assert done.returncode == 0, done.stdout[-3000:]
        assert len(ran.environments() - before) == 1
        assert ran.probed()["versions"]["tiny-package"] == "1.1"
    finally:
        ran.lock("1.0")


def test_pins_are_written_used_and_their_failure_is_no_secret(ran):
    """From pins an environment has conda's packages alone: the post-deploy script brings the lock, and compares."""
    before = ran.environments()
    done = ran.jepa("pin")
    assert done.returncode == 0, done.stderr
    pins = [ran.folder / f"envs/{name}.linux-64.pin.txt" for name in ("jepa", "jepa-gpu")]
    lines = pins[0].read_text().splitlines()
    assert lines[0] == "@EXPLICIT" and pins[0].read_text() == pins[1].read_text()
    names = [line.rpartition("/")[2].partition("#")[0] for line in lines[1:]]
    assert sorted(names) == ["libegl-1.0-0.tar.bz2", "pip-1.0-0.tar.bz2", "python-3.11.99-0.tar.bz2"]
    try:
        done = ran.run("--forceall", *CONDA, "probe.json")
        assert done.returncode == 0 and "Using pinnings" in done.stdout, done.stdout[-3000:]
        (environment,) = ran.environments() - before
        assert environment.with_suffix(".pin.txt").exists() and not environment.with_suffix(".yaml").exists()
        assert ran.probed()["versions"] == {"torch": "2.13.0+cpu", "tiny-package": "1.0"}
        for pin in pins:
            pin.write_text(pin.read_text().replace("libegl-1.0-0", "libegl-0.9-0"))
        done = ran.run("--forceall", *CONDA, "probe.json")
        said = " ".join(done.stdout.split())
        assert "Failed to install conda environment from pin file" in said
        assert done.returncode != 0 and "libegl-0.9-0 of envs/jepa.linux-64.pin.txt is not what conda installed" in said
    finally:
        for pin in pins:
            pin.unlink()


def test_without_a_channel_there_are_no_pins(ran):
    ran.on(ran.channel)
    path = ran.folder / "envs/jepa.yaml"
    original = path.read_text()
    path.write_text(original.replace(ran.channel.as_uri(), (ran.folder / "nowhere").as_uri()))
    try:
        done = ran.jepa("pin")
    finally:
        path.write_text(original)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert "no pins were written" in done.stderr and "nowhere" in done.stderr
    assert not list((ran.folder / "envs").glob("*.pin.txt"))
