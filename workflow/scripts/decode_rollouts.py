"""Decode open-loop rollouts of one checkpoint under three action sources, for Figure 2."""

import argparse
from pathlib import Path

import numpy as np

from jepa.data.episodes import Episodes
from jepa.errors import run
from jepa.evaluation.decoded import BLOCKS, ROWS, decoded_rollouts
from jepa.files import atomic_path
from jepa.provenance import Record
from jepa.settings import from_json
from jepa.training.qantara import load


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--episodes", required=True, type=Path)
    parser.add_argument("--frames", type=Path, help="their frames, where they are not drawn on the fly")
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: steps of the decoder")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record, episodes = Record(__file__), Episodes.open(a.episodes, a.frames)
    model, _ = load(a.model.parent)
    result = decoded_rollouts(model, episodes, steps=a.settings["steps"])
    with atomic_path(a.out) as temporary:
        np.savez_compressed(
            temporary,
            env=np.array(episodes.env),
            protocol=np.array(model.settings["data"].get("protocol", "repaired")),
            rows=np.array(ROWS),
            columns=np.arange(BLOCKS + 1),
            frames=result["frames"][0],
        )
    record.write(a.provenance, inputs=[a.model, a.episodes], settings=a.settings, decoder_loss=result["loss"])


if __name__ == "__main__":
    run(main)
