"""Freeze the (start, goal) pairs on which every method is evaluated."""

import argparse
from pathlib import Path

from jepa.data import manifest
from jepa.data.episodes import Episodes
from jepa.errors import run
from jepa.settings import from_json


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", required=True, type=Path)
    parser.add_argument(
        "--settings", required=True, type=from_json, help="JSON: pairs, offset, budget, holdout, split_seed, protocol"
    )
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    settings, episodes = arguments.settings, Episodes.open(arguments.episodes)
    protocol = settings["protocol"]
    _, chosen = episodes.split(settings["holdout"], settings["split_seed"], protocol)
    offset, budget = settings["offset"], settings["budget"]
    pairs = manifest.make(episodes, chosen, settings["pairs"], offset, budget=budget, protocol=protocol)
    manifest.write(arguments.out, pairs)


if __name__ == "__main__":
    run(main)
