"""Audit one control: a graph that is proposed without learning anything."""

import argparse
from pathlib import Path

from jepa.data import crossings as crossing_data
from jepa.envs.point_maze import maze_graph
from jepa.errors import run
from jepa.evaluation.audit import audit_graph
from jepa.evaluation.controls import control_graph
from jepa.files import write_json
from jepa.provenance import Record


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crossings", required=True, type=Path)
    parser.add_argument("--maze", required=True)
    parser.add_argument("--control", required=True)
    parser.add_argument("--seed", required=True, type=int, help="of the hold-out split")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    arguments = parser.parse_args()
    record, graph = Record(__file__), maze_graph(arguments.maze)
    crossings = crossing_data.load(arguments.crossings, graph)
    heldout = crossing_data.holdout(graph, arguments.seed)
    adjacency, weight = control_graph(arguments.control, graph, heldout, crossings)
    name = {"method": arguments.control, "seed": arguments.seed, "split_seed": arguments.seed}
    write_json(arguments.out, name | audit_graph(adjacency, weight, graph, heldout))
    record.write(arguments.provenance, inputs=[arguments.crossings], seed=arguments.seed)


if __name__ == "__main__":
    run(main)
