"""Make the demonstrations of one environment: states and actions; frames are rendered afterwards.

An official file that the configuration names is converted; otherwise the environment's generator runs.
"""

import argparse
import json
from pathlib import Path

from jepa.errors import JepaError, run
from jepa.files import file_hash
from jepa.provenance import Record


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--settings", required=True, type=json.loads, help="JSON: episodes, seed, generator's options")
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
        facts = generator_of(a.env)(a.out, settings["seed"], settings["episodes"], **options)
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


def generator_of(env):
    """The generator of an environment; only its simulator's library is imported."""
    if env == "two_room":
        from jepa.data.generate_two_room import generate
    elif env == "push_t":
        from jepa.data.generate_push_t import generate
    elif env == "cube":
        from jepa.data.generate_cube import generate
    elif env == "reacher":
        from jepa.data.generate_reacher import generate
    else:
        raise JepaError(f"environment {env!r} has no generator; there are push_t, two_room, cube and reacher.")
    return generate


def convert(env, path, out):
    """Read an official file. Only Push-T's are known."""
    if env != "push_t":
        raise JepaError(
            f"config key `data.files` names a file for {env}, but only push_t has a reader of official files."
        )
    from jepa.data.push_t_files import convert

    return convert(path, out)


if __name__ == "__main__":
    run(main)
