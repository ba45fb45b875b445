"""requirements.lock, and what must agree with it: environment files, container recipe, what is installed."""

import io
import re
import shlex
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from jepa import lock
from jepa.errors import JepaError
from test_cli import jepa

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]


def pinned(name):
    return next(line for line in PINS if line.startswith(f"{name}=="))


@pytest.mark.parametrize("name", ["jepa", "jepa-gpu"])
def test_an_environment_file_holds_the_lock_and_nothing_else(name):
    environment = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    *conda, with_pip = environment["dependencies"]
    packages = [line for line in with_pip["pip"] if not line.startswith("-")]
    assert packages == PINS and environment["name"] == name
    assert conda == ["python=3.11", "pip", "libegl"] and environment["channels"] == ["conda-forge", "nodefaults"]
    assert PROJECT["requires-python"] == ">=3.11,<3.12"
    options = [line for line in with_pip["pip"] if line.startswith("-")]
    assert bool(options) == (name == "jepa")  # an index for the CPU build of torch; PyPI's for Linux is the CUDA build
    script = (ROOT / f"envs/{name}.post-deploy.sh").read_text()
    assert all(option in script for option in options) and ("--extra-index-url" in script) == bool(options)


def test_the_files_in_envs_are_those_that_the_command_writes():
    pins = lock.read_lock(ROOT / "requirements.lock")
    for path, text in lock.environment_files(pins).items():
        assert (ROOT / path).read_text() == text, f"{path} is old: run `jepa env write`"


def test_the_lock_pins_every_dependency_of_the_package():
    names = {lock.canonical(name) for name in lock.read_lock(ROOT / "requirements.lock")}
    needed = {lock.canonical(re.match(r"[\w.-]+", line)[0]) for line in PROJECT["dependencies"]}
    assert needed <= names
    assert sorted(PINS, key=str.lower) == PINS


def test_every_rule_that_starts_a_program_names_the_conda_environment():
    """Rules without one would run with whatever Python the job finds, and --sdm conda says nothing about it."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    rules = re.split(r"^rule ", text, flags=re.M)[1:]
    programs = [rule for rule in rules if re.search(r"^    shell:", rule, flags=re.M)]
    assert len(programs) > 20
    for rule in programs:
        assert re.search(r"^    conda:\n        CONDA$", rule, flags=re.M), rule.partition(":")[0]


def test_names_are_compared_as_pip_compares_them_and_a_build_is_its_version():
    pins = {"torch": "2.13.0", "typing_extensions": "4.16.0", "PyYAML": "6.0.3", "rdkit": "2026.9.1", "av": "18.1.0"}
    found = {"Torch": "2.13.0+cpu", "typing-extensions": "4.16.0", "pyyaml": "6.0.2", "rdkit": "2026.9.10", "pip": "25"}
    missing, different, extra = lock.compare(pins, found)
    assert missing == ["av 18.1.0"] and extra == ["pip 25"]
    assert different == ["PyYAML 6.0.2 instead of 6.0.3", "rdkit 2026.9.10 instead of 2026.9.1"]


def test_a_pinned_build_is_that_build():
    assert lock.compare({"torch": "2.13.0+cpu"}, {"torch": "2.13.0"})[1] == ["torch 2.13.0 instead of 2.13.0+cpu"]


@pytest.mark.parametrize("line", ["numpy>=2", "numpy", "-r other.lock", "numpy==2.4.6; python_version > '3'"])
def test_a_lock_has_exact_pins_only(tmp_path, line):
    (tmp_path / "requirements.lock").write_text(f"# a comment\nav==18.1.0\n{line}\n")
    with pytest.raises(JepaError, match="line 3 of .* is no exact pin"):
        lock.read_lock(tmp_path / "requirements.lock")


def locked(folder, names):
    """A folder with a lock of what is installed here, under these names."""
    found = {lock.canonical(item.metadata["Name"]): item.version for item in distributions()}
    (folder / "requirements.lock").write_text("".join(f"{name}=={found[name]}\n" for name in names))


def test_check_ends_with_0_for_an_environment_that_has_the_lock_and_1_for_another(tmp_path):
    locked(tmp_path, ["numpy", "pandas", "torch"])
    done = jepa("env", "check", cwd=tmp_path)
    assert done.returncode == 0 and "is equal to the lock: 3 of 3" in done.stdout, done.stdout
    with open(tmp_path / "requirements.lock", "a") as file:
        file.write("no-such-package==1.0\nscipy==0.0.1\n")
    done = jepa("env", "check", "--python", sys.executable, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and "3 of 5 entries" in lines[-1] and "1 missing, 1 different" in lines[-1]
    assert "missing    no-such-package 1.0" in lines
    assert any(line.startswith("different  scipy ") and line.endswith(" instead of 0.0.1") for line in lines)


@pytest.mark.parametrize("python", ["no/such/python", "/bin/false"])
def test_check_of_no_interpreter_is_a_mistake(python):
    done = jepa("env", "check", "--python", python)
    assert done.returncode == 2 and done.stderr.startswith(f"error: {python} does not run"), done.stderr


def test_check_sees_that_conda_did_not_install_the_pins(tmp_path, monkeypatch):
    """Snakemake goes on without them, with a warning only, when they cannot be installed."""
    monkeypatch.chdir(tmp_path)
    locked(tmp_path, ["numpy"])
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/python-3.11.9-h1_0.json").touch()
    (tmp_path / "envs").mkdir()
    pin = tmp_path / "envs/jepa.linux-64.pin.txt"
    facts = lock.installed(sys.executable) | {"prefix": str(tmp_path)}
    monkeypatch.setattr(lock, "installed", lambda python: facts)
    pin.write_text("@EXPLICIT\nhttps://channel.example/linux-64/python-3.11.9-h1_0.conda#0123\n")
    assert lock.check(None, io.StringIO())
    pin.write_text("@EXPLICIT\nhttps://channel.example/linux-64/python-3.11.8-h1_0.tar.bz2#0123\n")
    out = io.StringIO()
    assert not lock.check(None, out)
    assert "python-3.11.8-h1_0 of envs/jepa.linux-64.pin.txt is not what conda installed" in out.getvalue()


def recipe():
    """Instructions of the container recipe, one a line: [(word, rest)]."""
    text = re.sub(r"\\\n", " ", (ROOT / "envs/Containerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_container_installs_the_lock_as_make_setup_does():
    steps = recipe()
    commands = [rest for word, rest in steps if word == "RUN"]
    assert sum(command.endswith("make setup") for command in commands) == 1
    assert not any("pip install" in command or "conda" in command for command in commands)
    base = [rest for word, rest in steps if word == "FROM"]
    assert base == ["docker.io/library/debian:bookworm-slim"]  # its Python is the lock's
    assert not Path(ROOT / "envs/Containerfile").read_text().count("@sha256:")
    minimum = re.match(r">=(3\.\d+)", PROJECT["requires-python"])[1]
    packages = shlex.split(next(command for command in commands if "apt-get install" in command))
    assert {f"python{minimum}", f"python{minimum}-venv", "make", "git", "gcc"} <= set(packages)
    assert {"libegl1", "libosmesa6"} <= set(packages)
    index = next(rest for word, rest in steps if word == "ARG")
    assert index.partition("=")[2] == lock.VARIANTS["jepa"].split()[1]


def test_results_and_environments_of_the_host_stay_out_of_the_container():
    ignored = (ROOT / ".dockerignore").read_text().split()
    kept = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split()}
    assert {".venv", ".snakemake", "data", "results", "logs", "bench"} <= {line.strip("/") for line in ignored}
    assert {line.removeprefix("**/").strip("/") for line in ignored} <= kept
    assert ".git" not in {line.strip("/") for line in ignored}  # provenance names the commit
