"""What pedestrians and taxis share: where their data come from, errors in metres, predictions that no model makes."""

import sys
from pathlib import Path

import numpy as np

from jepa.data.download import NetworkError
from jepa.data.official import downloads
from jepa.domains.base import best_of
from jepa.files import atomic_path


def write(out, official, standin, *, source, seed):
    """Write the arrays of official recordings to the npz `out` or, where they cannot be had, those of `standin`.

    official(folder, source) -> (arrays, facts) obtains files into `folder`; standin: (function of the seed -> arrays,
    name of what it makes). source: `mirror` or `download` want the official files; `auto` falls to the stand-in
    when no source has them; `generate` wants the stand-in. Returns facts for provenance with the number of windows.
    Raises what `official` raises.
    """
    out = Path(out)
    with downloads(out) as folder:
        arrays, reason = None, "data.source is generate"
        if source != "generate":
            try:
                arrays, facts = official(folder, source)
            except NetworkError as error:
                if source != "auto":
                    raise
                reason = str(error).rstrip(".")
        if arrays is None:
            make, name = standin
            arrays = make(seed)
            message = f"{name} are generated with seed {seed}, because {reason}."
            print(message, file=sys.stderr, flush=True)
            facts = {"dataset": name, "source": "generate", "tag": "mechanism", "message": message}
        with atomic_path(out) as temporary:
            np.savez_compressed(temporary, **arrays)
    return facts | {"windows": len(arrays["tracks"])}


def facts_of(obtained, dataset, tag):
    """Facts for provenance from those of jepa.data.official.obtain."""
    kept = {key: obtained[key] for key in ("source", "origin", "sha256", "trust", "licence", "message")}
    return kept | {"dataset": dataset, "tag": tag}


def displacement(predicted, true):
    """Average and final displacement error (ADE, FDE). predicted, true: (..., T, 2). Returns two arrays (...)."""
    distance = np.linalg.norm(np.asarray(predicted, np.float64) - true, axis=-1)
    return distance.mean(axis=-1), distance[..., -1]


def minimum_displacement(targets, metres):
    """The `score` of a Domain: minADE and minFDE in metres, each of the active head that is best at it.

    targets: (N, T, 2) of the Domain; metres: what one of their units is.
    """

    def score(u, active, rows, embed):
        ade, fde = displacement(u, targets[rows][:, None])
        return {"minADE": metres * best_of(ade, active), "minFDE": metres * best_of(fde, active)}

    return score


def constant_velocity(past, steps):
    """The last observed step repeated. past: (m, P, 2), P > 1. Returns (m, steps, 2)."""
    return past[:, -1:] + np.arange(1, steps + 1)[:, None] * (past[:, -1:] - past[:, -2:-1])


def reference(predicted, true):
    """Scores of a prediction that no model makes. predicted, true: (m, T, 2) metres."""
    ade, fde = displacement(predicted, true)
    return {"minADE": ade, "minFDE": fde}
