"""Train one MoP-JEPA arm on one maze with one seed. A killed run resumes from its checkpoint."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.provenance import Record
from jepa.settings import from_json
from jepa.training.mop import train


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crossings", required=True, type=Path)
    parser.add_argument("--maze", required=True)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: model, predictor, training")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--model", required=True, type=Path, help="model.safetensors; the rest is put beside it")
    arguments = parser.parse_args()
    record, folder = Record(__file__), arguments.model.parent
    facts = train(arguments.crossings, arguments.maze, arguments.settings, arguments.seed, folder)
    record.write(
        folder / "provenance.json",
        inputs=[arguments.crossings],
        settings=arguments.settings,
        seed=arguments.seed,
        **facts,
    )


if __name__ == "__main__":
    run(main)
