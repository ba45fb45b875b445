"""The jepa command, run as a user runs it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT

JEPA = Path(sys.executable).parent / "jepa"


def jepa(*arguments, cwd=ROOT):
    return subprocess.run([JEPA, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


def test_help_is_quick_and_imports_no_torch():
    seconds = []
    for _ in range(3):  # the first fills the file cache
        started = time.monotonic()
        done = jepa("--help")
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 1
    assert done.returncode == 0 and all(word in done.stdout for word in ("doctor", "cells", "fetch"))
    code = "import sys, jepa.cli; jepa.cli.parser(); sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_module_and_command_are_the_same():
    done = subprocess.run([sys.executable, "-m", "jepa", "--help"], capture_output=True, text=True)
    assert done.stdout == jepa("--help").stdout


def test_cells_of_an_arm():
    lines = jepa("cells", "mdn", "--kind", "audits").stdout.splitlines()
    assert "results/laptop/audits/mop/mdn/teleport/seed1.json" in lines
    fanouts = [line for line in lines if "/fanout-seed" in line]  # an audit, too
    assert len(fanouts) == 9 and len(lines) == 18 and all("/audits/mop/mdn/" in line for line in lines)


def test_cells_of_a_recipe_and_of_one_papers_table():
    lines = jepa("cells", "drop-policy").stdout.splitlines()
    assert "results/laptop/evals/qantara/drop-policy/two_room/seed0/cem-k4.json" in lines
    lines = jepa("cells", "qantara/table1").stdout.splitlines()
    assert lines and all("/qantara/" in line for line in lines)


@pytest.mark.parametrize("name", ["mop/table2", "figure9", "intext", "qantara/figure2"])
def test_cells_of_a_table_or_figure_are_targets(name):
    lines = jepa("cells", name, "--scale", "smoke").stdout.splitlines()
    assert lines and all(line.startswith("results/smoke/") for line in lines)
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cells", "mopp"], ["'mopp'", "table3", "mdn"]),
        (["cells", "--scale", "huge"], ["scale", "'huge'", "smoke"]),
        (["fetch", "pointmaze-giant"], ["pointmaze-giant", "pointmaze-teleport-navigate"]),
    ],
)
def test_mistakes_end_with_one_sentence_and_exit_code_2(arguments, words):
    done = jepa(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words), done.stderr


def test_outside_the_repository_it_says_so(tmp_path):
    done = jepa("cells", cwd=tmp_path)
    assert done.returncode == 2 and "root of the repository" in done.stderr


def test_cells_into_a_closed_pipe_is_quiet():
    done = subprocess.run(f"{JEPA} cells | head -1", shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1 and done.stderr == ""


def test_doctor_reports_every_topic():
    done = subprocess.run(
        [JEPA, "doctor", "--scale", "smoke"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={k: v for k, v in os.environ.items() if k != "JEPA_DATA_MIRROR"},
    )
    topics = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"python", "torch", "gl", "memory", "disk", "cores", "data"} <= topics
    assert done.returncode == (1 if "FAIL" in done.stdout else 0)


@pytest.mark.parametrize(("scale", "weights"), [("smoke", False), ("paper", True)])
def test_doctor_asks_the_sources_of_what_the_scale_wants(scale, weights, tmp_path):
    (tmp_path / "pusht.zip").touch()
    environment = os.environ | {"JEPA_DATA_MIRROR": str(tmp_path), "JEPA_GL": "none"}
    done = subprocess.run(
        [JEPA, "doctor", "--scale", scale], cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment
    )
    lines = {line.split()[2]: line for line in done.stdout.splitlines() if line.startswith("data ")}
    push_t = lines["pusht_human:"]
    assert f"{tmp_path} has 1 of 2 files" in push_t and "columbia.edu: " in push_t and "generate: " in push_t
    assert ("dinov2_vits14:" in lines) == weights
    if weights:
        text = lines["dinov2_vits14:"]
        assert "has 0 of 1 files" in text and "fbaipublicfiles.com: " in text and "generate" not in text


def test_export_writes_lewms_columns(tmp_path):
    import h5py

    from jepa.data.generate_two_room import generate

    generate(tmp_path / "two_room.h5", 0, 3)
    done = jepa("export", str(tmp_path / "two_room.h5"), str(tmp_path / "lewm.h5"), "--size", "16")
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "lewm.h5") as file:
        assert {"pixels", "action", "ep_len", "ep_offset"} <= set(file)
        assert file["pixels"].shape == (file["ep_len"][:].sum(), 16, 16, 3)


def test_fetch_takes_a_dataset_from_a_mirror(tmp_path):
    """The command finds files by their official names, checks them and writes where they came from."""
    from jepa.data.generate_mazes import generate

    mirror = tmp_path / "mirror"
    mirror.mkdir()
    files = [mirror / f"pointmaze-teleport-navigate-v0{part}.npz" for part in ("", "-val")]
    generate("pointmaze-teleport-navigate", *files, 0, 10, progress=False)
    done = jepa(
        "fetch", "pointmaze-teleport-navigate", "--source", "mirror", "--mirror", str(mirror), "--out", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pointmaze-teleport-navigate.npz").read_bytes() == files[0].read_bytes()
    assert '"source": "mirror"' in (tmp_path / "pointmaze-teleport-navigate.provenance.json").read_text()
