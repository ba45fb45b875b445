"""Measure the dense diagnostics of one checkpoint on held-out windows: they separate what success cannot."""

import argparse
from pathlib import Path

from jepa.data.episodes import Episodes
from jepa.errors import JepaError, run
from jepa.evaluation import dense
from jepa.files import read_csv, write_json
from jepa.provenance import Record
from jepa.training.qantara import load


def final_losses(path):
    """What a history ends with: {final_bridge_loss, final_flow_loss}, None for a loss that the recipe does not have."""
    last = read_csv(path)[-1]
    try:
        return {f"final_{name}_loss": float(last[name]) if last.get(name) else None for name in ("bridge", "flow")}
    except ValueError as error:
        raise JepaError(f"{path} is no history of a training ({error}); train the cell again.") from None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--history", required=True, type=Path)
    parser.add_argument("--episodes", required=True, type=Path)
    parser.add_argument("--frames", type=Path, help="their frames, where they are not drawn on the fly")
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record, episodes = Record(__file__), Episodes.open(a.episodes, a.frames)
    model, config = load(a.model.parent)
    split = config["settings"]["data"]
    _, held_out = episodes.split(split["holdout"], split["split_seed"], split.get("protocol", "repaired"))
    final = final_losses(a.history)
    name = {"recipe": a.recipe, "env": episodes.env, "seed": a.seed}
    write_json(a.out, name | dense.measure(model, episodes, held_out, seed=a.seed) | final)
    record.write(a.provenance, inputs=[a.model, a.history, a.episodes], seed=a.seed)


if __name__ == "__main__":
    run(main)
