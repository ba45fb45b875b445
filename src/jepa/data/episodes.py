"""Episodes of an environment: states and actions in one HDF5 file; frames are rendered apart, or when they are needed.

    row       0    1    2    3  |  4    5          ep_len     [4, 2]
    state     s0   s1   s2   s3 |  s0   s1         ep_offset  [0, 4]
    action    a0   a1   a2  NaN |  a0  NaN         action t leads from row t to row t + 1

A window of T blocks with frame-skip 5 is 5 T + 1 consecutive rows of one episode: T + 1 frames, and T blocks of five
different actions (an action block is the five raw actions, concatenated).
"""

from dataclasses import dataclass

import h5py
import numpy as np

from jepa.data.arrays import new_hdf5, read_hdf5
from jepa.data.frames import Frames
from jepa.envs.registry import WIDTHS, render_states
from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.random import rng_of

PROTOCOLS = ("repaired", "released")
COLUMNS = ("state", "action", "ep_len", "ep_offset", "target", "origin")
EXPORT_CHUNK = 256  # frames rendered and written together


@dataclass(frozen=True, eq=False)
class Episodes:
    """E episodes of N rows in all.

    states: (N, ds) float32. actions: (N, da) float32, NaN in the last row of each episode. ep_len, ep_offset: (E,)
    int64. target: (E, ds) float32, where the demonstrator was going. origin: (E,) int64, what an episode was made from
    (the human demonstration of a replay; elsewhere itself): one origin is never on both sides of a split. env: name of
    the environment. frames: Frames of the rows that windows may use, or None where they are rendered from the states.
    """

    states: np.ndarray
    actions: np.ndarray
    ep_len: np.ndarray
    ep_offset: np.ndarray
    target: np.ndarray
    origin: np.ndarray
    env: str
    frames: Frames | None = None

    @classmethod
    def open(cls, path, frames=None):
        """Read and check what `write` wrote, and its frames where a file of them is given (see jepa.data.frames).

        Raises JepaError when a file is missing, damaged or inconsistent.
        """
        try:
            with h5py.File(path, "r") as file:
                columns = read_hdf5(file, COLUMNS)
                env = str(file.attrs["env"])
        except FileNotFoundError:
            raise JepaError(f"{path} does not exist; run the rule that generates it.") from None
        except (OSError, KeyError, ValueError, TypeError, MemoryError) as error:
            raise JepaError(f"{path} is no file of episodes ({error}); delete it and generate it again.") from None
        _check(path, env, *columns)
        return cls(*columns, env, None if frames is None else Frames.open(frames, columns[0]))

    def split(self, holdout=0.1, seed=0, protocol="repaired"):
        """Episodes for training and episodes for evaluation, sorted: two int arrays. A seed gives one split.

        repaired: disjoint, all episodes of `holdout` of the origins are for evaluation. released: all episodes, twice;
        LeWM's evaluation pairs come from its training file, and `clip_split` holds out windows. Raises JepaError for
        another protocol and when a part would be empty.
        """
        if protocol not in PROTOCOLS:
            raise JepaError(f"protocol {protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}.")
        if protocol == "released":
            return (np.arange(len(self.ep_len)),) * 2
        origins = np.unique(self.origin)
        parts = _two_parts(len(origins), holdout, rng_of("split", self.env, seed), "episodes")
        return tuple(np.flatnonzero(np.isin(self.origin, origins[part])) for part in parts)

    def windows(self, episode_ids, T=4, frame_skip=5):
        """Start rows of every window of T * frame_skip + 1 rows inside one of the episodes, (M,) int64.

        Where frames are stored, only windows whose frames are all among them count. Raises JepaError for no window.
        """
        starts = self._starts(np.asarray(episode_ids), T * frame_skip)[1]
        if not len(starts):
            raise JepaError(f"No episode has the {T * frame_skip + 1} rows of a window; generate longer episodes.")
        if self.frames is not None:
            starts = starts[self.frames.covers(_shown(starts, T, frame_skip))]
            if not len(starts):
                raise JepaError(f"No window has all its frames; its stride must divide the frame skip, {frame_skip}.")
        return starts

    def pairs(self, episode_ids, offset):
        """Every (episode, start row, goal row) with the goal `offset` rows after the start: (M, 3) int64."""
        episode, start = self._starts(np.asarray(episode_ids), offset)
        return np.stack([episode, start, start + offset], axis=1)

    def batch(self, starts, T, frame_skip, size):
        """The windows that begin at `starts`: (B,) int.

        Returns frames: (B, T+1, 3, size, size) uint8, actions: (B, T, frame_skip * da) float32, raw, NaN as 0, and
        states: (B, T+1, ds) float32. Raises JepaError where frames are stored in another size.
        """
        starts = np.asarray(starts)
        rows = _shown(starts, T, frame_skip)
        states = self.states[rows]
        actions = np.nan_to_num(self.actions[starts[:, None] + np.arange(T * frame_skip)])
        return self._frames_of(rows, size), actions.reshape(len(starts), T, -1), states

    def action_stats(self, episode_ids):
        """Mean and standard deviation of the raw actions of the episodes: (da,) and (da,) float32."""
        taken = np.zeros(len(self.states), dtype=bool)
        for episode in episode_ids:
            taken[self.ep_offset[episode] : self.ep_offset[episode] + self.ep_len[episode] - 1] = True
        actions = self.actions[taken].astype(np.float64)
        if not len(actions):
            raise JepaError("The chosen episodes hold no action, so actions cannot be normalised; choose others.")
        return actions.mean(0).astype(np.float32), actions.std(0).astype(np.float32)

    def _frames_of(self, rows, size):
        """Frames of rows (B, F), stored or rendered: (B, F, 3, size, size) uint8."""
        if self.frames is None:
            frames = render_states(self.env, self.states[rows].reshape(-1, self.states.shape[-1]), size)
            return frames.reshape(*rows.shape, *frames.shape[1:])
        if self.frames.size != size:
            raise JepaError(f"The stored frames have {self.frames.size} pixels a side, not {size}; render them again.")
        return self.frames.of(rows)

    def _starts(self, episode_ids, span):
        """Episode and start row of every run of span + 1 rows: two (M,) int64 arrays."""
        count = np.maximum(self.ep_len[episode_ids] - span, 0)
        episode = np.repeat(episode_ids, count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return episode, self.ep_offset[episode] + within


def clip_split(starts, data):
    """What training and what diagnostics use of the windows (M,) of their episodes: two sorted int arrays.

    data: {"holdout", "split_seed", "protocol"} of a recipe. repaired: all of them, twice, because the episodes are
    split already. released: `holdout` of the windows at random, which overlap those of training, are held out (LeWM).
    """
    if data.get("protocol", "repaired") == "repaired":
        return starts, starts
    parts = _two_parts(len(starts), data["holdout"], rng_of("clips", data["split_seed"]), "windows")
    return tuple(np.asarray(starts)[part] for part in parts)


def _two_parts(count, holdout, rng, things):
    """Indices of what is kept and of what is held out, sorted. Raises JepaError when either is empty."""
    held = max(1, round(holdout * count))
    if not 0 < holdout < 1 or held >= count:
        raise JepaError(f"Cannot hold out {holdout:g} of {count} {things}; both parts need at least one.")
    order = rng.permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


def _shown(starts, T, frame_skip):
    """Rows whose frames the windows at starts (B,) show: (B, T+1)."""
    return starts[:, None] + frame_skip * np.arange(T + 1)


def write(path, *, states, actions, target, env, seed, generator, ep_len=None, origin=None):
    """Write episodes, complete or not at all. The arguments are as in Episodes. Raises JepaError as `open` does.

    ep_len: None where all are equally long, states (E, rows, ds) and actions (E, rows, da). origin: None where every
    episode is of its own.

    Returns the facts for provenance that all generators tell: generator, seed, episodes, rows, mean_steps.
    """
    states, actions = np.asarray(states, dtype=np.float32), np.asarray(actions, dtype=np.float32)
    if ep_len is None:
        episodes, rows = states.shape[:2]
        ep_len = np.full(episodes, rows)
        states, actions = (column.reshape(episodes * rows, -1) for column in (states, actions))
    ep_len = np.asarray(ep_len, dtype=np.int64)
    columns = (
        states,
        actions,
        ep_len,
        np.cumsum(ep_len) - ep_len,
        np.asarray(target, dtype=np.float32),
        np.arange(len(ep_len)) if origin is None else np.asarray(origin, dtype=np.int64),
    )
    _check(path, env, *columns)
    with new_hdf5(path) as file:
        for name, column in zip(COLUMNS, columns, strict=True):
            file.create_dataset(name, data=column)
        file.attrs.update({"env": env, "seed": seed, "generator": generator})
    return {
        "generator": generator,
        "seed": seed,
        "episodes": len(ep_len),
        "rows": len(states),
        "mean_steps": round(float(ep_len.mean()) - 1, 3),
    }


def export_lewm(episodes, path, size=224):
    """Write the episodes with the columns of LeWM's library, frames included, for use outside this package.

    pixels: (N, size, size, 3) uint8; action, state, proprio, target, ep_idx, step_idx: (N, ...); ep_len, ep_offset:
    (E,). Complete or not at all.
    """
    rows = len(episodes.states)
    episode = np.repeat(np.arange(len(episodes.ep_len)), episodes.ep_len)
    columns = {
        "action": episodes.actions,
        "state": episodes.states,
        "proprio": episodes.states,
        "target": episodes.target[episode],
        "ep_idx": episode,
        "step_idx": np.arange(rows) - episodes.ep_offset[episode],
        "ep_len": episodes.ep_len,
        "ep_offset": episodes.ep_offset,
    }
    # Their reader opens files for concurrent reading, which only the latest format allows.
    with atomic_path(path) as temporary, h5py.File(temporary, "w", libver="latest") as file:
        for name, column in columns.items():
            file.create_dataset(name, data=column)
        shape = (rows, size, size, 3)
        pixels = file.create_dataset("pixels", shape, np.uint8, chunks=(1, *shape[1:]), compression="lzf")
        for first in range(0, rows, EXPORT_CHUNK):
            part = slice(first, min(first + EXPORT_CHUNK, rows))
            pixels[part] = render_states(episodes.env, episodes.states[part], size).transpose(0, 2, 3, 1)


def _check(path, env, states, actions, ep_len, ep_offset, target, origin):
    """Raise JepaError with the first thing that is wrong with episodes."""

    def refuse(problem):
        raise JepaError(f"{path}: {problem}; generate it again.")

    if env not in WIDTHS:
        refuse(f"its environment {env!r} is none of {', '.join(WIDTHS)}")
    counts = (ep_len, ep_offset, origin)
    if any(column.ndim != 1 or column.dtype.kind != "i" for column in counts) or len(ep_len) != len(ep_offset):
        refuse("its lengths, offsets and origins are not lists of whole numbers")
    if any(column.dtype.kind != "f" for column in (states, actions, target)):
        refuse("its states, actions and targets are not numbers")
    if not len(ep_len):
        refuse("it holds no episode")
    if states.ndim != 2 or actions.ndim != 2 or len(states) != len(actions):
        refuse(f"states {states.shape} and actions {actions.shape} do not have one row each a step")
    if (states.shape[1], actions.shape[1]) != WIDTHS[env]:
        refuse(f"states {states.shape} and actions {actions.shape} are not {env}'s {WIDTHS[env]} wide")
    if (ep_len < 1).any():
        refuse(f"episode {int(np.argmax(ep_len < 1))} has no rows")
    # One by one first: a sum of numbers that are too large could overflow to the right one.
    if (
        (ep_len > len(states)).any()
        or ep_len.sum() != len(states)
        or not np.array_equal(ep_offset, np.cumsum(ep_len) - ep_len)
    ):
        refuse(f"the episodes do not lie end to end over the {len(states)} rows")
    if not len(target) == len(origin) == len(ep_len):
        refuse(f"there are {len(target)} targets and {len(origin)} origins for {len(ep_len)} episodes")
    if not np.isfinite(states).all():
        refuse(f"the state of row {int(np.argmax(~np.isfinite(states).all(-1)))} is not finite")
    last = np.zeros(len(states), dtype=bool)
    last[ep_offset + ep_len - 1] = True
    wrong = ~np.isfinite(actions).all(-1) & ~last
    if wrong.any():
        refuse(f"the action of row {int(np.argmax(wrong))} is not finite")
