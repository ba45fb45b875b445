"""Train one Qantara recipe on one environment with one seed. A killed run resumes from its checkpoint."""

import argparse
from pathlib import Path

from jepa.errors import run
from jepa.provenance import Record
from jepa.settings import from_json
from jepa.training.qantara import train


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", required=True, type=Path)
    parser.add_argument("--frames", type=Path, help="their frames, where they are not drawn on the fly")
    parser.add_argument("--env", required=True)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: a resolved recipe")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--model", required=True, type=Path, help="model.safetensors; the rest is put beside it")
    arguments = parser.parse_args()
    record, folder = Record(__file__), arguments.model.parent
    facts = train(
        arguments.episodes, arguments.env, arguments.settings, arguments.seed, folder, frames=arguments.frames
    )
    record.write(
        folder / "provenance.json",
        inputs=[arguments.episodes],
        settings=arguments.settings,
        seed=arguments.seed,
        **facts,
    )


if __name__ == "__main__":
    run(main)
