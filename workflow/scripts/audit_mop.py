"""Audit one trained model by the verification protocol and keep the transition graphs that it proposes."""

import argparse
from pathlib import Path

import numpy as np

from jepa.data import crossings as crossing_data
from jepa.envs.point_maze import maze_graph
from jepa.errors import run
from jepa.evaluation.audit import audit, build_contexts
from jepa.evaluation.likelihood import validation
from jepa.files import atomic_path, write_json
from jepa.planning.graph import active_heads, proposal_graph
from jepa.provenance import Record
from jepa.random import rng_of
from jepa.settings import from_json
from jepa.training.mop import callables, density, load


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crossings", required=True, type=Path)
    parser.add_argument("--validation", required=True, type=Path, help="crossings of the validation file")
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--arm", required=True)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: gate, match")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--graphs", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    arguments = parser.parse_args()
    record, settings = Record(__file__), arguments.settings
    model, config = load(arguments.model.parent)
    maze, seed = config["maze"], config["seed"]
    graph = maze_graph(maze)
    crossings = crossing_data.load(arguments.crossings, graph)
    heldout, fourier = crossing_data.holdout(graph, seed), config["settings"]["model"]["fourier"]
    predict, embed = callables(model, graph, fourier)
    result = audit(
        predict,
        embed,
        graph,
        heldout,
        build_contexts(crossings, graph, rng_of("mop", maze, seed, "contexts")),
        gate=settings["gate"],
        match=settings["match"],
    )
    result["validation"] = validation(
        density(model, graph, fourier),
        embed,
        crossing_data.load(arguments.validation, graph),
        heldout,
        rng_of("mop", maze, seed, "validation"),
    )
    u, pi = predict(graph.centres)
    graphs = {}
    for readout, gate in (("raw", None), ("gated", settings["gate"])):
        adjacency, weight = proposal_graph(u, pi, embed(graph.centres), active_heads(pi, gate))
        graphs |= {f"{readout}_adjacency": adjacency, f"{readout}_weight": weight}
    with atomic_path(arguments.graphs) as temporary:
        np.savez_compressed(temporary, **graphs)
    write_json(arguments.out, {"method": arguments.arm, "seed": seed, "split_seed": seed, **result})
    inputs = [arguments.crossings, arguments.validation, arguments.model]
    record.write(arguments.provenance, inputs=inputs, settings=settings, seed=seed)


if __name__ == "__main__":
    run(main)
