"""Files are complete or absent."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from jepa.errors import JepaError
from jepa.files import atomic_path, check_writable, read_csv, read_json, write_csv, write_json
from jepa.random import rng_of, seed_of


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]


KILLED = """
import os, signal, sys
from jepa.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path):
    """Half a file stays hidden under another name until somebody writes that file again."""
    path = tmp_path / "x.json"
    done = subprocess.run([sys.executable, "-c", KILLED, path])
    assert done.returncode == -signal.SIGKILL and not path.exists()
    (left,) = os.listdir(tmp_path)
    alive = f".x-{platform.node()}-{os.getppid()}-abc.json"  # of a process that still writes
    elsewhere = f".x-{platform.node()}2-1-abc.json"  # of another machine: who knows
    other = left.replace(".x-", ".y-")  # of another file
    for name in (alive, elsewhere, other):
        (tmp_path / name).touch()
    write_json(path, {"a": 1})
    assert set(os.listdir(tmp_path)) == {"x.json", alive, elsewhere, other}


def test_written_files_have_the_permissions_of_ordinary_files(tmp_path):
    write_json(tmp_path / "a.json", 1)
    (tmp_path / "b.json").write_text("1")
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "b.json").stat().st_mode


def test_nan_is_refused_and_damage_is_a_sentence(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "n.json", float("nan"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(JepaError, match="does not exist"):
        read_json(tmp_path / "n.json")
    (tmp_path / "n.json").write_text('{"half":')
    with pytest.raises(JepaError, match="not valid JSON"):
        read_json(tmp_path / "n.json")


def test_rows_keep_every_digit_and_may_lack_a_column(tmp_path):
    rows = [{"step": 1, "loss": 0.1 + 0.2}, {"step": 2, "loss": 1e-300, "bridge": 1 / 3}]
    write_csv(tmp_path / "h.csv", rows)
    assert (tmp_path / "h.csv").read_text().splitlines()[0] == "step,loss,bridge"
    first, second = read_csv(tmp_path / "h.csv")
    assert float(first["loss"]) == 0.1 + 0.2 and first["bridge"] == ""
    assert float(second["loss"]) == 1e-300 and float(second["bridge"]) == 1 / 3
    (tmp_path / "h.csv").write_text("step,loss\n")
    for name in ("h.csv", "none.csv"):
        with pytest.raises(JepaError, match=f"{name} .*run the rule that writes it"):
            read_csv(tmp_path / name)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    check_writable(tmp_path / "not/there/yet")
    with pytest.raises(JepaError, match="^/proc/1/results cannot be written; "):
        check_writable("/proc/1/results")
    with pytest.raises(JepaError, match="cannot be written"):
        write_json("/proc/1/results/x.json", 1)


def test_seeds_depend_on_every_part_and_on_where_parts_end():
    assert seed_of("a", 1) == seed_of("a", 1)
    assert len({seed_of("a", 1), seed_of("a", 2), seed_of("a1"), seed_of("1", "a")}) == 4
    assert rng_of("x").random() == rng_of("x").random()
