"""requirements.lock: the conda files that are made from it, and what an environment has of it.

The lock is the one list of exact versions. Snakemake copies an environment file before conda reads it, so that a path
in there (`-r ../requirements.lock`) would point elsewhere: the files in envs/ hold all pins, written from the lock.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from jepa.errors import JepaError
from jepa.files import atomic_path

PYTHON = "3.11"
LOCK = Path("requirements.lock")
FOLDER = Path("envs")
PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;#]+)")

# pip's options for each environment. A local version (2.13.0+cpu) counts as newer than PyPI's 2.13.0, which has CUDA.
VARIANTS = {"jepa": "--extra-index-url https://download.pytorch.org/whl/cpu", "jepa-gpu": ""}
BUILDS = {"jepa": "the CPU build of torch", "jepa-gpu": "the CUDA build of torch, which is PyPI's for Linux"}

ENVIRONMENT = """\
# Written by `jepa env write` from requirements.lock: edit that file. With {build}; see docs/environments.md.
name: {name}
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={python}
  - pip
  - libegl # headless rendering with MUJOCO_GL=egl; the driver behind it is the system's
  - pip:
{lines}
"""

POST_DEPLOY = """\
#!/bin/sh
# Written by `jepa env write`. Snakemake runs this in an environment that it has just made, in the repository's root.
# From a file of pins an environment has conda's packages alone: the lock is installed here. What differs is refused.
set -eu
export PYTHONNOUSERSITE=1 PYTHONPATH=src
torch=$(grep '^torch==' requirements.lock)
python -m pip install --quiet --disable-pip-version-check {options}"$torch" -r requirements.lock
python -m jepa env check
"""

INSTALLED = """
import importlib.metadata, json, sys
packages = {}
for distribution in importlib.metadata.distributions():
    packages.setdefault(distribution.metadata["Name"] or "?", distribution.version)
facts = {"python": "%d.%d" % sys.version_info[:2], "prefix": sys.prefix, "packages": packages}
print(json.dumps(facts))
"""


def read_lock(path=LOCK):
    """{name: version} of a lock, in its order. Raises JepaError where a line is no exact pin."""
    try:
        lines = Path(path).read_text().splitlines()
    except FileNotFoundError:
        raise JepaError(f"there is no {path} here; run jepa in the root of the repository.") from None
    pins = {}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = PINNED.fullmatch(text)
        if match is None:
            raise JepaError(f"line {number} of {path} is {text!r}, which is no exact pin; write it as name==version.")
        pins[match[1]] = match[2]
    return pins


def environment_files(pins):
    """{path: text} of what envs/ has to hold for a lock: per variant an environment file and its post-deploy script."""
    files = {}
    for name, options in VARIANTS.items():
        lines = [*filter(None, [options]), *(f"{package}=={version}" for package, version in pins.items())]
        listed = "\n".join(f"      - {line}" for line in lines)
        text = ENVIRONMENT.format(name=name, build=BUILDS[name], python=PYTHON, lines=listed)
        files[FOLDER / f"{name}.yaml"] = text
        files[FOLDER / f"{name}.post-deploy.sh"] = POST_DEPLOY.format(options=f"{options} " if options else "")
    return files


def write_environments(out):
    """Write the files of `environment_files` into envs/ and name them."""
    for path, text in environment_files(read_lock()).items():
        with atomic_path(path) as temporary:
            temporary.write_text(text)
        print(path, file=out)


def canonical(name):
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compare(pins, packages):
    """What `packages` lack of `pins`; both {name: version}.

    Returns (missing, different, extra), lists of texts. A build's local version (2.13.0+cpu) equals the pin 2.13.0.
    """
    found = {canonical(name): version for name, version in packages.items()}
    missing, different = [], []
    for name, version in pins.items():
        has = found.pop(canonical(name), None)
        if has is None:
            missing.append(f"{name} {version}")
        elif version not in (has, has.partition("+")[0]):
            different.append(f"{name} {has} instead of {version}")
    return missing, different, [f"{name} {version}" for name, version in sorted(found.items())]


def installed(python):
    """What an interpreter sees without PYTHONPATH and user packages: its version, prefix and {package: version}."""
    try:
        done = subprocess.run([python, "-I", "-c", INSTALLED], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        raise JepaError(
            f"{python} does not run as a Python interpreter ({type(error).__name__}); "
            "give --python the path of one, e.g. .venv/bin/python."
        ) from None


def conda_packages(pin_file):
    """Packages of an explicit list of conda as name-version-build, by which conda-meta/ names its files."""
    urls = [line.partition("#")[0].strip() for line in pin_file.read_text().splitlines()]
    names = [url.rpartition("/")[2] for url in urls if "://" in url]
    return [name.removesuffix(".conda").removesuffix(".tar.bz2") for name in names]


def check(python, out):
    """Compare an environment with the lock and, where conda made it, with the pins. True when nothing is wrong.

    Snakemake takes the environment file, with a warning only, where the pins cannot be installed: a package of conda
    that is not the pinned one counts as a difference.
    """
    python = python or sys.executable
    pins, facts = read_lock(), installed(python)
    missing, different, extra = compare(pins, facts["packages"])
    wrong = len(missing) + len(different)
    if facts["python"] != PYTHON:
        different.append(f"python {facts['python']} instead of {PYTHON}")
    records = Path(facts["prefix"]) / "conda-meta"
    pin_file = FOLDER / "jepa.linux-64.pin.txt"
    if records.is_dir() and pin_file.exists():
        unpinned = [name for name in conda_packages(pin_file) if not (records / f"{name}.json").exists()]
        different += [f"{name} of {pin_file} is not what conda installed" for name in unpinned]
    for word, found in (("missing", missing), ("different", different), ("extra", extra)):
        for text in found:
            print(f"{word:<10} {text}", file=out)
    verdict = "is equal to the lock" if not missing + different else "is not the environment of the lock"
    print(
        f"{python} {verdict}: {len(pins) - wrong} of {len(pins)} entries of {LOCK} as pinned, "
        f"{len(missing)} missing, {len(different)} different; {len(extra)} beside them do not count",
        file=out,
    )
    return not missing + different
