"""Fetch the pretrained weights of DINOv2 ViT-S/14, verified."""

import argparse
from pathlib import Path

from jepa.data.weights_files import obtain
from jepa.errors import run
from jepa.provenance import Record


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="auto, mirror or download")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record = Record(__file__)
    record.write(a.provenance, inputs=[], **obtain(a.source, None, a.out))


if __name__ == "__main__":
    run(main)
