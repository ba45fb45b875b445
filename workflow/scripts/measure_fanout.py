"""Measure the two-step fan-out of one trained model, and what Figures 2 and 3 of MoP-JEPA show of it."""

import argparse
from pathlib import Path

import torch

from jepa.data import crossings as crossing_data
from jepa.envs.point_maze import maze_graph
from jepa.errors import run
from jepa.evaluation.fanout import measure
from jepa.files import write_json
from jepa.provenance import Record
from jepa.settings import from_json
from jepa.training.mop import callables, load


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crossings", required=True, type=Path)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--arm", required=True)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: gate, match")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    arguments = parser.parse_args()
    record, settings = Record(__file__), arguments.settings
    model, config = load(arguments.model.parent)
    graph, seed = maze_graph(config["maze"]), config["seed"]
    predict, embed = callables(model, graph, config["settings"]["model"]["fourier"])

    @torch.no_grad()
    def follow(latents):
        u, pi = model.predictor(torch.from_numpy(latents))
        return u.numpy(), pi.numpy()

    heldout, crossings = crossing_data.holdout(graph, seed), crossing_data.load(arguments.crossings, graph)
    result = measure(predict, embed, follow, graph, heldout, crossings, gate=settings["gate"], match=settings["match"])
    write_json(arguments.out, {"method": arguments.arm, "seed": seed, "split_seed": seed, **result})
    record.write(arguments.provenance, inputs=[arguments.crossings, arguments.model], settings=settings, seed=seed)


if __name__ == "__main__":
    run(main)
