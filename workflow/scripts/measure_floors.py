"""Measure floors and ceilings on the frozen pairs: random, stand-still, demonstration replay, goal-blind expert."""

import argparse
from pathlib import Path

from jepa.data import manifest
from jepa.data.episodes import Episodes
from jepa.errors import run
from jepa.evaluation import floors
from jepa.files import write_json
from jepa.provenance import Record
from jepa.settings import from_json


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", required=True, type=Path)
    parser.add_argument("--manifest", required=True, type=Path)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: eval_seeds, holdout, split_seed")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record, episodes, settings = Record(__file__), Episodes.open(a.episodes), a.settings
    pairs = manifest.read(a.manifest, episodes)
    training, _ = episodes.split(settings["holdout"], settings["split_seed"], pairs["protocol"])
    write_json(a.out, floors.measure(episodes, pairs, training, settings["eval_seeds"]))
    record.write(a.provenance, inputs=[a.episodes, a.manifest], settings=settings)


if __name__ == "__main__":
    run(main)
