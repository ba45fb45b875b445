"""A point-maze dataset from where it can be had: a mirror folder, the official download, or the generator.

Whatever the source, the content is validated, and the training and the validation file appear together or not
at all.
"""

import os
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from jepa.data import registry
from jepa.data.download import NetworkError, digest, download, locked, origin
from jepa.data.mirror import VARIABLE, copy, find, mirror_folder
from jepa.data.transfer import answer
from jepa.envs.point_maze import MAZES
from jepa.errors import JepaError
from jepa.files import atomic_path

SOURCES = ("auto", "mirror", "download", "generate")
# Official arrays: type and width of a row (0 = one value a row).
ARRAYS = {
    "observations": (np.float32, 2),
    "actions": (np.float32, 2),
    "terminals": (np.bool_, 0),
    "qpos": (np.float32, 2),
    "qvel": (np.float32, 2),
}


def fetch(dataset, train_path, val_path, *, source="auto", mirror=None, seed, train_episodes=None, progress=True):
    """Write the training and the validation file of `dataset`, both or none, and return their provenance.

    source: `mirror`, `download` or `generate`, or `auto`, which tries them in this order. mirror: a folder
    that holds the official files, at any depth (None = the environment variable JEPA_DATA_MIRROR).
    train_episodes: None for the official size; another size exists only as generated data, whatever the
    source. seed: of the generator.

    Returns {dataset, source, url | path | generator, seed (None unless generated), sha256: {written file's
    name: hex}, trust (unless generated), tag: official | same | kind, message}. A file from a mirror or a
    server that does not have the official size is tagged `kind`.
    Raises ChecksumError for a wrong file, NetworkError if `download` reaches no source, and JepaError for
    everything else that a user can mend.
    """
    if source not in SOURCES:
        raise JepaError(f"data.source is {source!r}, but must be one of {', '.join(SOURCES)}.")
    spec, entry = maze_of(dataset), registry.entry(dataset)
    train_path, val_path = Path(train_path), Path(val_path)
    with _staging(train_path.parent / f".{train_path.stem}.staging") as folder:
        staged = {train_path: folder / "train.npz", val_path: folder / "val.npz"}
        if train_episodes not in (None, spec.train_episodes):
            reason = f"{train_episodes} training episodes are wanted, not the official {spec.train_episodes}"
            facts = _generated(dataset, *staged.values(), seed, train_episodes, progress, reason)
        else:
            facts = _obtain(entry, *staged.values(), source, mirror, seed, progress)
        sizes = [validate_maze_dataset(path) for path in staged.values()]
        full = sizes[0] == (spec.train_episodes * spec.episode_steps, spec.train_episodes)
        best = "same" if facts["source"] == "generate" else "official"
        facts["tag"] = best if full else "kind"
        if best == "official" and not full:
            facts["message"] += " It does not have the official size: it is other data."
        facts["sha256"] = {final.name: digest(path) for final, path in staged.items()}
        # The inner file is renamed first: where the training file exists, so does the other.
        with atomic_path(train_path) as train, atomic_path(val_path) as val:
            os.replace(staged[train_path], train)
            os.replace(staged[val_path], val)
    return {"dataset": dataset, "seed": seed if facts["source"] == "generate" else None} | facts


def maze_of(dataset):
    """The MazeSpec of a dataset. Raises JepaError, naming those that there are, for one that is of no point maze."""
    specs = {spec.dataset: spec for spec in MAZES.values()}
    if dataset not in specs:
        raise JepaError(f"{dataset!r} is no dataset of a point maze; choose one of {', '.join(specs)}.")
    return specs[dataset]


def validate_maze_dataset(path):
    """Check a point-maze dataset file: the official arrays, of equal length, finite, at least one episode.

    Nothing in it is unpickled. Returns (rows, episodes). Raises JepaError saying what is wrong.
    """
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise JepaError(f"{path} is no npz file.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: np.asarray(file[key]) for key in ARRAYS if key in file}
    except Exception as error:  # numpy, zipfile and zlib raise a dozen kinds for damaged files
        raise JepaError(f"{path} is damaged ({error}).") from None
    for key, (dtype, width) in ARRAYS.items():
        if key not in arrays:
            raise JepaError(f"{path} has no array {key!r}; a point-maze dataset has {', '.join(ARRAYS)}.")
        array = arrays[key]
        shape = arrays["observations"].shape[:1] + ((width,) if width else ())
        if array.shape != shape or array.dtype != dtype:
            expected = f"{np.dtype(dtype)} of shape {shape}"
            raise JepaError(f"{path}: {key} is {array.dtype} of shape {array.shape}, but should be {expected}.")
        if not np.isfinite(array).all():
            raise JepaError(f"{path}: {key} holds values that are not finite.")
    episodes = int(arrays["terminals"].sum())
    if episodes == 0:
        raise JepaError(f"{path}: no row of terminals ends an episode.")
    return len(arrays["terminals"]), episodes


def sources(dataset, mirror=None, seconds=3.0):
    """Which sources of `dataset` answer: (name, answer in words) of each, in `seconds`. Never raises."""
    try:
        entry = registry.entry(dataset)
    except JepaError as error:
        return [("registry", str(error))]
    urls = entry.files[0].urls
    with ThreadPoolExecutor(max(1, len(urls))) as pool:  # a file that only mirrors have has no urls
        answers = list(pool.map(answer, urls, [seconds] * len(urls)))
    return [
        ("mirror", _mirror_answer(entry, mirror)),
        *zip(map(origin, urls), answers, strict=True),
        ("generate", "always possible, needs no network"),
    ]


def _obtain(entry, train, val, source, mirror, seed, progress):
    """Write the staged files from the first source that is allowed and has them. Returns facts about them."""
    reasons = []
    if source in ("auto", "mirror"):
        mirror = mirror_folder(mirror)
        found = find(mirror, [file.name for file in entry.files]) if mirror else {}
        if found and all(found.values()):
            return _from_mirror(entry, found, train, val)
        if mirror:
            lacking = ", ".join(name for name, paths in found.items() if not paths)
            reasons.append(f"the mirror {mirror} lacks {lacking}")
        else:
            reasons.append(f"no mirror is set (data.mirror or {VARIABLE})")
        if source == "mirror":
            raise JepaError(f"data.source is mirror, but {reasons[0]}; add it, or set data.source to auto.")
    if source in ("auto", "download"):
        try:
            return _from_network(entry, train, val, progress)
        except NetworkError as error:
            if source == "download":
                raise NetworkError(
                    f"{error} Check the network (or HTTPS_PROXY), put the files into a mirror folder "
                    f"(data.mirror or {VARIABLE}), or set data.source to generate."
                ) from None
            reasons.append(str(error).rstrip("."))
    return _generated(entry.name, train, val, seed, None, progress, "; ".join(reasons) or "data.source is generate")


def _from_mirror(entry, found, train, val):
    paths = {}
    for file, target in _by_role(entry, train, val).items():
        path = copy(file, found[file.name], target)
        validate_maze_dataset(path)  # here, where a complaint can name the user's file
        paths[file.name] = str(path)
    return {"source": "mirror", "path": paths, **_trust(entry, "unverified")}


def _from_network(entry, train, val, progress):
    folder = train.parent.parent / "downloads"
    urls = {}
    # The small validation file first: if no source works, little was transferred.
    for file, target in reversed(_by_role(entry, train, val).items()):
        path = folder / file.name
        known = {"sha256": file.sha256, "md5": file.md5, "bytes": file.bytes}
        pins = folder.parent / "pins.json"
        result = download(file.urls, path, **known, pins=pins, check=validate_maze_dataset, progress=progress)
        os.replace(path, target)
        urls[file.name] = result["url"]
    with suppress(OSError):  # parts of other downloads may remain
        folder.rmdir()
    return {"source": "download", "url": urls, **_trust(entry, "tofu")}


def _generated(dataset, train, val, seed, train_episodes, progress, reason):
    from jepa.data.generate_mazes import generate  # loads the simulator

    message = f"{dataset} is generated with seed {seed}, because {reason}."
    print(message, file=sys.stderr, flush=True)
    facts = generate(dataset, train, val, seed, train_episodes=train_episodes, progress=progress)
    return {"source": "generate", "generator": facts, "message": message}


def _by_role(entry, train, val):
    """{official training file: train, official validation file: val}"""
    files = sorted(entry.files, key=lambda file: file.name.endswith("-val.npz"))
    return dict(zip(files, (train, val), strict=True))


def _trust(entry, otherwise):
    """What stands behind each official file's bytes; `otherwise` where no checksum is known."""
    trust = {file.name: otherwise if file.trust == "tofu" else file.trust for file in entry.files}
    weak = [name for name, value in trust.items() if value == otherwise]
    message = f"No checksum is known for {', '.join(weak)}: {otherwise}." if weak else "All checksums hold."
    return {"trust": trust, "message": message}


def _mirror_answer(entry, mirror):
    try:
        folder = mirror_folder(mirror)
        if folder is None:
            return f"not set (data.mirror or {VARIABLE})"
        found = find(folder, [file.name for file in entry.files])
    except (JepaError, OSError) as error:
        return str(error)
    return f"{folder} has {sum(map(bool, found.values()))} of {len(found)} files"


@contextmanager
def _staging(folder):
    """A `folder` for files on their way, for one process at a time. It goes, with what a killed run left there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JepaError(f"The data folder {folder.parent} cannot be written ({error}); choose another.") from None
    try:
        with locked(folder, wait=False):
            folder.mkdir(exist_ok=True)  # the process that held the lock before has removed it
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        raise JepaError(f"Another process is writing this dataset to {folder.parent}; wait for it or end it.") from None
