"""Small maze datasets and where they come from: what the tests of fetching share.

The fixtures are imported by the tests that use them: a registry, a mirror, a generator and a folder of their own.
"""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from jepa.data import registry
from jepa.data.fetch import fetch
from jepa.envs.point_maze import MAZES
from servers import closed_port

DATASET = "pointmaze-teleport-navigate"
TRAIN, VAL = f"{DATASET}-v0.npz", f"{DATASET}-v0-val.npz"
BOTH = [f"{DATASET}-val.npz", f"{DATASET}.npz"]


def arrays(episodes=2, steps=5, seed=0):
    """Random arrays of a maze dataset."""
    rng = np.random.default_rng(seed)
    n = episodes * steps
    ends = np.arange(n) % steps == steps - 1
    return {key: rng.random((n, 2), np.float32) for key in ("observations", "actions", "qpos", "qvel")} | {
        "terminals": ends
    }


def write(path, **changes):
    """Write a dataset of two episodes, with other arrays where given. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **(arrays() | changes))
    return path


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("JEPA_DATA_MIRROR", raising=False)


@pytest.fixture(name="register")
def register_fixture(monkeypatch, tmp_path):
    """Make the dataset come from the given addresses, with the given sha256 of its training file."""

    load = registry.load

    def register(*urls, sha256=None):
        facts = {"trust": "published", "sha256": sha256} if sha256 else {"trust": "tofu"}
        entry = {"urls": list(urls), "files": {TRAIN: facts, VAL: {"trust": "tofu"}}, "licence": "none"}
        path = tmp_path / f"registry{len(files(tmp_path))}.yaml"  # load remembers what it read from a path
        path.write_text(json.dumps({DATASET: entry}))
        entries = load(path)
        monkeypatch.setattr(registry, "load", lambda: entries)

    register(closed_port().replace("data.npz", "{file}"))
    return register


@pytest.fixture(name="generator")
def generator_fixture(monkeypatch):
    """A generator that writes small files and lists how it was called."""
    calls = []

    def generate(dataset, train_path, val_path, seed, train_episodes=None, progress=True):
        calls.append((dataset, seed, train_episodes))
        spec = next(spec for spec in MAZES.values() if spec.dataset == dataset)
        episodes = train_episodes or spec.train_episodes
        write(Path(train_path), **arrays(episodes, spec.episode_steps, seed))
        write(Path(val_path), **arrays(1, spec.episode_steps, seed + 1))
        return {"generator": "a stand-in"}

    monkeypatch.setitem(sys.modules, "jepa.data.generate_mazes", types.SimpleNamespace(generate=generate))
    return calls


@pytest.fixture(name="small")
def small_fixture(monkeypatch):
    """Let two episodes of five steps be the official size."""
    spec = MAZES["teleport"]
    monkeypatch.setitem(MAZES, "teleport", type(spec)(**vars(spec) | {"train_episodes": 2, "episode_steps": 5}))


@pytest.fixture(name="mirror")
def mirror_fixture(tmp_path):
    """A folder with both files, one of them deeper."""
    write(tmp_path / "mirror" / "some" / "where" / TRAIN)
    write(tmp_path / "mirror" / VAL, **arrays(seed=1))
    return tmp_path / "mirror"


@pytest.fixture(name="data")
def data_fixture(tmp_path):
    """Where the dataset shall stand."""
    return tmp_path / "data"


def get(data, **options):
    """Fetch the dataset into `data`; the facts."""
    train, val = data / f"{DATASET}.npz", data / f"{DATASET}-val.npz"
    return fetch(DATASET, train, val, **{"seed": 3, "progress": False} | options)


def files(folder):
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []
