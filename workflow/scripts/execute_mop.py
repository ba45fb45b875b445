"""Run proposal graphs closed loop in the real environment; or the truth graph, to show that the executor is sound."""

import argparse
from pathlib import Path

import numpy as np

from jepa.data.arrays import read_npz
from jepa.envs.point_maze import maze_graph
from jepa.errors import JepaError, run
from jepa.files import write_json
from jepa.planning.executor import execute, soundness
from jepa.provenance import Record
from jepa.settings import from_json


def runs_of(maze):
    """(readout, planner, cost) of the executions of an arm; the first is the headline."""
    runs = [
        ("raw", "dijkstra", "neglogpi"),
        ("gated", "dijkstra", "neglogpi"),
        ("raw", "dijkstra", "uniform"),
    ]
    return [*runs, ("raw", "expected", "neglogpi")] if maze == "teleport" else runs


def read_graphs(path, maze):
    """What audit_mop wrote: {readout_adjacency | readout_weight: (n, n)}. Raises JepaError for another file."""
    graphs = read_npz(
        path, "proposal graphs", [f"{r}_{part}" for r in ("raw", "gated") for part in ("adjacency", "weight")]
    )
    n = len(maze_graph(maze).cells)
    for name, array in graphs.items():
        if array.shape != (n, n) or array.dtype.kind not in "bf" or not np.isfinite(array).all():
            raise JepaError(
                f"{path} holds no proposal graphs of {maze}: {name} is {array.dtype} {array.shape}, not finite "
                f"values for {n} x {n} cells; delete it and audit again."
            )
    return graphs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", required=True, help="an arm, truth or truth-corrupted")
    parser.add_argument("--graphs", type=Path, help="the arm's proposal graphs, written by its audit")
    parser.add_argument("--maze", required=True)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: episodes, max_steps")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    arguments = parser.parse_args()
    record = Record(__file__)
    settings = {key: arguments.settings[key] for key in ("episodes", "max_steps")}
    if arguments.graphs is None:
        runs = soundness(arguments.method, arguments.maze, seed=arguments.seed, **settings)
    else:
        graphs = read_graphs(arguments.graphs, arguments.maze)
        runs = []
        for readout, planner, cost in runs_of(arguments.maze):
            how = {"planner": planner, "cost": cost, "repair": "full"}
            adjacency, weight = graphs[f"{readout}_adjacency"], graphs[f"{readout}_weight"]
            episodes = execute(arguments.maze, adjacency, weight, seed=arguments.seed, progress=True, **how, **settings)
            runs.append({"readout": readout, **how, "episodes": episodes})
    name = {"method": arguments.method, "maze": arguments.maze, "seed": arguments.seed}
    write_json(arguments.out, {**name, "max_steps": settings["max_steps"], "runs": runs})
    inputs = [] if arguments.graphs is None else [arguments.graphs]
    record.write(arguments.provenance, inputs=inputs, settings=settings, seed=arguments.seed)


if __name__ == "__main__":
    run(main)
