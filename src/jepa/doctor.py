"""What this machine can do: a line for each thing, and a sentence on what to do about what is missing."""

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from jepa.envs import gl

# Gigabytes that a scale needs: memory, and disk for data and results.
NEEDS_GB = {"smoke": (2, 1), "laptop": (6, 3), "paper": (8, 160)}


def checks(config):
    """Yield (topic, good, text); good is None where a finding is neither good nor bad."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield "python", sys.version_info[:2] == (3, 11), f"{version} (3.11 is what the lock is made for)"
    try:
        import torch

        devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield (
            "torch",
            True,
            f"{torch.__version__} on {', '.join(devices) or 'CPU (no CUDA device; not needed here)'}",
        )
    except ImportError as error:
        yield "torch", False, f"cannot be imported ({error}): run make setup"
    backend = gl.probe()
    users = "Cube, Reacher and the visual antmaze"
    missing = f"no backend renders: install libegl1 or libosmesa6 for {users}; the other parts need none"
    yield "gl", True if backend else None, f"{backend} renders (for {users})" if backend else missing
    memory_gb, disk_gb = NEEDS_GB[config["scale"]]
    available = psutil.virtual_memory().available / 2**30
    yield (
        "memory",
        available >= memory_gb,
        f"{available:.1f} GB free, scale {config['scale']} needs {memory_gb}",
    )
    folder = Path(config["data"]["dir"]).resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    yield "disk", free >= disk_gb, f"{free:.1f} GB free at {folder}, scale {config['scale']} needs {disk_gb}"
    yield "cores", None, f"{os.cpu_count()} (the forecasts of the workflow scale with --cores)"


def show(findings, out):
    """Write (topic, good, text) as lines; True when none is bad."""
    healthy = True
    for topic, good, text in findings:
        healthy &= good is not False
        mark = {True: "ok", False: "FAIL", None: "--"}[good]
        print(f"{topic:<10} {mark:<5} {text}", file=out, flush=True)
    return healthy


def report(config, out):
    """Write the report to `out`; True when nothing that the scale needs is missing."""
    from jepa.data.fetch import sources

    healthy = show(checks(config), out)
    mirror = config["data"]["mirror"] or os.environ.get("JEPA_DATA_MIRROR")
    wanted = datasets(config)
    with ThreadPoolExecutor(len(wanted)) as pool:
        answers = pool.map(lambda dataset: sources(dataset, mirror), wanted)
        for dataset, of_dataset in zip(wanted, answers, strict=True):
            text = "; ".join(
                f"{name}: {answer}" for name, answer in of_dataset if name != "generate" or wanted[dataset]
            )
            show([("data", None, f"{dataset}: {text}")], out)
    return healthy


def datasets(config):
    """{registry entry that the runs of this scale want: whether something generated can stand in for it}"""
    from jepa.config import recipe_settings
    from jepa.data import push_t_files, weights_files
    from jepa.domains.registry import OFFICIAL
    from jepa.reporting import qantara_grid
    from jepa.reporting.contents import DATASETS

    wanted = {DATASETS[maze]: True for maze in config["mop"]["mazes"]}
    if "push_t" in config["qantara"]["environments"] and not config["data"]["files"].get("push_t"):
        wanted[push_t_files.DATASET] = True
    trained = {cell[1:] for cell in qantara_grid.runs(config) if cell[0] == "dense"}
    if any(recipe_settings(config, *cell)["encoder"]["kind"] == "dinov2" for cell in trained):
        wanted[weights_files.DATASET] = False
    domains = config["mop"]["domains"]
    kinds = {domains["data"][cell["data"]]["kind"] for cell in domains["cells"].values()}
    return wanted | {entry: True for kind in sorted(kinds) for entry in OFFICIAL.get(kind, ())}
