"""Taxis: three minutes of a trip from where it is, or from its past (MoP-JEPA, "The Protocol Fires Where It Should").

The paper's negative control: roads make futures look multimodal, but a codebook of displacements that sees no context
takes most of the gain. The paper does not say what its contexts hold, so both readings are run: the last observed
position alone, or with the eight observed positions. The paper's data are not named; ours are taxis of San Francisco.
"""

import numpy as np

from jepa.data import cabs
from jepa.data.cabs import ARCHIVE, NPZ, OBSERVED, PREDICTED
from jepa.data.mirror import find, mirror_folder
from jepa.data.official import obtain
from jepa.data.walks import road_walks
from jepa.domains.base import Domain
from jepa.domains.compare import compare
from jepa.domains.trajectories import (
    constant_velocity,
    facts_of,
    minimum_displacement,
    reference,
    write,
)
from jepa.errors import JepaError
from jepa.random import rng_of

CONTEXTS = ("position", "history")
HELD_OUT = 0.2  # share of the cabs that no model is trained on
ARRAYS = {"tracks": ("f", "N", OBSERVED + PREDICTED, 2), "cab": ("iu", "N")}


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Write windows of occupied trips to the npz `out` (see cabs.windows) and return facts for provenance.

    The mirror may hold the npz or the original archive, which is also downloaded. Otherwise, under `auto`, walks on a
    grid of roads stand in (tag mechanism). Raises NetworkError, ChecksumError and JepaError as
    jepa.data.official.obtain does.
    """

    def official(folder, source):
        local = mirror_folder(mirror) if source != "download" else None
        has_npz = bool(local and find(local, [NPZ])[NPZ])
        file, load = (NPZ, cabs.read_npz) if has_npz else (ARCHIVE, cabs.read_archive)
        found = obtain(cabs.DATASET, folder, source=source, mirror=mirror, files=[file], progress=progress)
        return cabs.windows(load(found["paths"][file])), facts_of(found, "San Francisco cabs", "kind")

    return write(out, official, (road_walks, "synthetic road walks"), source=source, seed=seed)


def audit(arrays, settings, seed, work, progress=True):
    """Compare the arms (see jepa.domains.compare). arrays: those of `prepare`. work: folder for resume files.

    settings beside compare's: context: position | history. A seed also draws the cabs that are held out. Raises
    JepaError for another context or space.
    """
    if settings["space"] != "raw":
        raise JepaError(f"space is {settings['space']!r}; a taxi's position and its trip have no shape in common: raw.")
    domain = build(arrays, settings.get("context"), seed)
    return compare(domain, settings, seed, work, progress)


def build(arrays, context, seed):
    """The Domain of one kind of context. arrays: {tracks: (N, 14, 2) metres, cab: (N,) int}.

    A target is the displacement from the last observed position at 6 moments: (6, 2), scaled. A context is the last
    observed position, standardised: (2,) or, with history, (8, 2): before it the 7 steps that led there, scaled.
    """
    if context not in CONTEXTS:
        raise JepaError(f"context is {context!r}, but must be one of {', '.join(CONTEXTS)}.")
    tracks, cab = arrays["tracks"].astype(np.float64), arrays["cab"]
    names = np.unique(cab)
    held_out = rng_of("taxi", "held-out cabs", seed).permutation(names)[: max(1, round(HELD_OUT * len(names)))]
    test, train = np.flatnonzero(np.isin(cab, held_out)), np.flatnonzero(~np.isin(cab, held_out))
    if not len(train):
        raise JepaError("The windows of taxis come from one cab; two or more are needed, to test on another one.")
    now = tracks[:, OBSERVED - 1]
    past, future = tracks[:, :OBSERVED] - now[:, None], tracks[:, OBSERVED:] - now[:, None]
    contexts = (now - now[train].mean(axis=0)) / now[train].std(axis=0)
    if context == "history":
        steps = np.diff(past, axis=1)
        contexts = np.concatenate([steps / steps[train].std(), contexts[:, None]], axis=1)
    unit = float(np.sqrt((future[train] ** 2).mean()))  # m
    targets = (future / unit).astype(np.float32)
    truth = future[test]
    return Domain(
        contexts=contexts.astype(np.float32),
        targets=targets,
        train=train,
        test=test,
        metric="minADE",
        score=minimum_displacement(targets, unit),
        references={
            "persistence": reference(np.zeros_like(truth), truth),
            "constant velocity": reference(constant_velocity(past[test], PREDICTED), truth),
        },
        extra={"context": context, "unit_metres": unit, "held_out_cabs": len(held_out)},
    )
