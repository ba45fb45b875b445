"""The frozen evaluation manifest: the (start, goal) pairs on which every method is evaluated.

A pair is a row of an episode and the row `offset` steps later. The protocol says of which episodes: of those that are
held out (`repaired`), or of all (`released`, LeWM's). The manifest carries a hash of all that it says and a digest of
the states that it names, so that neither an edit nor another dataset goes unnoticed.
"""

import hashlib
import json

import numpy as np

from jepa.errors import JepaError
from jepa.files import read_json, write_json
from jepa.random import rng_of

KEYS = ("env", "protocol", "offset", "budget", "pairs", "states")


def make(episodes, chosen, n_pairs, offset=25, *, budget=50, seed=0, protocol="repaired"):
    """Draw a manifest: distinct pairs, equally likely, from the chosen episodes.

    episodes: Episodes. chosen: ids of the episodes that `Episodes.split` gives evaluation under the protocol. offset,
    budget: raw steps (LeWM: 25 and 50). Returns {"env", "protocol", "offset", "budget", "pairs": [{"episode",
    "start_row", "goal_row"}, ...], "states", "hash"}; rows count from the beginning of the dataset. Raises JepaError
    when the episodes hold fewer pairs.
    """
    candidates = episodes.pairs(chosen, offset)
    if not 1 <= n_pairs <= len(candidates):
        raise JepaError(
            f"Cannot draw {n_pairs} evaluation pairs: the {len(chosen)} episodes hold {len(candidates)} "
            f"pairs {offset} steps apart; ask for fewer or generate more episodes."
        )
    drawn = rng_of("manifest", episodes.env, offset, seed).choice(len(candidates), size=n_pairs, replace=False)
    pairs = [dict(zip(("episode", "start_row", "goal_row"), row, strict=True)) for row in candidates[drawn].tolist()]
    manifest = {"env": episodes.env, "protocol": protocol, "offset": offset, "budget": budget, "pairs": pairs}
    manifest["states"] = _digest(episodes, pairs)
    manifest["hash"] = _hash(manifest)
    return manifest


def write(path, manifest):
    """Write a manifest as JSON, complete or not at all."""
    write_json(path, manifest)


def read(path, episodes=None):
    """Read a manifest and verify it, also against its dataset when given. Raises JepaError when either does not fit."""
    manifest = read_json(path)
    verify(manifest, episodes, path)
    return manifest


def verify(manifest, episodes=None, name="The evaluation manifest"):
    """Raise JepaError when the manifest was edited, or when `episodes` is not the dataset that it was drawn from."""
    if not isinstance(manifest, dict) or set(manifest) != {*KEYS, "hash"}:
        raise JepaError(f"{name} is no evaluation manifest; delete it and run again.")
    if manifest["hash"] != _hash(manifest):
        raise JepaError(f"{name} does not fit its hash, so it was edited or damaged; delete it and run again.")
    if not _holds_pairs(manifest):
        raise JepaError(f"{name} holds no pairs of rows that count from 0; delete it and run again.")
    if episodes is not None:
        rows = len(episodes.states)
        inside = all(0 <= pair[row] < rows for pair in manifest["pairs"] for row in ("start_row", "goal_row"))
        if manifest["env"] != episodes.env or not inside or manifest["states"] != _digest(episodes, manifest["pairs"]):
            raise JepaError(f"{name} was drawn from another dataset; delete it and run again.")


def _holds_pairs(manifest):
    """Whether all that evaluation reads is there and is a whole number."""
    pairs = manifest["pairs"]
    numbers = [manifest["offset"], manifest["budget"]]
    if not isinstance(pairs, list) or not pairs or not all(isinstance(pair, dict) for pair in pairs):
        return False
    numbers += [pair.get(key) for pair in pairs for key in ("episode", "start_row", "goal_row")]
    return all(type(number) is int and number >= 0 for number in numbers)


def starts_and_goals(episodes, manifest):
    """The states of the pairs: start (P, ds) and goal (P, ds) float32."""
    return _states(episodes, manifest["pairs"])


def _states(episodes, pairs):
    return tuple(episodes.states[[pair[row] for pair in pairs]] for row in ("start_row", "goal_row"))


def _digest(episodes, pairs):
    """sha256 of the start and goal states as little-endian float32."""
    values = np.concatenate(_states(episodes, pairs)).astype("<f4")
    return hashlib.sha256(values.tobytes()).hexdigest()


def _hash(manifest):
    """sha256 of everything but the hash, independent of formatting and of the order of the keys."""
    text = json.dumps({key: manifest[key] for key in KEYS}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
