"""Small good files of every kind, each of which its program accepts: the tests of bad input damage copies of them."""

import numpy as np
import pytest

from jepa.data import crossings, manifest
from jepa.data.episodes import Episodes
from jepa.data.frames import render
from jepa.data.generate_two_room import generate
from jepa.envs.point_maze import maze_graph
from jepa.training import mop, qantara

MAZE = "medium-stitch"
MOP = {
    "model": {"fourier": 0, "width": 8, "depth": 1, "d": 4},
    "predictor": {"kind": "mop", "K": 2, "width": 8, "depth": 1},
    "training": {"steps": 2, "batch_size": 8, "lr": 2e-3, "lr_floor": 0.05, "weight_decay": 1e-4, "ema": 0.99},
}
QANTARA = {
    "kind": "qantara",
    "encoder": {"kind": "conv", "size": 16, "width": 2, "projector": 16, "d": 8},
    "predictor": {
        "width": 16, "depth": 1, "heads": 2, "mlp": 32, "T": 4, "dropout": 0.0,
        "residual": True, "bridge": True, "gamma": 1.0,
    },
    "sampling": {"modes": ["forward", "policy"], "sampler": "edges", "copies": 5, "tau": "chain"},
    "loss": {"lambda_z": 3.0, "lambda_a": 1.0, "lambda_sig": 2.0, "projections": 8},
    "training": {
        "steps": 2, "batch_size": 4, "lr": 2e-3, "warmup": 0.0, "weight_decay": 1e-3, "clip": 1.0,
        "precision": "fp32",
    },
    "data": {"frame_skip": 5, "holdout": 0.2, "split_seed": 0},
}  # fmt: skip


def walk(path, maze=MAZE, steps=600):
    """A point-maze dataset of a random walk at three rows a cell, in episodes of 60 rows."""
    rng, graph = np.random.default_rng(0), maze_graph(maze)
    cells = [0]
    while len(cells) < steps:
        cells.append(int(rng.choice(np.flatnonzero(graph.adjacent[cells[-1]]))))
    observations = np.repeat(graph.centres[cells], 3, axis=0).astype(np.float32)
    np.savez(path, observations=observations, terminals=np.arange(1, 3 * steps + 1) % 60 == 0)
    return path


@pytest.fixture(name="good", scope="module")
def good_fixture(tmp_path_factory):
    """A folder of small files, each of which its program accepts."""
    folder = tmp_path_factory.mktemp("good")
    walk(folder / "maze.npz")
    graph = maze_graph(MAZE)
    crossings.save(
        folder / "crossings.npz", crossings.extract(*crossings.read_dataset(folder / "maze.npz"), graph), MAZE
    )
    mop.train(folder / "crossings.npz", MAZE, MOP, 0, folder / "mop", progress=False)
    generate(folder / "two_room.h5", 0, 12)
    episodes = Episodes.open(folder / "two_room.h5")
    render(episodes, folder / "frames.h5", 16, 5, progress=False)
    _, chosen = episodes.split(0.2, 0)
    manifest.write(folder / "manifest.json", manifest.make(episodes, chosen, 2))
    qantara.train(folder / "two_room.h5", "two_room", QANTARA, 0, folder / "qantara", progress=False)
    graphs = {f"{readout}_adjacency": graph.edges for readout in ("raw", "gated")}
    np.savez(
        folder / "graphs.npz", **graphs, **{f"{readout}_weight": graph.edges * 1.0 for readout in ("raw", "gated")}
    )
    return folder


def changed(source, target, arrays):
    """A copy of an npz with other arrays; None takes one out. Returns its path."""
    with np.load(source) as file:
        kept = {name: file[name] for name in file.files} | arrays
    np.savez(target, **{name: array for name, array in kept.items() if array is not None})
    return target
