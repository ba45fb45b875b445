"""The whole verification protocol for any world model (MoP-JEPA, "Verification Protocol").

A world model is two callables on positions, whatever is behind them:

    predict(xy (N, 2)) -> u (N, K, d) predicted next latents, pi (N, K) weights
    embed(xy (N, 2))   -> z (N, d) target latents

Both are brought to unit norm here. The truth (edges, hold-out) is only used after the model has answered.
"""

from dataclasses import dataclass

import numpy as np

from jepa.data.crossings import sample_pairs
from jepa.errors import JepaError
from jepa.evaluation import coverage, routes
from jepa.planning.graph import active_heads, decode, proposal_graph, voted_graph

COVERAGES = ("cov_r", "cov_p", "cov_r_over_shuffle_off", "cov_r_over_shuffle_permuted")


@dataclass(frozen=True)
class Contexts:
    """Logged positions at which a model is asked, besides the cell centres. All xy: (., 2) float32.

    positions, cell: up to 64 positions of every visited cell and the cell's id (`votes` readout).
    inbound: before crossings out of an inbound cell (coverage). off: before crossings out of other cells.
    permuted: for each row of inbound, the context of that row after one permutation of all crossings.
    """

    positions: np.ndarray
    cell: np.ndarray
    inbound: np.ndarray
    off: np.ndarray
    permuted: np.ndarray


def build_contexts(crossings, graph, rng, per_cell=64, inbound=512, off=512):
    """Draw the contexts of an audit from a log.

    crossings: Crossings. graph: MazeGraph. rng: numpy Generator. per_cell, inbound, off: at most so many
    visits each, drawn without replacement; of each visit one uniformly drawn step. Positions of a cell come
    from either visit of a crossing (a dead cell is never left, so it has only second visits).
    Returns Contexts.
    """

    def sources(index):
        return sample_pairs(crossings, index, rng)[0]

    def some(index, count):
        return rng.choice(index, min(count, len(index)), replace=False)

    visited = np.concatenate([crossings.source, crossings.target])  # all first visits, then all second ones
    visits = np.concatenate([some(np.flatnonzero(visited == c), per_cell) for c in range(len(graph.cells))])
    pairs = np.stack(sample_pairs(crossings, visits % len(crossings), rng))
    stochastic = np.isin(crossings.source, graph.inbound)
    chosen = some(np.flatnonzero(stochastic), inbound)
    return Contexts(
        positions=pairs[visits // len(crossings), np.arange(len(visits))],
        cell=visited[visits],
        inbound=sources(chosen),
        off=sources(some(np.flatnonzero(~stochastic), off)),
        permuted=sources(rng.permutation(len(crossings.source))[chosen]),
    )


def audit(
    predict,
    embed,
    graph,
    heldout,
    contexts,
    *,
    gate=0.5,
    match=coverage.MATCH,
):
    """Audit one world model: raw and gated readout, their variants and sweeps, and the ceilings.

    predict, embed: see the module. graph: MazeGraph. heldout: (n, n) bool. contexts: Contexts. gate: head k
    is active iff pi_k > gate / K. match: cosine of a destination match. The audit draws nothing. Returns its
    record: floats, ints, lists and dicts only, None where undefined. Raises JepaError when a callable
    returns wrong shapes or NaN.
    """
    latents = _embedded(embed, graph.centres)
    asked = {"centres": graph.centres, "positions": contexts.positions}
    if len(graph.inbound):
        asked |= {"inbound": contexts.inbound, "off": contexts.off, "permuted": contexts.permuted}
    answers = {name: _answered(predict, xy, latents.shape[1]) for name, xy in asked.items()}
    heads = answers["centres"][1].shape[1]

    def readout(level):
        return {
            **_graph_scores(answers, latents, graph, heldout, contexts.cell, level),
            **_coverage_scores(answers, latents[graph.destinations], level, match),
        }

    gated = readout(gate)
    gated["gate_sweep"] = []
    if len(graph.inbound):
        thresholds = sorted({*coverage.GATE_SWEEP, gate / heads})
        gated["gate_sweep"] = coverage.gate_sweep(
            answers["inbound"], answers["off"], latents[graph.destinations], thresholds, match
        )
    record = _record(graph, heldout)
    return record | {"K": heads, "gate": gate, "match": match, "raw": readout(None), "gated": gated}


def audit_graph(adjacency, weight, graph, heldout):
    """Audit a proposal graph that comes from no model (a control): the route metrics, raw readout only.

    adjacency: (n, n) bool without diagonal. weight: (n, n) float. Coverage and readout variants need
    predictions and are None or empty. Returns the same record as `audit`.
    """
    raw = {
        **routes.route_scores(adjacency, weight, graph, heldout),
        "n_distinct_decoded": int(adjacency.any(axis=0).sum()),
        "votes": None,
        "exclude_own": None,
        **_no_coverage(),
    }
    record = _record(graph, heldout)
    return record | {"K": None, "gate": None, "match": None, "raw": raw, "gated": None}


def _record(graph, heldout):
    """Where the audit took place, and what the hold-out split alone caps."""
    stochastic = heldout[np.ix_(graph.inbound, graph.destinations)]
    return {
        "maze": graph.name,
        "ceilings": {
            "train_graph_realroute": routes.train_graph_realroute(graph.edges, heldout),
            "gated_cov_r": coverage.gated_cov_r_ceiling(graph, heldout),
            "n_heldout": int(heldout.sum()),
            "n_heldout_teleport": int(stochastic.sum()),
        },
    }


def _graph_scores(answers, latents, graph, heldout, cell, gate):
    """Route metrics of one readout: at the centres, and the two variants (`votes`, `exclude_own`)."""
    u, pi = answers["centres"]
    active = active_heads(pi, gate)
    adjacency, weight = proposal_graph(u, pi, latents, active)
    others, _ = proposal_graph(u, pi, latents, active, exclude_own=True)
    many_u, many_pi = answers["positions"]
    voted, _ = voted_graph(many_u, many_pi, latents, active_heads(many_pi, gate), cell)
    return {
        **routes.route_scores(adjacency, weight, graph, heldout),
        "n_distinct_decoded": len(np.unique(decode(u, latents)[active])),
        "votes": routes.variant_scores(voted, graph.edges),
        "exclude_own": routes.variant_scores(others, graph.edges),
    }


def _no_coverage():
    return {**dict.fromkeys(COVERAGES), "match_sweep": []}


def _coverage_scores(answers, destinations, gate, match):
    """Coverage metrics of one readout; undefined in a maze without stochastic destinations."""
    if "inbound" not in answers:
        return _no_coverage()
    u, pi = answers["inbound"]
    active = active_heads(pi, gate)
    true = coverage.cov_r(u, active, destinations, match)

    def off_context(name):
        off_u, off_pi = answers[name]
        return coverage.cov_r(off_u, active_heads(off_pi, gate), destinations, match)

    return {
        "cov_r": true,
        "cov_p": coverage.cov_p(u, active, destinations, match),
        "cov_r_over_shuffle_off": coverage.shuffle_ratio(true, off_context("off")),
        "cov_r_over_shuffle_permuted": coverage.shuffle_ratio(true, off_context("permuted")),
        "match_sweep": coverage.match_sweep(u, active, destinations),
    }


def _unit(vectors):
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norm, 1e-12)  # the zero vector stays zero and matches nothing


def _defect(*arrays):
    return "" if all(np.isfinite(array).all() for array in arrays) else " with NaN or infinity"


def _embedded(embed, xy):
    latents = np.asarray(embed(xy), dtype=float)
    if latents.ndim != 2 or len(latents) != len(xy) or _defect(latents):
        raise JepaError(
            f"embed must return finite latents of shape ({len(xy)}, d), but returned shape {latents.shape}"
            f"{_defect(latents)}; check the encoder."
        )
    return _unit(latents)


def _answered(predict, xy, width):
    u, pi = (np.asarray(part, dtype=float) for part in predict(xy))
    fits = u.ndim == 3 and len(u) == len(xy) and u.shape[2] == width and pi.shape == u.shape[:2]
    if not fits or _defect(u, pi):
        raise JepaError(
            f"predict must return finite u of shape ({len(xy)}, K, {width}) and pi of shape ({len(xy)}, K), "
            f"but returned {u.shape} and {pi.shape}{_defect(u, pi)}; check the model."
        )
    return _unit(u), pi
