"""Files of Push-T that others recorded: the human demonstrations, and the full datasets made from them.

Human demonstrations (Chi et al. 2023), to be replayed: pusht.zip, a zarr store, or an npz of its states and actions.
Full datasets, to be converted into our file of episodes: DINO-WM's zip (OSF) and LeWM's HDF5 (Hugging Face Hub).
Their states lack the block's velocity, which is 0 in what `convert` writes.
"""

import io
import json
import pickle
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from jepa.data import registry
from jepa.data.arrays import read_hdf5
from jepa.data.download import NetworkError, digest, download
from jepa.data.episodes import write
from jepa.data.mirror import VARIABLE, copy, find, mirror_folder
from jepa.envs.push_t import ACTION_SCALE, Simulator
from jepa.errors import JepaError

DATASET = "pusht_human"
SOURCES = ("auto", "mirror", "download", "generate")
CODECS = ("blosc", "gzip", "lz4", "zlib", "zstd")
OFFICIAL_EPISODES = 18_685  # of DINO-WM's training split, from which LeWM's file is made
COLUMNS = 7  # of a released state: agent, block, angle, agent's velocity


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """E human demonstrations of N rows in all, end to end.

    poses: (N, 5) float32, agent's x and y, block's x and y, block's angle. targets: (N, 2) float32, the agent's
    absolute target in px at each row. ends: (E,) int64, one past each demonstration's last row.
    """

    poses: np.ndarray
    targets: np.ndarray
    ends: np.ndarray

    def __len__(self):
        return len(self.ends)

    def __getitem__(self, index):
        """Poses and targets of one demonstration: (n, 5) and (n, 2)."""
        rows = slice(0 if index == 0 else self.ends[index - 1], self.ends[index])
        return self.poses[rows], self.targets[rows]


def demonstrations(path):
    """Read the human demonstrations from pusht.zip or from the npz. Raises JepaError for anything else."""
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise JepaError(f"{path} is neither pusht.zip nor an npz file of its demonstrations.")
    try:
        with zipfile.ZipFile(path) as file:
            names = {name.rpartition(".zarr/")[2]: name for name in file.namelist() if ".zarr/" in name}
            if names:
                arrays = [_zarr_array(file, names, key) for key in ("data/state", "data/action", "meta/episode_ends")]
            else:
                with np.load(path, allow_pickle=False) as npz:
                    arrays = [npz[key] for key in ("state", "action", "episode_ends")]
    except JepaError:
        raise
    except Exception as error:  # numpy, zipfile, zlib and codecs raise a dozen kinds for damaged files
        raise JepaError(f"{path} does not hold Push-T demonstrations ({error!r}); fetch it again.") from None
    poses, targets, ends = arrays[0].astype(np.float32), arrays[1].astype(np.float32), arrays[2].astype(np.int64)
    right = poses.shape == (len(poses), 5) and targets.shape == (len(poses), 2) and ends.ndim == 1
    if not right or not len(ends) or ends[-1] != len(poses) or (np.diff(ends, prepend=0) < 1).any():
        raise JepaError(f"{path}: its demonstrations do not lie end to end over states and actions; fetch it again.")
    if not (np.isfinite(poses).all() and np.isfinite(targets).all()):
        raise JepaError(f"{path} holds values that are not finite; fetch it again.")
    return Demonstrations(poses, targets, ends)


def obtain(source, mirror, folder, progress=True):
    """The human demonstrations' file from where it can be had: a mirror folder or the official server.

    source: `mirror` or `download`; `auto` tries both in this order; `generate` wants none. mirror: a folder (None = the
    environment variable JEPA_DATA_MIRROR). folder: where the verified file is put.
    Returns (path, facts), facts = {source, path | url, sha256, trust}; or (None, {source: "generate", message}) where
    `auto` finds nothing. Raises ChecksumError for a wrong file, NetworkError if `download` reaches nothing, and
    JepaError if `mirror` lacks the file.
    """
    if source not in SOURCES:
        raise JepaError(f"data.source is {source!r}, but must be one of {', '.join(SOURCES)}.")
    files = registry.entry(DATASET).files
    names = " or ".join(file.name for file in files)
    reasons = []
    Path(folder).mkdir(parents=True, exist_ok=True)
    if source in ("auto", "mirror"):
        mirror = mirror_folder(mirror)
        found = find(mirror, [file.name for file in files]) if mirror else {}
        # The npz is preferred: reading it needs no codec.
        for file in sorted(files, key=lambda file: not file.name.endswith(".npz")):
            if found.get(file.name):
                path = Path(folder, file.name)
                taken = copy(file, found[file.name], path)
                return path, {"source": "mirror", "path": str(taken), "sha256": digest(path), "trust": file.trust}
        reasons.append(
            f"the mirror {mirror} lacks {names}" if mirror else f"no mirror is set (data.mirror or {VARIABLE})"
        )
        if source == "mirror":
            raise JepaError(f"data.source is mirror, but {reasons[0]}; add it, or set data.source to auto.")
    if source in ("auto", "download"):
        file = next(file for file in files if file.urls)
        path = Path(folder, file.name)
        known = {"sha256": file.sha256, "md5": file.md5, "bytes": file.bytes}
        try:
            result = download(file.urls, path, **known, progress=progress)
        except NetworkError as error:
            if source == "download":
                raise NetworkError(
                    f"{error} Check the network (or HTTPS_PROXY), put {names} into a mirror folder "
                    f"(data.mirror or {VARIABLE}), or set data.source to generate."
                ) from None
            reasons.append(str(error).rstrip("."))
        else:
            return path, {"source": "download", "url": result["url"], "sha256": result["sha256"], "trust": file.trust}
    return None, {"source": "generate", "message": "; ".join(reasons) or "data.source is generate"}


def convert(path_in, path_out):
    """Write the episodes of an official full dataset as a file of ours (see jepa.data.episodes).

    path_in: DINO-WM's zip (its training split), or LeWM's .h5 or .h5.zst. Actions are in units of 100 px from the
    agent, as the file has them; `target` is an episode's last state. Returns facts for provenance: source
    (`file`), path, generator, episodes, rows, mean_steps, sha256 of the file, tag: `official`, or `kind` for another
    number of episodes. Raises JepaError when the file is none of these, or is damaged.
    """
    path_in = Path(path_in)
    if not path_in.is_file():
        raise JepaError(f"{path_in} does not exist; give DINO-WM's zip or LeWM's .h5 or .h5.zst file of Push-T.")
    try:
        if zipfile.is_zipfile(path_in):
            generator, (states, actions, ep_len) = "DINO-WM's noisy replays (OSF zip)", _from_dino_wm(path_in)
        else:
            with _plain_hdf5(path_in, Path(path_out).parent) as plain:
                generator, (states, actions, ep_len) = "LeWM's dataset (Hub HDF5)", _from_lewm(plain)
    except JepaError:
        raise
    except Exception as error:  # torch, pickle, zipfile, zstandard and h5py raise a dozen kinds for damaged files
        raise JepaError(f"{path_in} is no full dataset of Push-T ({error!r}); fetch it again.") from None
    states = np.concatenate([states, np.zeros((len(states), Simulator.state_dim - COLUMNS), np.float32)], axis=1)
    last = np.cumsum(ep_len) - 1
    actions[last] = np.nan
    write(
        path_out,
        states=states,
        actions=actions,
        ep_len=ep_len,
        target=states[last],
        env="push_t",
        seed=0,
        generator=generator,
    )
    return {
        "source": "file",
        "path": str(path_in),
        "generator": generator,
        "seed": None,
        "episodes": len(ep_len),
        "rows": int(ep_len.sum()),
        "mean_steps": round(float(ep_len.mean()) - 1, 3),
        "sha256": digest(path_in),
        "tag": "official" if len(ep_len) == OFFICIAL_EPISODES else "kind",
    }


def _from_dino_wm(path):
    """States (N, 7), actions (N, 2) and ep_len (E,) of the training split in DINO-WM's zip."""
    import torch

    with zipfile.ZipFile(path) as file:
        # Where there is a validation split beside it, its folder sorts after `train`.
        folder = sorted(name for name in file.namelist() if name.endswith("states.pth"))[:1]
        if not folder:
            raise JepaError(f"{path} has no states.pth; it is not DINO-WM's file of Push-T.")
        folder = folder[0].removesuffix("states.pth")

        def tensor(name):
            content = io.BytesIO(file.read(f"{folder}{name}.pth"))
            return torch.load(content, map_location="cpu", weights_only=True).float().numpy()

        with file.open(f"{folder}seq_lengths.pkl") as lengths:
            ep_len = np.array(_PlainUnpickler(lengths).load(), dtype=np.int64)
        states = np.concatenate([tensor("states")[..., :5], tensor("velocities")], axis=-1)
        actions = tensor("rel_actions") / np.float32(ACTION_SCALE)
    if ep_len.shape != states.shape[:1] or states.shape[:2] != actions.shape[:2] or ep_len.max() > states.shape[1]:
        raise JepaError(f"{path}: lengths {ep_len.shape}, states {states.shape} and actions {actions.shape} disagree.")
    taken = np.arange(states.shape[1]) < ep_len[:, None]
    return states[taken], actions[taken], ep_len


def _from_lewm(path):
    """States (N, 7), actions (N, 2) and ep_len (E,) of LeWM's HDF5."""
    with h5py.File(path, "r") as file:
        ep_len, ep_offset, state, action = read_hdf5(file, ("ep_len", "ep_offset", "state", "action"))
    ep_len, ep_offset = ep_len.astype(np.int64), ep_offset.astype(np.int64)
    state, action = state.astype(np.float32), action.astype(np.float32)
    if state.shape != (len(state), COLUMNS) or action.shape != (len(state), 2):
        raise JepaError(f"{path}: states {state.shape} and actions {action.shape} are not Push-T's (N, 7) and (N, 2).")
    if (ep_offset < 0).any() or (ep_len > len(state)).any():
        raise JepaError(f"{path}: its episodes do not lie within its {len(state)} rows; fetch it again.")
    rows = np.concatenate([np.arange(first, first + n) for first, n in zip(ep_offset, ep_len, strict=True)])
    if rows.max() >= len(state):
        raise JepaError(f"{path}: its episodes need {rows.max() + 1} rows, but it has {len(state)}.")
    return state[rows], action[rows], ep_len


@contextmanager
def _plain_hdf5(path, folder):
    """The HDF5 file itself, or a copy of a .zst, unpacked in `folder`, that goes afterwards."""
    if path.suffix != ".zst":
        yield path
        return
    try:
        import zstandard
    except ImportError:
        raise JepaError(f"Reading {path.name} needs the package zstandard; install it, or unpack the file.") from None
    with tempfile.TemporaryDirectory(dir=folder) as unpacking:
        plain = Path(unpacking, path.stem)
        with open(path, "rb") as packed, open(plain, "wb") as unpacked:
            shutil.copyfileobj(zstandard.ZstdDecompressor().stream_reader(packed), unpacked, 1 << 24)
        yield plain


def _zarr_array(file, names, key):
    """One array of a zarr v2 store inside a zip. names: {path in the store: name in the zip}."""
    facts = json.loads(file.read(names[f"{key}/.zarray"]))
    shape, chunks, dtype = facts["shape"], facts["chunks"], np.dtype(facts["dtype"])
    if facts["filters"] or facts["order"] != "C" or any(c < s for c, s in zip(chunks[1:], shape[1:], strict=True)):
        raise JepaError(f"The zarr array {key} is not stored in plain rows; fetch pusht.zip again.")
    decode = _decoder(facts["compressor"])
    parts = []
    for chunk in range(-(-shape[0] // chunks[0])):
        name = names[f"{key}/{'.'.join([str(chunk)] + ['0'] * (len(shape) - 1))}"]
        part = np.frombuffer(decode(file.read(name)), dtype=dtype).reshape(chunks)
        parts.append(part[(slice(None), *map(slice, shape[1:]))])
    return np.concatenate(parts)[: shape[0]]


def _decoder(compressor):
    if compressor is None:
        return lambda content: content
    if compressor.get("id") not in CODECS:  # one of the others, `pickle`, would run what it reads
        raise JepaError(f"A zarr array is packed by {compressor.get('id')!r}, not by one of {', '.join(CODECS)}.")
    try:
        import numcodecs
    except ImportError:
        raise JepaError(
            "Reading pusht.zip needs the package numcodecs; install it, or put the npz file into the mirror."
        ) from None
    return numcodecs.get_codec(compressor).decode


class _PlainUnpickler(pickle.Unpickler):
    """Reads numbers and containers of them, and nothing that could run code."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which plain lengths do not need")
