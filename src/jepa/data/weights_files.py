"""Pretrained weights from where they can be had: a mirror folder or the official server. Nothing can stand in for them.

What the file holds is up to the model that reads it (see jepa.models.dinov2); here it is bytes with a checksum.
"""

import os
from contextlib import suppress
from pathlib import Path

from jepa.data import official
from jepa.data.download import NetworkError
from jepa.errors import JepaError

DATASET = "dinov2_vits14"


def obtain(source, mirror, out, progress=True):
    """Write the weights of DINOv2 ViT-S/14, verified, to `out`, complete or not at all.

    source, mirror: as of jepa.data.official.obtain.
    Returns {dataset, source, path | url, sha256, trust, licence}. Raises ChecksumError for a wrong file, NetworkError
    when the server is not reached, and JepaError for another source or a mirror without the file.
    """
    if source not in official.SOURCES:
        raise JepaError(
            f"data.source is {source!r}, but {DATASET} comes from {', '.join(official.SOURCES)} alone and cannot be "
            f"generated; set data.sources.{DATASET} to one of them."
        )
    out = Path(out)
    folder = out.parent / "downloads"
    try:
        facts = official.obtain(DATASET, folder, source=source, mirror=mirror, progress=progress)
    except NetworkError as error:
        raise NetworkError(f"{error} Recipes with encoder.kind dinov2 cannot be trained without it.") from None
    ((name, path),) = facts["paths"].items()
    os.replace(path, out)
    with suppress(OSError):  # parts of other downloads may remain
        folder.rmdir()
    return {
        "dataset": DATASET,
        "source": facts["source"],
        "path" if facts["source"] == "mirror" else "url": facts["origin"][name],
        "sha256": facts["sha256"][name],
        "trust": facts["trust"][name],
        "licence": facts["licence"],
    }
