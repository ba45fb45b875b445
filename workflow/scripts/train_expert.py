"""Train the expert whose demonstrations an environment is learned from."""

import argparse
from pathlib import Path

from jepa.errors import JepaError, run
from jepa.provenance import Record
from jepa.settings import from_json
from jepa.training import reacher_expert

EXPERTS = {"reacher": reacher_expert.train}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: steps")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--out", required=True, type=Path, help="model.safetensors; the rest is put beside it")
    arguments = parser.parse_args()
    if arguments.env not in EXPERTS:
        raise JepaError(f"environment {arguments.env!r} has no expert to train; there is one for {', '.join(EXPERTS)}.")
    record, folder = Record(__file__), arguments.out.parent
    facts = EXPERTS[arguments.env](folder, arguments.seed, arguments.settings["steps"])
    record.write(
        folder / "provenance.json",
        inputs=[],
        settings=arguments.settings,
        seed=arguments.seed,
        **{name: fact for name, fact in facts.items() if name != "seed"},
    )


if __name__ == "__main__":
    run(main)
