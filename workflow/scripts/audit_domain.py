"""Train and audit every arm on one domain: raw, gated and off context, beside rows that no model makes."""

import argparse
import shutil
from pathlib import Path

from jepa.domains import registry
from jepa.domains.base import load_arrays
from jepa.errors import run
from jepa.files import write_json
from jepa.provenance import Record, code_hash
from jepa.settings import Settings, from_json


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="npz of prepare_domain")
    parser.add_argument("--domain", required=True)
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: kind, space, arms, encoder, d, ...")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record, settings = Record(__file__), Settings(a.settings | {"domain": a.domain})
    # A killed audit goes on from this folder, unless the code has changed since.
    work = a.out.parent / f".{a.out.stem}-{code_hash(__file__)}"
    domain = registry.module(settings["kind"])
    result = domain.audit(load_arrays(a.data, domain.ARRAYS), settings, a.seed, work, progress=True)
    write_json(a.out, {"domain": a.domain, "kind": settings["kind"], "seed": a.seed, **result})
    record.write(a.provenance, inputs=[a.data], settings=settings, seed=a.seed)
    for folder in a.out.parent.glob(f".{a.out.stem}-*/"):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run(main)
