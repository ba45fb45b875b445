"""Prepare the data of one domain: official files, or what stands in for them, as one npz of plain arrays."""

import argparse
from pathlib import Path

from jepa.domains import registry
from jepa.errors import run
from jepa.files import file_hash
from jepa.provenance import Record
from jepa.settings import from_json


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="name of the dataset; several domains may share it")
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: kind, source, seed, mirror, ...")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record, settings = Record(__file__), a.settings
    facts = registry.module(settings["kind"]).prepare(
        a.out,
        source=settings["source"],
        mirror=settings.get("mirror"),
        seed=settings["seed"],
        settings=settings,
        progress=True,
    )
    written = {key: facts.pop(key) for key in ("dataset", "source", "tag", "message")}
    written |= {"data": a.data, "sha256": {a.out.name: file_hash(a.out)}, "facts": facts}
    record.write(a.provenance, inputs=[], settings=settings, seed=settings["seed"], **written)


if __name__ == "__main__":
    run(main)
