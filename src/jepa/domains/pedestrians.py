"""Pedestrians: twelve steps of a walk from the eight before, in a scene that was held out (MoP-JEPA, "Evidence Chain").

The paper has two experiments on ETH/UCY, leave one scene out: a JEPA latent forecaster and raw multimodal regression.
Everything is seen from the last observed position, in one of two frames:

    scene    the axes of the recording, and every training walk is shown in four directions, 90 degrees apart. Here the
             input-agnostic codebook knows nothing of the context.
    heading  x along the last observed step, the default. This tells even the codebook where forward is, which is most
             of what a context says: the harder test of what is left, speed and turn.

In latent space one encoder sees past and future, brought to one shape (see `path`), which share no position but the
origin. A collapse is kept off as in the paper, by the moving average and the stop-gradient, and would be seen: scores
in metres are read from latents (see `latent_scores`), and from latents at one point nothing can be read.
"""

import numpy as np

from jepa.data import eth_ucy
from jepa.data.eth_ucy import OBSERVED, PREDICTED, SCENES
from jepa.data.official import obtain
from jepa.data.walks import branching_walks
from jepa.domains.base import Domain, best_of
from jepa.domains.compare import compare
from jepa.domains.trajectories import (
    constant_velocity,
    displacement,
    facts_of,
    minimum_displacement,
    reference,
    write,
)
from jepa.errors import JepaError
from jepa.random import rng_of

FRAMES = ("heading", "scene")
BANK = 2000  # known targets by which a latent is read
POINTS = 7  # of a path in latent space, beside its start
ARRAYS = {"tracks": ("f", "N", OBSERVED + PREDICTED, 2), "scene": ("U", "N")}  # as of every kind, see base.load_arrays


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Write the windows of all scenes to the npz `out` (see eth_ucy.load) and return facts for provenance.

    Without the eight recordings, synthetic walks stand in under `auto` (tag mechanism). Raises NetworkError,
    ChecksumError and JepaError as jepa.data.official.obtain does, and JepaError for scenes of a wrong size.
    """

    def official(folder, source):
        found = obtain(eth_ucy.DATASET, folder, source=source, mirror=mirror, progress=progress)
        return eth_ucy.load(found["paths"]), facts_of(found, "ETH/UCY", "official")

    return write(out, official, (branching_walks, "synthetic walks"), source=source, seed=seed)


def audit(arrays, settings, seed, work, progress=True):
    """Compare the arms (see jepa.domains.compare). arrays: those of `prepare`. work: folder for resume files.

    settings beside compare's: scene: eth | hotel | univ | zara1 | zara2, the one that is held out; frame: heading |
    scene, of which axes. Raises JepaError for another scene or frame.
    """
    domain = build(arrays, settings.get("scene"), settings["space"], settings.get("frame", "heading"))
    return compare(domain, settings, seed, work, progress)


def build(arrays, scene, space, frame):
    """The Domain of one held-out scene. arrays: {tracks: (N, 20, 2) metres, scene: (N,) str}.

    raw: a context is (8, 4), positions and steps, scaled; a target (12, 2), positions. Metric minADE.
    latent: both are paths of 7 points (see `path`). Metric minADE too: see `latent_scores`.
    """
    if scene not in SCENES:
        raise JepaError(f"scene is {scene!r}, but must be one of {', '.join(SCENES)}.")
    if frame not in FRAMES:
        raise JepaError(f"frame is {frame!r}, but must be one of {', '.join(FRAMES)}.")
    held_out = arrays["scene"] == scene
    parts = [from_now(arrays["tracks"][rows], frame) for rows in (~held_out, held_out)]
    if frame == "scene":
        parts[0] = four_ways(parts[0])
    tracks = np.concatenate(parts)
    train, test = np.split(np.arange(len(tracks)), [len(parts[0])])
    past, future = tracks[:, :OBSERVED], tracks[:, OBSERVED:]
    unit = float(np.sqrt((future[train] ** 2).mean()))  # m
    facts = {"scene": scene, "unit_metres": unit}
    if space == "latent":
        contexts, targets = (path(walk) for walk in (past, np.insert(future, 0, 0.0, axis=1)))
        pace = float(np.sqrt((contexts[train] ** 2).mean()))  # m a step
        targets = (targets / pace).astype(np.float32)
        bank = rng_of("pedestrians", scene, "bank").permutation(train)[:BANK]
        ours = {
            "contexts": contexts / pace,
            "targets": targets,
            "metric": "minADE",
            "score": latent_scores(targets, bank, PREDICTED * pace),
        }
    else:
        steps = np.diff(past, axis=1, prepend=past[:, :1])
        targets = (future / unit).astype(np.float32)
        score = minimum_displacement(targets, unit)
        truth = future[test]
        ours = {
            "contexts": np.concatenate([past, PREDICTED * steps], axis=-1) / unit,
            "targets": targets,
            "metric": "minADE",
            "score": score,
            "references": {"constant velocity": reference(constant_velocity(past[test], PREDICTED), truth)},
        }
    ours |= {key: ours[key].astype(np.float32) for key in ("contexts", "targets")}
    return Domain(train=train, test=test, extra=facts, **ours)


def from_now(tracks, frame):
    """Tracks (n, 20, 2) from their last observed position, in a frame (see the module), as float64.

    Who did not move in the last observed step is not turned.
    """
    tracks = tracks - tracks[:, OBSERVED - 1 : OBSERVED].astype(np.float64)
    if frame == "scene":
        return tracks
    x, y = -tracks[:, OBSERVED - 2].T
    angle = np.arctan2(y, x)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = tracks[..., 0], tracks[..., 1]
    return np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1)


def four_ways(tracks):
    """The tracks and their turns by 90, 180 and 270 degrees: (n, T, 2) to (4 n, T, 2)."""
    x, y = tracks[..., 0], tracks[..., 1]
    return np.concatenate([np.stack(turn, axis=-1) for turn in ((x, y), (-y, x), (-x, -y), (y, -x))])


def path(walk):
    """A walk of any number of steps as one shape: its mean velocity up to POINTS moments evenly spaced over it.

    walk: (n, T, 2) positions, of which T - 1 steps follow the first. Returns (n, POINTS, 2), the displacement from the
    first position at a share i / POINTS of the time, i = 1 ... POINTS, in metres a step of the whole. So past and
    future look alike to the one encoder of both, and a constant velocity is a path that does not change; the future
    shares no position but the origin with the past.
    """
    steps = walk.shape[1] - 1
    at = np.linspace(0, steps, POINTS + 1)[1:]
    before = np.minimum(at.astype(int), steps - 1)
    share = (at - before)[:, None]
    points = walk[:, before] * (1 - share) + walk[:, before + 1] * share
    return (points - walk[:, :1]) / steps


def latent_scores(targets, bank, metres):
    """The `score` of a Domain in latent space: error, relative and minADE.

    error: the least cosine distance of an active head to the target's latent. Each arm has its own latent space, of its
    own width, so two arms compare by the others only. relative: error / mean cosine distance of two known targets.
    minADE: each head's prediction is read as the known target with the nearest latent, then scored in metres at the
    POINTS moments of a path.

    targets: (N, POINTS, 2) of the Domain, of which `metres` are one unit. bank: rows of them that are known.
    """

    def score(u, active, rows, embed):
        known = embed(targets[bank])
        error = best_of(1 - (u @ embed(targets[rows])[:, :, None])[..., 0], active)
        total = known.sum(axis=0, dtype=np.float64)
        spread = 1 - (total @ total - len(known)) / (len(known) * (len(known) - 1))
        read = targets[bank][(u @ known.T).argmax(axis=-1)]
        ade, _ = displacement(read, targets[rows][:, None])
        return {"error": error, "relative": error / max(spread, 1e-6), "minADE": metres * best_of(ade, active)}

    return score
