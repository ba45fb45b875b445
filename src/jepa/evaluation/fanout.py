"""Two-step fan-out: does a model list every cell that two crossings lead to? (MoP-JEPA Figures 2 and 3, "Evidence
Chain and Generality")

The paper gives no definitions; these are ours:

    law         of a cell a: how often the log is in c after two consecutive crossings a -> b -> c of one episode,
                neither of a held-out edge, as frequencies over c. `returns` counts c = a, `away` (headline) does not:
                a lies amid its own successors, so the mean of several of them decodes to it, and counting it would
                reward the collapse that is to be measured
    ways        number of cells c of positive frequency; cells with three or four ways are scored
    prediction  the predictor applied twice: at the centre of a, then to each predicted latent (a target latent that
                takes the place of a context). K^2 paths of weight pi_k pi_kj
    active      a path is, when both of its heads are by the protocol's gate, each in its own step
    recovered   c, when an active path decodes to it: nearest cell centre by cosine, and cos >= match

A log and a hold-out give the law, so every arm of a seed is scored at the same cells.
"""

import numpy as np

from jepa.evaluation.controls import displacement
from jepa.evaluation.coverage import MATCH, credited
from jepa.planning.graph import active_heads, decode

WAYS = (3, 4)
RARE = 0.1  # "low-probability (< 10%) successors"
LAWS = ("away", "returns")
SHOWN = 3  # cells of Figure 2
DIGITS = 4  # of recorded floats


def measure(predict, embed, follow, graph, heldout, crossings, *, gate=0.5, match=MATCH):
    """The fan-out record of one model.

    predict: xy (N, 2) -> u (N, K, d), pi (N, K). embed: xy -> z (N, d). follow: latents (N, d) -> u (N, K, d),
    pi (N, K), the predictor itself. All latents of unit norm. graph: MazeGraph. heldout: (n, n) bool. crossings:
    Crossings. gate, match: as in the audit. Returns {"maze", "K", "gate", "match", "fanout", "beliefs"}:

    fanout: {"raw" | "gated" | "displacement": {law: {"3" | "4": counts of `score`}}}; `displacement` is the control
    that learns nothing, walked twice. beliefs: {"cells": [`belief`, ...], "teleport": `branching`, or None in a maze
    without teleports}.
    """
    latents = np.asarray(embed(graph.centres))
    counts = two_step_counts(crossings, heldout)
    laws = {"away": frequencies(counts, returns=False), "returns": frequencies(counts, returns=True)}
    proposals = {"displacement": twice(displacement(graph)[0])}
    for readout, level in (("raw", None), ("gated", gate)):
        u, weight, active = two_steps(predict, follow, graph.centres, level)
        proposals[readout] = reached(u, active, latents, match)
    fanout = {
        name: {law: score(found, laws[law], twice(graph.edges), law == "returns") for law in LAWS}
        for name, found in proposals.items()
    }
    cells = shown_cells(counts, laws["away"], _can_teleport(graph, heldout))
    beliefs = [belief(cell, laws, counts, graph, latents, (u, weight, active), match) for cell in cells]
    return {
        "maze": graph.name,
        "K": int(np.shape(predict(graph.centres[:1])[1])[1]),
        "gate": gate,
        "match": match,
        "fanout": fanout,
        "beliefs": {"cells": beliefs, "teleport": branching(predict, latents, graph, heldout, crossings, gate)},
    }


def two_step_counts(crossings, heldout):
    """How often two consecutive crossings lead from a to c, neither of a held-out edge: (n, n) int.

    crossings: Crossings. heldout: (n, n) bool. Two crossings follow each other when the second visit of the one is
    the first of the other.
    """
    source, target = crossings.source, crossings.target
    kept = ~heldout[source, target]
    follows = (crossings.second_start[:-1] == crossings.first_start[1:]) & kept[:-1] & kept[1:]
    counts = np.zeros(heldout.shape, dtype=np.int64)
    np.add.at(counts, (source[:-1][follows], target[1:][follows]), 1)
    return counts


def frequencies(counts, returns):
    """The law as (n, n) float; rows sum to 1, or are 0 where the log never goes. returns: does c = a count?"""
    counts = counts.astype(float)
    if not returns:
        np.fill_diagonal(counts, 0)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def two_steps(predict, follow, xy, gate):
    """All paths of two predictions from the positions xy (N, 2); see the module. gate: None is the raw readout.

    Returns u (N, K^2, d), weight (N, K^2) and active (N, K^2) bool.
    """
    u, pi = map(np.asarray, predict(xy))
    N, K, d = u.shape
    onward, onward_pi = map(np.asarray, follow(u.reshape(N * K, d)))
    onward_pi = onward_pi.reshape(N, K, K)
    active = active_heads(pi, gate)[:, :, None] & active_heads(onward_pi, gate)
    return onward.reshape(N, K * K, d), (pi[:, :, None] * onward_pi).reshape(N, -1), active.reshape(N, -1)


def reached(u, active, latents, match=MATCH):
    """Cells to which the active paths of each context decode: (N, n) bool. u: (N, P, d). latents: (n, d)."""
    cell = np.where(active, credited(u, latents, match), -1)
    found = np.zeros((len(cell), len(latents) + 1), dtype=bool)
    found[np.arange(len(cell))[:, None], cell] = True  # -1, no cell, is the last column
    return found[:, :-1]


def twice(adjacency):
    """Where two steps in a graph lead: (n, n) bool to (n, n) bool."""
    step = np.asarray(adjacency, dtype=np.float32)
    return step @ step > 0


def score(found, law, true, returns):
    """Counts for cells with three and with four ways, to be pooled over cells, mazes or seeds before they are divided.

    found: (n, n) bool, the proposal. law: (n, n) frequencies. true: (n, n) bool, reached by two true transitions.
    returns: does the start count? Returns {"3": {"cells", "successors", "recovered", "rare", "rare_recovered",
    "complete", "proposed", "real"}, "4": ...}: `rare` successors have a frequency below RARE, `complete` cells all of
    their successors recovered, `real` proposals are two true transitions away, held out or not.
    """
    proposed = found if returns else found & ~np.eye(len(found), dtype=bool)
    ways = (law > 0).sum(axis=1)
    result = {}
    for number in WAYS:
        cells = ways == number
        valid, asked = law[cells] > 0, proposed[cells]
        rare = valid & (law[cells] < RARE)
        parts = {
            "cells": cells,
            "successors": valid,
            "recovered": valid & asked,
            "rare": rare,
            "rare_recovered": rare & asked,
            "complete": (asked | ~valid).all(axis=1),
            "proposed": asked,
            "real": asked & true[cells],
        }
        result[str(number)] = {name: int(part.sum()) for name, part in parts.items()}
    return result


def shown_cells(counts, law, teleporting):
    """The cells of Figure 2, at most three and all of three or four ways, by rule and for every arm alike.

    The most visited cell of four ways, the most visited of three, the most visited from which a teleport is one of
    the two crossings; where there is none, the most visited that is left. counts: (n, n) int. law: (n, n), `away`.
    teleporting: (n,) bool.
    """
    ways = (law > 0).sum(axis=1)
    order = [cell for cell in np.argsort(-counts.sum(axis=1), kind="stable").tolist() if ways[cell] in WAYS]
    chosen = []
    for wanted in (ways == 4, ways == 3, teleporting, *[ways > 0] * SHOWN):
        left = [cell for cell in order if wanted[cell] and cell not in chosen]
        chosen += left[:1]
    return chosen[:SHOWN]


def _can_teleport(graph, heldout):
    inbound = np.isin(np.arange(len(graph.cells)), graph.inbound)
    return inbound | ((graph.edges & ~heldout)[:, inbound]).any(axis=1)


def belief(cell, laws, counts, graph, latents, paths, match):
    """What Figure 2 shows of one cell, in the plane of its true successors' latents.

    paths: (u, weight, active) of `two_steps`. Returns {"cell", "visits", "successors": [{"cell", "frequency", "x",
    "y"}], "paths": [{"cell", "weight", "x", "y"}]}. Successors are those of the law `away` and the cell itself where
    the log returns to it; frequencies count returns. Paths are the active ones; `cell` is None below `match`.
    """
    u, weight, active = (part[cell] for part in paths)
    away = np.flatnonzero(laws["away"][cell])
    origin, axes = plane(latents[away], graph.centres[away])
    shown = np.flatnonzero(laws["returns"][cell])
    pins, points = (latents[shown] - origin) @ axes, (u[active] - origin) @ axes
    decoded = credited(u[active][None], latents, match)[0]
    return {
        "cell": int(cell),
        "visits": int(counts[cell].sum()),
        "successors": [
            {"cell": int(c), "frequency": _round(laws["returns"][cell, c])} | _at(pin)
            for c, pin in zip(shown, pins, strict=True)
        ],
        "paths": [
            {"cell": int(c) if c >= 0 else None, "weight": _round(w)} | _at(point)
            for c, w, point in zip(decoded, weight[active], points, strict=True)
        ],
    }


def plane(latents, centres):
    """The plane that the latents of m >= 3 cells span best: origin (d,) and two orthonormal axes (d, 2).

    The first two principal directions, turned and mirrored within the plane so that the cells lie as they do in the
    maze, as far as possible (orthogonal Procrustes): planes of different encoders then look alike.
    latents: (m, d). centres: (m, 2).
    """
    origin = latents.mean(axis=0)
    axes = np.linalg.svd(latents - origin, full_matrices=False)[2][:2].T
    left, _, right = np.linalg.svd(((latents - origin) @ axes).T @ (centres - centres.mean(axis=0)))
    return origin, axes @ left @ right


def branching(predict, latents, graph, heldout, crossings, gate):
    """What Figure 3 shows: one prediction at the centre of a teleporting cell; None in a maze without.

    The cell: of the inbound ones the one from which training saw most destinations, then most crossings. Returns
    {"cell", "successors": [{"cell", "frequency"}], "heads": [{"cell", "cosine", "weight"}], "cosine": [n floats]}:
    frequencies of the training crossings out of the cell; the active heads, decoded without a threshold; and for each
    cell of the maze the highest cosine that an active head has with its latent.
    """
    if not len(graph.inbound):
        return None
    seen = np.zeros(graph.edges.shape, dtype=np.int64)
    np.add.at(seen, (crossings.source, crossings.target), 1)
    seen[heldout] = 0
    cell = max(graph.inbound, key=lambda c: ((seen[c, graph.destinations] > 0).sum(), seen[c].sum()))
    u, pi = map(np.asarray, predict(graph.centres[[cell]]))
    active = active_heads(pi, gate)[0]
    cosine = u[0, active] @ latents.T
    heads = zip(decode(u, latents)[0, active], cosine.max(axis=1), pi[0, active], strict=True)
    successors = np.flatnonzero(seen[cell])
    return {
        "cell": int(cell),
        "successors": [{"cell": int(c), "frequency": _round(seen[cell, c] / seen[cell].sum())} for c in successors],
        "heads": [{"cell": int(c), "cosine": _round(cos), "weight": _round(w)} for c, cos, w in heads],
        "cosine": [_round(value) for value in cosine.max(axis=0)] if active.any() else None,
    }


def _at(point):
    return {"x": _round(point[0]), "y": _round(point[1])}


def _round(value):
    return round(float(value), DIGITS)
