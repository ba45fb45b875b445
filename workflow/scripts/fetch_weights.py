"""Fetch the pretrained weights of DINOv2 ViT-S/14, verified."""

import argparse
from pathlib import Path

from jepa.data.download import NetworkError
from jepa.data.weights_files import obtain
from jepa.errors import run
from jepa.provenance import Record

WITHOUT = (
    "To go on without them, set `qantara.grids.dino-wm.envs` of your scale to [] in config.yaml (at paper scale "
    "`scales.paper.qantara.grids.dino-wm.envs`): the table then says `not run` in DINO-WM's row."
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="auto, mirror or download")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    a = parser.parse_args()
    record = Record(__file__)
    try:
        facts = obtain(a.source, None, a.out)
    except NetworkError as error:
        raise NetworkError(f"{error} {WITHOUT}") from None
    record.write(a.provenance, inputs=[], **facts)


if __name__ == "__main__":
    run(main)
