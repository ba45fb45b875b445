"""The teleports of antmaze-teleport, seen as 29 numbers or as frames (MoP-JEPA, "Coverage of Stochastic Dynamics").

A pair is a row of visit 1 of a cell crossing and one of visit 2 (jepa.data.crossings); no action enters. The arms learn
all crossings, and are scored on the teleports of held-out episodes: which of the three destinations do the heads reach?

An ant's joints are arbitrary where it lands, so a destination is not a point but the latents of 32 real observations
there: a head is credited with the destination whose nearest sample is nearest, only with that one, and only from cosine
0.65 on. Scores that judge this measure itself:

    centroid        COV-R against the mean observation of each destination, which no ant ever made: the paper's example
                    of a metric artefact, which it found at exactly zero for every arm and every control
    real            share of the true outcomes that are credited with their own destination; real_centroid likewise
    elsewhere       share of outcomes in other cells that are credited with a destination: what a latent space that
                    tells few places apart gives away to any prediction
"""

import sys
from pathlib import Path

import numpy as np

from jepa.data.crossings import extract
from jepa.data.download import NetworkError
from jepa.data.generate_ant import KIND, OFFICIAL_EPISODES, OFFICIAL_STEPS, generate
from jepa.data.official import downloads, obtain
from jepa.domains.base import Domain, require
from jepa.domains.compare import compare
from jepa.envs import gl
from jepa.envs.ant_maze import graph, render
from jepa.errors import JepaError
from jepa.evaluation.coverage import MATCH
from jepa.files import atomic_path
from jepa.random import rng_of

DATASET = "antmaze-teleport-navigate"
OFFICIAL_FILE = f"{DATASET}-v0.npz"
OFFICIAL_KIND = "OGBench expert"
SAMPLES = 32  # real observations that stand for a destination
HELD_OUT = 0.2  # share of the episodes
JUMP = 1.0  # the observation at a teleport is older than qpos: they differ by more than this, in units of the maze
ARRAYS = {
    "contexts": ("f", "P", 29),
    "targets": ("f", "P", 29),
    "episode": ("i", "P"),
    "source": ("i", "P"),
    "target": ("i", "P"),
    "teleport": ("b", "P"),
    "inbound": ("i", "m"),
    "destinations": ("i", "d"),
    "walker": ("U",),
}


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Write pairs of antmaze-teleport to the npz `out` and return facts for provenance.

    settings: {episodes, steps, starts: of the generator (None for the official size), draws, teleport_draws: pairs of
    one crossing, frames: of which pairs frames are rendered, as in `framed`, and {shadows: px of their shadow map,
    OGBench's is 4096}}.
    The npz holds contexts, targets: (P, 29) float32; episode, source, target: (P,) int64, the last two cell ids;
    teleport: (P,) bool; inbound, destinations: cell ids; walker: who walked; and, where an OpenGL backend renders,
    framed: (F,) the pairs that have frames, and context_frames, target_frames: (F, 3, 64, 64) uint8.
    Raises NetworkError, ChecksumError and JepaError as jepa.data.official.obtain, and JepaError where no cell was
    crossed or an option of the frames is missing.
    """
    require(settings, "frames")
    require(settings["frames"], "crossings", "teleports", "shadows")
    out = Path(out)
    with downloads(out) as folder:
        facts, walked = _walks(folder, source, mirror, seed, settings, progress)
        arrays = pairs(walked, settings, seed)
        arrays["walker"] = np.array(facts["walker"])
        if gl.probe() is None:
            print(gl.SENTENCE, file=sys.stderr, flush=True)
        else:
            arrays |= _frames(arrays, settings["frames"], seed, progress)
        with atomic_path(out) as temporary:
            np.savez_compressed(temporary, **arrays)
    teleport = arrays["teleport"]
    return facts | {
        "pairs": len(teleport),
        "teleport_pairs": int(teleport.sum()),
        "framed_pairs": len(arrays.get("framed", ())),
    }


def pairs(walked, settings, seed):
    """Contexts and targets of the crossings of a dataset.

    walked: {observations: (N, 29), qpos: (N, 15), terminals: (N,)}. settings: of `prepare`. Returns the arrays of
    `prepare` but `walker`, `framed` and frames. Raises JepaError if no cell was crossed.
    """
    maze, observations = graph(), walked["observations"]
    found = extract(observations[:, :2], walked["terminals"], maze)
    if not len(found):
        raise JepaError("The ant crossed no cell; generate more or longer episodes.")
    last = found.second_start - 1  # the row at which a teleport shows
    jumped = np.abs(walked["qpos"][last, :2] - observations[last, :2]).max(axis=1) > JUMP
    rng = rng_of("ant pairs", seed)
    draws = np.where(jumped, settings.get("teleport_draws", 1), settings.get("draws", 1))
    crossing = np.repeat(np.arange(len(jumped)), draws)
    offset = rng.random((2, len(crossing)))
    first = found.first_start[crossing] + (offset[0] * found.first_len[crossing]).astype(np.int64)
    second = found.second_start[crossing] + (offset[1] * found.second_len[crossing]).astype(np.int64)
    ends = np.asarray(walked["terminals"], dtype=np.int64)
    return {
        "contexts": observations[first].astype(np.float32),
        "targets": observations[second].astype(np.float32),
        "episode": (np.cumsum(ends) - ends)[first],
        "source": found.source[crossing],
        "target": found.target[crossing],
        "teleport": jumped[crossing],
        "inbound": maze.inbound,
        "destinations": maze.destinations,
    }


def framed(teleport, settings, seed):
    """The pairs of which frames are rendered, in order. teleport: (P,) bool.

    settings: {crossings, teleports: at most so many pairs that are none, and that are teleports (None for all)}.
    """
    rng = rng_of("ant frames", seed)
    kept = [
        rng.permutation(np.flatnonzero(teleport == jumped))[: settings[most]]
        for jumped, most in ((False, "crossings"), (True, "teleports"))
    ]
    return np.sort(np.concatenate(kept))


def audit(arrays, settings, seed, work, progress=True):
    """Compare the arms (see jepa.domains.compare) on the teleports of held-out episodes. arrays: those of `prepare`.

    settings beside compare's: visual; teleport_share: of the training batches, the same for every arm (None: as often
    as among the prepared pairs). Raises JepaError if the held-out episodes hold fewer than two teleports.
    """
    return compare(build(arrays, settings, seed), settings, seed, work, progress)


def build(arrays, settings, seed):
    """The Domain of `audit`. The seed draws the held-out episodes and the samples of the destinations."""
    if settings["space"] != "latent":
        raise JepaError(f"space is {settings['space']!r}, but destinations are matched in latents: use latent.")
    if settings.get("visual", False):
        arrays = _only_framed(arrays)
    teleport, episode = arrays["teleport"], arrays["episode"]
    names = np.unique(episode)
    held = rng_of("ant held-out", seed).permutation(names)[: max(1, round(HELD_OUT * len(names)))]
    held_out = np.isin(episode, held)
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out & teleport)
    elsewhere = np.flatnonzero(held_out & ~np.isin(arrays["source"], arrays["inbound"]))
    otherwise = np.flatnonzero(held_out & ~np.isin(arrays["target"], arrays["destinations"]))
    if len(test) < 2 or not len(elsewhere) or not len(otherwise) or not teleport[train].any():
        raise JepaError(
            f"The ant's held-out episodes hold {len(test)} teleports, of {int(teleport.sum())} in all; "
            f"raise `episodes`, or set `starts: teleports`."
        )
    contexts, targets = _observations(arrays, settings.get("visual", False), train)
    share = settings.get("teleport_share")
    samples = destination_samples(arrays, train, seed)
    others = rng_of("ant elsewhere", seed).choice(otherwise, size=len(teleport))
    landed = {cell: int((arrays["target"][test] == cell).sum()) for cell in arrays["destinations"].tolist()}
    return Domain(
        contexts=contexts,
        targets=targets,
        train=train,
        test=test,
        metric="cov_r",
        better="higher",
        score=coverage(targets, arrays["target"], samples, others),
        weights=None if share is None else oversampled(teleport[train], share),
        code_rows=train[teleport[train]],  # as the paper's codebook, which knows the destinations
        off=rng_of("ant off context", seed).choice(elsewhere, size=len(test)),
        extra={
            "walker": str(arrays["walker"]),
            "visual": settings.get("visual", False),
            "episodes": len(names),
            "train_teleport_pairs": int(teleport[train].sum()),
            "destinations": {str(cell): count for cell, count in landed.items()},
            "samples": {str(cell): len(rows) for cell, rows in samples.items()},
            "match": MATCH,
        },
    )


def oversampled(teleport, share):
    """Sampling weights with which teleports make up `share` of the batches. teleport: (n,) bool. Returns (n,)."""
    return np.where(teleport, share / max(teleport.sum(), 1), (1 - share) / max((~teleport).sum(), 1))


def destination_samples(arrays, train, seed):
    """{destination: (32,) train rows whose targets stand for it}; fewer rows, or no entry, where training saw fewer."""
    rng, samples = rng_of("ant destinations", seed), {}
    for cell in arrays["destinations"].tolist():
        rows = train[arrays["teleport"][train] & (arrays["target"][train] == cell)]
        if len(rows):
            samples[cell] = np.sort(rng.permutation(rows)[:SAMPLES])
    return samples


def coverage(targets, landed, samples, others, match=MATCH):
    """The Domain's score, each of (q,) per test row, against the destinations in `samples`.

    targets: (N, *t). landed: (N,) cell of each target. samples: see `destination_samples`. others: (N,) a row with an
    outcome in no destination, for each row. cov_r: share of the destinations that an active head is credited with;
    cov_p: share of the active heads that are credited with some destination, 0 without an active head; the others are
    explained at the top of this module.
    """
    cells = np.array(list(samples))
    all_samples = [targets[rows] for rows in samples.values()]
    bounds = np.cumsum([len(rows) for rows in all_samples])[:-1]
    centroids = np.stack([rows.mean(axis=0) for rows in all_samples]).astype(targets.dtype)
    all_samples = np.concatenate(all_samples)

    def score(u, active, rows, embed):
        manifolds = np.split(embed(all_samples), bounds)
        points = [point[None] for point in embed(centroids)]
        true, other = (embed(targets[picked])[:, None] for picked in (rows, others[rows]))
        own = landed[rows][:, None] == cells
        credit = active[:, :, None] & credited(u, manifolds, match)
        return {
            "cov_r": credit.any(axis=1).mean(axis=1),
            "cov_p": credit.any(axis=2).sum(axis=1) / np.maximum(active.sum(axis=1), 1),
            "real": (credited(true, manifolds, match)[:, 0] & own).any(axis=1).astype(np.float64),
            "centroid": (active[:, :, None] & credited(u, points, match)).any(axis=1).mean(axis=1),
            "elsewhere": credited(other, manifolds, match)[:, 0].any(axis=1).astype(np.float64),
            "real_centroid": (credited(true, points, match)[:, 0] & own).any(axis=1).astype(np.float64),
        }

    return score


def credited(u, manifolds, match=MATCH):
    """Exclusive matching as jepa.evaluation.coverage.credited, with many samples of a destination.

    u: (q, K, d) unit latents. manifolds: one (s, d) of unit latents a destination. Returns (q, K, destinations) bool,
    at most one true a head.
    """
    nearest = np.stack([(u @ samples.T).max(axis=-1) for samples in manifolds], axis=-1)
    best = nearest.argmax(axis=-1)[..., None] == np.arange(len(manifolds))
    return best & (nearest >= match)


def _only_framed(arrays):
    """The arrays of the pairs that have frames, in the order of `framed`."""
    if "framed" not in arrays:
        raise JepaError(
            "These ant data have no frames, since no OpenGL backend rendered where they were prepared: see "
            "`jepa doctor`, delete the data and prepare them again."
        )
    of_pairs = {name: arrays[name][arrays["framed"]] for name, (_, *axes) in ARRAYS.items() if axes[:1] == ["P"]}
    return {**arrays, **of_pairs}


def _frames(arrays, settings, seed, progress):
    """The arrays of `prepare` that only frames need. settings: {crossings, teleports, shadows}."""
    rows = framed(arrays["teleport"], settings, seed)
    # qpos of the observations: at a teleport the one of the file is newer
    qpos = np.stack([arrays["contexts"][rows, :15], arrays["targets"][rows, :15]])
    seen, which = np.unique(qpos.reshape(-1, 15), axis=0, return_inverse=True)  # pairs of a crossing share many rows
    frames = render(seen, settings["shadows"], progress).transpose(0, 3, 1, 2)
    context_frames, target_frames = frames[which.reshape(2, -1)]
    return {"framed": rows, "context_frames": context_frames, "target_frames": target_frames}


def _observations(arrays, visual, train):
    """Contexts and targets for a network: numbers or frames (then (N, 3, 64, 64)), in float32.

    Every number, and every colour of a frame, has mean 0 and deviation 1 over the training contexts. Frames that are
    merely positive would all start out as nearly the same latent, from where such a latent space collapses.
    """
    names = ("context_frames", "target_frames") if visual else ("contexts", "targets")
    axes = (0, 2, 3) if visual else (0,)
    known = arrays[names[0]][train]
    mean = known.mean(axis=axes, keepdims=True, dtype=np.float64).astype(np.float32)
    scale = 1 / (known.std(axis=axes, keepdims=True, dtype=np.float64).astype(np.float32) + 1e-6)
    return tuple((arrays[name] - mean) * scale for name in names)


def _walks(folder, source, mirror, seed, settings, progress):
    """Facts and the arrays that `pairs` reads: official where it can be had, else generated."""
    reason = "data.source is generate"
    if source != "generate":
        try:
            facts = obtain(DATASET, folder, source=source, mirror=mirror, files=[OFFICIAL_FILE], progress=progress)
        except NetworkError as error:
            if source == "download":
                raise
            reason = str(error).rstrip(".")
        else:
            path = facts.pop("paths")[OFFICIAL_FILE]
            return facts | {"tag": "official", "walker": OFFICIAL_KIND}, _read(path)
    message = f"{DATASET} is generated with seed {seed} by a {KIND}, because {reason}."
    print(message, file=sys.stderr, flush=True)
    episodes, steps = settings.get("episodes") or OFFICIAL_EPISODES, settings.get("steps") or OFFICIAL_STEPS
    path = folder / "generated.npz"
    generator = generate(path, seed, episodes, steps, settings.get("starts", "anywhere"), progress)
    facts = {"dataset": DATASET, "source": "generate", "tag": "kind", "generator": generator, "message": message}
    return facts | {"walker": KIND}, _read(path)


def _read(path):
    """Observations, qpos and terminals of a file. Raises JepaError for a damaged one."""
    shapes = {"observations": (29,), "qpos": (15,), "terminals": ()}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in shapes}
    except Exception as error:  # numpy, zipfile and zlib raise a dozen kinds for damaged files
        raise JepaError(f"{path} is no ant maze dataset ({error}); delete it and prepare again.") from None
    rows = len(arrays["observations"])
    if any(arrays[name].shape != (rows, *shape) for name, shape in shapes.items()) or not rows:
        raise JepaError(f"{path} is no ant maze dataset: its arrays have other shapes; delete it and prepare again.")
    return arrays
