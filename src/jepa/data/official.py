"""Official files by the name of their dataset: from a mirror folder or the official server, verified, into one folder.

What the files hold is up to the loader that reads them; here they are bytes with a checksum.
"""

import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

from jepa.data import registry
from jepa.data.download import NetworkError, digest, download
from jepa.data.mirror import VARIABLE, copy, find, mirror_folder
from jepa.errors import JepaError
from jepa.files import atomic_path

SOURCES = ("auto", "mirror", "download")


@contextmanager
def downloads(out):
    """A hidden folder beside `out` for official files on their way to it.

    It goes when the block succeeds, and stays when a download breaks off, so that the next run goes on.
    """
    folder = Path(out).parent / f".{Path(out).stem}.downloads"
    yield folder
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def obtain(dataset, folder, *, source="auto", mirror=None, files=None, progress=True):
    """Write official files of `dataset` into `folder` under their own names, each verified, all from one source.

    dataset: a name of jepa/data/registry.yaml. folder: is made where it is absent; its pins.json remembers files of
    which no checksum is published (trust on first use), so keep one folder for one dataset. source: `mirror`,
    `download`, or `auto`, which takes the mirror if it has all files. mirror: a folder that holds them at any depth
    (None = the environment variable JEPA_DATA_MIRROR). files: official names, None for all of the dataset.

    Returns {dataset, source: mirror | download, paths: {name: Path}, origin: {name: path | url}, sha256: {name: hex},
    trust: {name: word of registry.TRUST, or unverified}, licence, message}. Raises ChecksumError for a wrong file;
    NetworkError when no source that is allowed has the files or can be reached, which is when something may stand in;
    and JepaError for an unknown name or source, or where `mirror` is asked for and lacks a file.
    """
    if source not in SOURCES:
        raise JepaError(f"the source of {dataset} is {source!r}, but must be one of {', '.join(SOURCES)}.")
    entry, folder = registry.entry(dataset), Path(folder)
    wanted = _chosen(entry, files)
    mirror = mirror_folder(mirror) if source != "download" else None
    found = find(mirror, [file.name for file in wanted]) if mirror else {}
    lacking = [file.name for file in wanted if not found.get(file.name)]
    if source == "mirror" and lacking:
        where = f"the mirror {mirror} lacks" if mirror else f"no mirror is set (data.mirror or {VARIABLE}) to hold"
        raise JepaError(f"the source of {dataset} is mirror, but {where} {', '.join(lacking)}; add it or use auto.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JepaError(f"The data folder {folder} cannot be written ({error}); choose another.") from None
    paths = {file.name: folder / file.name for file in wanted}
    if lacking:
        origin = {file.name: _fetched(file, folder, progress) for file in wanted}
    else:
        origin = {file.name: _copied(file, found[file.name], paths[file.name]) for file in wanted}
    return {
        "dataset": dataset,
        "source": "download" if lacking else "mirror",
        "paths": paths,
        "origin": origin,
        "sha256": {name: digest(path) for name, path in paths.items()},
        "licence": entry.licence,
        **_trust(wanted, "tofu" if lacking else "unverified"),
    }


def _chosen(entry, names):
    if names is None:
        return entry.files
    known = {file.name: file for file in entry.files}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise JepaError(f"{entry.name} has no file {unknown[0]!r}; the registry has {', '.join(known)}.")
    return tuple(known[name] for name in names)


def _copied(file, candidates, path):
    """Copy one file to `path`, complete or not at all; the path in the mirror that gave it."""
    with atomic_path(path) as temporary:
        return str(copy(file, candidates, temporary))


def _fetched(file, folder, progress):
    """Download one file into `folder`; the url that gave it."""
    advice = f"put {file.name} into a mirror folder (data.mirror or {VARIABLE})"
    if not file.urls:
        raise NetworkError(f"{file.name} is on no server that we know; {advice}.")
    known = {"sha256": file.sha256, "md5": file.md5, "bytes": file.bytes}
    try:
        pins = folder / "pins.json"
        return download(file.urls, folder / file.name, **known, pins=pins, progress=progress)["url"]
    except NetworkError as error:
        raise NetworkError(f"{error} Check the network (or HTTPS_PROXY), or {advice}.") from None


def _trust(files, otherwise):
    """What stands behind each file's bytes; `otherwise` where no checksum is known."""
    trust = {file.name: otherwise if file.trust == "tofu" else file.trust for file in files}
    weak = [name for name, word in trust.items() if word == otherwise]
    message = f"No checksum is known for {', '.join(weak)}: {otherwise}." if weak else "All checksums hold."
    return {"trust": trust, "message": message}
