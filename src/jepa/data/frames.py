"""Frames of the environments that are slow to draw: rendered once, at the rows that training uses, by worker processes.

    rows      0    5    10   15   | 125  130        every `stride`-th row of each episode
    frames    f0   f1   f2   f3   | f4   f5         (R, 3, size, size) uint8, contiguous, read as a memory map

A window begins at a row that has a frame; with a stride that divides the frame-skip, all its frames are there.
"""

import hashlib
import multiprocessing
import os
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import h5py
import numpy as np
from tqdm import tqdm

from jepa.data.arrays import read_hdf5
from jepa.envs.registry import render_states, use_quality
from jepa.errors import JepaError
from jepa.files import atomic_path, check_room

CHUNK = 256  # frames that one worker renders between two reports


@dataclass(frozen=True, eq=False)
class Frames:
    """frames: (R, 3, size, size) uint8. position: (N,) int64, the frame of each row of the episodes, -1 for none."""

    frames: np.ndarray
    position: np.ndarray

    @classmethod
    def open(cls, path, states):
        """Read what `render` wrote for episodes with these states (N, ds). Raises JepaError for another file, damaged
        or of other episodes."""
        try:
            with h5py.File(path, "r") as file:
                (shown,), frames = read_hdf5(file, ["row"]), file["frames"]
                digest, offset, shape = file.attrs["states"], frames.id.get_offset(), frames.shape
                if frames.dtype != np.uint8 or shape[1:] != (3, shape[-1], shape[-1]) or offset is None:
                    raise ValueError(f"frames are {frames.dtype} {shape}, not plain uint8 (R, 3, size, size)")
            mapped = np.memmap(path, np.uint8, "r", offset, shape)
        except FileNotFoundError:
            raise JepaError(f"{path} does not exist; run the rule that renders it.") from None
        except (OSError, KeyError, TypeError, ValueError, AttributeError, IndexError, MemoryError) as error:
            raise JepaError(f"{path} is no file of frames ({error}); delete it and render it again.") from None
        rows_fit = shown.dtype.kind == "i" and shown.shape == shape[:1] and ((shown >= 0) & (shown < len(states))).all()
        if digest != _digest(states) or not rows_fit:
            raise JepaError(f"{path} shows other episodes; delete it and render it again.")
        position = np.full(len(states), -1, dtype=np.int64)
        position[shown] = np.arange(len(shown))
        return cls(mapped, position)

    @property
    def size(self):
        return self.frames.shape[-1]

    def covers(self, rows):
        """Whether every row of each line has a frame. rows: (M, F) int. Returns (M,) bool."""
        return (self.position[rows] >= 0).all(-1)

    def of(self, rows):
        """Frames of rows (any shape) int, as (*shape, 3, size, size) uint8."""
        return self.frames[self.position[rows]]


def rows_shown(episodes, stride):
    """Every `stride`-th row of each episode, counted from its first: (R,) int64, ascending."""
    within = np.arange(len(episodes.states)) - np.repeat(episodes.ep_offset, episodes.ep_len)
    return np.flatnonzero(within % stride == 0)


def render(episodes, path, size, stride, *, quality=None, workers=1, progress=True):
    """Render the frames of every `stride`-th row into `path`, complete or not at all.

    size: pixels of a side. quality: of those that the environment has, None for the only one. workers: processes, each
    with a renderer of its own. Returns facts for the provenance: {frames, size, stride, quality}.
    """
    use_quality(episodes.env, quality)
    rows = rows_shown(episodes, stride)
    parts = [rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK)]
    jobs = [(episodes.env, episodes.states[part], size) for part in parts]
    bar = tqdm(total=len(rows), unit="frame", disable=not progress, mininterval=2.0, dynamic_ncols=True)
    check_room(path, 3 * size**2 * len(rows))
    with atomic_path(path) as temporary:
        begin = _lay_out(temporary, episodes, rows, size, stride)
        with open(temporary, "r+b") as file:
            file.seek(begin)
            for rendered in _rendered(jobs, workers):
                file.write(np.ascontiguousarray(rendered))
                bar.update(len(rendered))
    bar.close()
    return {"frames": len(rows), "size": size, "stride": stride, "quality": quality}


def _lay_out(path, episodes, rows, size, stride):
    """Write a file but for its frames, (R, 3, size, size) uint8, and return at which byte they are to be written.

    Not by HDF5: where a disk fills up, it may crash the process as it ends.
    """
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w") as file:
        file.attrs.update({"env": episodes.env, "states": _digest(episodes.states), "stride": stride})
        file.create_dataset("row", data=rows)
        frames = file.create_dataset("frames", (len(rows), 3, size, size), np.uint8, dcpl=layout)
        return frames.id.get_offset()


def _rendered(jobs, workers):
    """The frames of each job, in order; no more jobs are under way than the workers need."""
    if workers == 1 or len(jobs) == 1:
        yield from map(_render, jobs)
        return
    # Started afresh: a GL context does not survive a fork.
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), start, initializer=_end_with_parent) as pool:
        under_way = deque()
        for job in jobs:
            under_way.append(pool.submit(_render, job))
            if len(under_way) > 2 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _end_with_parent():
    """Let this worker end when its parent is killed: the queue that it waits at would keep it for ever."""

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _digest(states):
    """sha256 of the states: what the frames show."""
    return hashlib.sha256(np.ascontiguousarray(states)).hexdigest()


def _render(job):
    return render_states(*job)
