"""Pretrained weights from where they can be had: a mirror folder or the official server. Nothing can stand in for them.

What the file holds is up to the model that reads it (see jepa.models.dinov2); here it is bytes with a checksum.
"""

from pathlib import Path

from jepa.data import registry
from jepa.data.download import NetworkError, download
from jepa.data.mirror import VARIABLE, copy, find, mirror_folder
from jepa.errors import JepaError
from jepa.files import atomic_path

DATASET = "dinov2_vits14"
SOURCES = ("auto", "mirror", "download")


def obtain(source, mirror, out, progress=True):
    """Write the weights of DINOv2 ViT-S/14, verified, to `out`, complete or not at all.

    source: `mirror` or `download`, or `auto`, which tries both in this order. mirror: a folder that holds the official
    file at any depth (None = the environment variable JEPA_DATA_MIRROR).
    Returns {dataset, source, path | url, sha256, trust, licence}. Raises ChecksumError for a wrong file, NetworkError
    when the server is not reached, and JepaError for another source or a mirror without the file.
    """
    if source not in SOURCES:
        raise JepaError(
            f"data.source is {source!r}, but {DATASET} comes from {', '.join(SOURCES)} alone and cannot be generated; "
            f"set data.sources.{DATASET} to one of them."
        )
    entry, out = registry.entry(DATASET), Path(out)
    (file,) = entry.files
    facts = {"dataset": DATASET, "sha256": file.sha256, "trust": file.trust, "licence": entry.licence}
    folder = mirror_folder(mirror) if source != "download" else None
    found = find(folder, [file.name])[file.name] if folder else []
    if found:
        with atomic_path(out) as temporary:
            path = copy(file, found, temporary)
        return facts | {"source": "mirror", "path": str(path)}
    if source == "mirror":
        where = f"the mirror {folder} lacks it" if folder else f"no mirror is set (data.mirror or {VARIABLE})"
        raise JepaError(f"data.source is mirror, but {where}: put {file.name} there, or set data.source to auto.")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        result = download(file.urls, out, sha256=file.sha256, bytes=file.bytes, progress=progress)
    except NetworkError as error:
        raise NetworkError(
            f"{error} Check the network (or HTTPS_PROXY), or put {file.name} into a mirror folder (data.mirror or "
            f"{VARIABLE}); recipes with encoder.kind dinov2 cannot be trained without it."
        ) from None
    return facts | {"source": "download", "url": result["url"]}
