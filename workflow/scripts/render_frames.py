"""Render the frames of one environment's episodes that training uses, in worker processes."""

import argparse
from pathlib import Path

from jepa.data import frames
from jepa.data.episodes import Episodes
from jepa.errors import run
from jepa.provenance import Record
from jepa.settings import from_json


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", required=True, type=Path)
    parser.add_argument("--size", required=True, type=int, help="pixels of a side")
    parser.add_argument("--settings", required=True, type=from_json, help="JSON: stride, every how many rows; quality")
    parser.add_argument("--workers", type=int, default=1, help="processes, each with a renderer of its own")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record = Record(__file__)
    stride, quality = a.settings["stride"], a.settings["quality"]
    facts = frames.render(Episodes.open(a.episodes), a.out, a.size, stride, quality=quality, workers=a.workers)
    record.write(a.provenance, inputs=[a.episodes], settings=a.settings, **facts)


if __name__ == "__main__":
    run(main)
