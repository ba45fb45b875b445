"""Where a result comes from: hashes of code and inputs, versions, machine, cost."""

import ast
import functools
import hashlib
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

from jepa.errors import JepaError
from jepa.files import file_hash, write_json

SOURCE = Path(__file__).parent
PACKAGES = (
    "torch",
    "numpy",
    "mujoco",
    "ogbench",
    "gymnasium",
    "dm_control",
    "snakemake",
    "pandas",
    "matplotlib",
)


def _module_file(name):
    """File of a module of this package by dotted name, or None."""
    base = SOURCE.parent.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


@functools.cache
def _parsed(path):
    """(dump of the syntax tree without docstrings, dotted names of this package that it imports) of a file."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree), {name for name in names if name == "jepa" or name.startswith("jepa.")}


@functools.cache
def code_hash(script):
    """Hash of the syntax trees of a script and of everything in this package that it imports, however deep.

    Comments, docstrings and formatting do not count, so only a change of behaviour re-runs a cell. Data files that
    stand beside an imported module (the registry of datasets, the style of figures) count by their bytes.
    script: path of a Python file. Returns 16 hex digits. Raises JepaError when the file does not exist.
    """
    script = Path(script)
    if not script.exists():
        raise JepaError(f"{script} does not exist, so its code cannot be hashed.")
    dumps, pending, seen = {script.name: _parsed(script)[0]}, set(_parsed(script)[1]), set()
    while pending:
        name = pending.pop()
        seen.add(name)
        path = _module_file(name)
        if path is not None:
            dump, imports = _parsed(path)
            dumps[name] = dump
            data = (p for p in path.parent.iterdir() if p.suffix in (".yaml", ".mplstyle"))
            dumps |= {str(p.relative_to(SOURCE)): file_hash(p) for p in data}
            pending |= imports - seen
    text = "\n".join(f"{name}:{dump}" for name, dump in sorted(dumps.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _git(*arguments):
    try:
        done = subprocess.run(["git", *arguments], cwd=SOURCE, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def device():
    """The device that this process computes on: a GPU's name where torch is loaded and finds one, else `cpu`."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else "cpu"


def versions():
    """Versions of Python and of the packages that matter to a number."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


class Record:
    """Collects the provenance of one cell: create it first, `write` it last.

    The file holds git commit, dirty flag, config slice, code hash, seed, versions, device, input hashes,
    wall time (s) and peak memory (MiB), the Slurm job and its GPUs, and whatever facts the cell adds.
    """

    def __init__(self, script):
        self.script, self.started = script, time.monotonic()

    def write(self, path, *, inputs, settings=None, seed=None, **facts):
        status = _git("status", "--porcelain")
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        write_json(
            path,
            {
                "command": sys.argv,
                "git_commit": _git("rev-parse", "HEAD"),
                "git_dirty": None if status is None else bool(status),
                "settings": settings,
                "code_hash": code_hash(self.script),
                "seed": seed,
                "versions": versions(),
                "device": device(),
                "machine": {"system": platform.platform(), "processor": platform.machine()},
                "slurm": {"job": os.environ.get("SLURM_JOB_ID"), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")},
                "inputs": {str(p): file_hash(p) for p in inputs},
                "wall_seconds": round(time.monotonic() - self.started, 2),
                "peak_memory_mib": round(peak / 1024, 1),
                "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                **facts,
            },
        )
