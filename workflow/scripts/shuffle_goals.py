"""Run the goal-shuffle test of one checkpoint: does the canvas reveal the goal?"""

import argparse
from pathlib import Path

from jepa.data import manifest
from jepa.data.episodes import Episodes
from jepa.errors import run
from jepa.evaluation import goal_shuffle
from jepa.files import write_json
from jepa.provenance import Record
from jepa.settings import from_json
from jepa.training.qantara import load


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--episodes", required=True, type=Path)
    parser.add_argument("--manifest", required=True, type=Path)
    parser.add_argument("--recipe", default="default", help="name of the model's recipe")
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: eval_seeds and the planner's sizes")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record, episodes = Record(__file__), Episodes.open(a.episodes)
    model, config = load(a.model.parent)
    pairs = manifest.read(a.manifest, episodes)
    write_json(a.out, {"recipe": a.recipe, **goal_shuffle.measure(model, episodes, pairs, a.settings, config["seed"])})
    record.write(a.provenance, inputs=[a.model, a.episodes, a.manifest], settings=a.settings, seed=config["seed"])


if __name__ == "__main__":
    run(main)
