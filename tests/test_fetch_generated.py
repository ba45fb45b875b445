"""A maze dataset that is generated instead of fetched, and what any of its files must hold."""

import json
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jepa.data.fetch import validate_maze_dataset
from jepa.envs.point_maze import MAZES
from jepa.errors import JepaError
from maze_files import (  # noqa: F401
    BOTH,
    DATASET,
    arrays,
    data_fixture,
    files,
    generator_fixture,
    get,
    mirror_fixture,
    register_fixture,
    small_fixture,
    surroundings,
    write,
)

# ---- generate ----


def test_another_size_is_generated_whatever_the_source_and_is_tagged_so(register, generator, mirror, data):
    facts = get(data, source="mirror", mirror=mirror, train_episodes=4)
    assert (facts["source"], facts["tag"]) == ("generate", "kind")
    assert generator == [(DATASET, 3, 4)]
    assert "4 training episodes" in facts["message"]


def test_the_official_size_in_figures_is_the_official_size(register, small, mirror, data):
    assert get(data, source="mirror", mirror=mirror, train_episodes=2)["source"] == "mirror"


def test_a_generator_that_fails_leaves_nothing(register, data, monkeypatch):
    def generate(dataset, train_path, val_path, seed, **_):
        write(Path(train_path))
        raise RuntimeError("out of luck")

    monkeypatch.setitem(sys.modules, "jepa.data.generate_mazes", types.SimpleNamespace(generate=generate))
    with pytest.raises(RuntimeError):
        get(data, source="generate")
    assert files(data) == []


def test_the_leftovers_of_a_killed_run_are_cleared(register, generator, data):
    write(data / f".{DATASET}.staging" / "train.npz")
    get(data, source="generate", train_episodes=2)
    assert files(data) == BOTH


def test_two_processes_do_not_write_the_same_dataset(register, data, monkeypatch):
    def generate(*_, **__):
        get(data, source="generate")

    monkeypatch.setitem(sys.modules, "jepa.data.generate_mazes", types.SimpleNamespace(generate=generate))
    with pytest.raises(JepaError, match="Another process"):
        get(data, source="generate")


def test_the_real_generator_fits(data):
    facts = get(data, source="generate", train_episodes=2)
    assert validate_maze_dataset(data / BOTH[1]) == (2 * MAZES["teleport"].episode_steps, 2)
    assert facts["tag"] == "kind" and json.dumps(facts)


# ---- content ----


def test_a_good_file_is_valid(tmp_path):
    assert validate_maze_dataset(write(tmp_path / "a.npz")) == (10, 2)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"observations": np.zeros((10, 3), np.float32)}, "observations is float32 of shape"),
        ({"actions": np.zeros((9, 2), np.float32)}, "actions is float32 of shape"),
        ({"actions": np.zeros((10, 2))}, "actions is float64"),
        ({"terminals": np.zeros(10)}, "terminals is float64"),
        ({"terminals": np.zeros(10, bool)}, "ends an episode"),
        ({"qpos": np.full((10, 2), np.nan, np.float32)}, "qpos holds values that are not finite"),
        ({"qvel": np.array(None, dtype=object)}, "damaged"),
        ({"observations": np.float32(1)}, "observations is float32 of shape"),
        (arrays(0), "ends an episode"),
    ],
)
def test_wrong_content_is_named(tmp_path, change, complaint):
    with pytest.raises(JepaError, match=complaint):
        validate_maze_dataset(write(tmp_path / "a.npz", **change))


def test_damaged_files_are_sentences(tmp_path):
    path = write(tmp_path / "a.npz")
    whole = path.read_bytes()
    for body in (b"", b"<html>", whole[:-100], whole[:100] + bytes(200) + whole[300:]):
        path.write_bytes(body)
        with pytest.raises(JepaError, match="no npz file|damaged"):
            validate_maze_dataset(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("observations.txt", "1")
    with pytest.raises(JepaError, match="no array 'observations'"):
        validate_maze_dataset(path)
    with pytest.raises(JepaError, match="no npz file"):
        validate_maze_dataset(tmp_path / "absent.npz")
