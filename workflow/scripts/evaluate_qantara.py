"""Evaluate one dispatch of one checkpoint on the frozen pairs. What the clock says is kept apart: it differs by run."""

import argparse
from pathlib import Path

from jepa.data import manifest
from jepa.data.episodes import Episodes
from jepa.errors import run
from jepa.evaluation.rollouts import TIMED, evaluate
from jepa.files import write_json
from jepa.provenance import Record
from jepa.settings import from_json
from jepa.training.qantara import load


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--episodes", required=True, type=Path)
    parser.add_argument("--manifest", required=True, type=Path)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--dispatch", required=True)
    parser.add_argument("--k", required=True, type=int, help="denoising steps")
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: eval_seeds and the planner's sizes")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--timing", required=True, type=Path, help="JSON for the latencies")
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record, episodes = Record(__file__), Episodes.open(a.episodes)
    model, _ = load(a.model.parent)
    pairs = manifest.read(a.manifest, episodes)
    result = {"recipe": a.recipe, **evaluate(model, episodes, pairs, a.dispatch, a.k, a.settings, a.seed)}
    timing = {name: result.pop(name) for name in TIMED}
    write_json(a.timing, {name: result[name] for name in ("recipe", "env", "seed", "dispatch", "k")} | timing)
    write_json(a.out, result)
    record.write(a.provenance, inputs=[a.model, a.episodes, a.manifest], settings=a.settings, seed=a.seed)


if __name__ == "__main__":
    run(main)
