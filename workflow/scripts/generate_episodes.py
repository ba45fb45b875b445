"""Make the demonstrations of one environment: states and actions; frames are rendered afterwards.

An official file that the configuration names is converted; otherwise the environment's generator runs.
"""

import argparse
from pathlib import Path

from jepa.data import generate_cube, generate_push_t, generate_reacher, generate_two_room, push_t_files
from jepa.errors import JepaError, run
from jepa.files import file_hash
from jepa.provenance import Record
from jepa.settings import from_json

# Imported by name, so that a generator counts in the hash of this script's code.
GENERATORS = {
    "push_t": generate_push_t,
    "two_room": generate_two_room,
    "cube": generate_cube,
    "reacher": generate_reacher,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True, choices=GENERATORS)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: episodes, seed, generator's options")
    parser.add_argument("--file", type=Path, help="an official dataset to convert instead of generating one")
    parser.add_argument("--expert", type=Path, help="model.safetensors of a trained demonstrator")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record, settings = Record(__file__), a.settings
    if a.file:
        facts = convert(a.env, a.file, a.out)
    else:
        options = settings["generator"] | ({"policy": a.expert.parent} if a.expert else {})
        facts = GENERATORS[a.env].generate(a.out, settings["seed"], settings["episodes"], **options)
    written = {
        "dataset": a.env,
        "source": facts.pop("source", "generate"),
        "tag": facts.pop("tag", "kind"),
        "sha256": {a.out.name: file_hash(a.out)},
        "facts": facts,
    }
    record.write(
        a.provenance, inputs=[p for p in (a.file, a.expert) if p], settings=settings, seed=settings["seed"], **written
    )


def convert(env, path, out):
    """Read an official file. Only Push-T's are known."""
    if env != "push_t":
        raise JepaError(
            f"config key `data.files` names a file for {env}, but only push_t has a reader of official files."
        )
    return push_t_files.convert(path, out)


if __name__ == "__main__":
    run(main)
