"""Generate the demonstrations of one environment: states and actions; frames are rendered when they are used."""

import argparse
import json
from pathlib import Path

from jepa.data import generate_two_room
from jepa.errors import JepaError, run
from jepa.files import file_hash
from jepa.provenance import Record

GENERATORS = {"two_room": generate_two_room.generate}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--settings", required=True, type=json.loads, help="JSON: episodes, seed")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    arguments = parser.parse_args()
    if arguments.env not in GENERATORS:
        raise JepaError(f"environment {arguments.env!r} has no generator; there are {', '.join(GENERATORS)}.")
    record, settings = Record(__file__), arguments.settings
    facts = GENERATORS[arguments.env](arguments.out, settings["seed"], settings["episodes"])
    written = {
        "dataset": arguments.env,
        "source": "generate",
        "tag": "kind",
        "sha256": {arguments.out.name: file_hash(arguments.out)},
        "facts": facts,
    }
    record.write(arguments.provenance, inputs=[], settings=settings, seed=settings["seed"], **written)


if __name__ == "__main__":
    run(main)
