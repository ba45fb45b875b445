"""Coverage of the stochastic destinations, and the tests that keep it honest (MoP-JEPA, "Verification
Protocol" and "Coverage of Stochastic Dynamics").

Everywhere: u (N, K, d) unit-norm predictions at N contexts; active (N, K) bool, the heads that the readout
may use; destinations (q, d) unit-norm target latents of the q stochastic destinations. A rate over nothing is
None.
"""

import numpy as np

from jepa.planning.graph import active_above

MATCH = 0.65  # a head matches a destination from this cosine on
MATCH_SWEEP = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
GATE_SWEEP = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4)  # absolute thresholds on pi, "t in [1/64, 1/4]"


def credited(u, destinations, match=MATCH):
    """Exclusive matching: a head is credited with its nearest destination only, and only if cos >= match.

    A head between two destinations therefore covers one at most, and with one head COV-R = COV-P / q.
    Returns (N, K) int, the destination's index or -1.
    """
    cosine = np.asarray(u) @ np.asarray(destinations).T
    return np.where(cosine.max(axis=-1) >= match, cosine.argmax(axis=-1), -1)


def cov_r(u, active, destinations, match=MATCH):
    """COV-R: mean over contexts of the share of destinations credited to some active head.

    COV-R = (1 / (N q)) sum_n |{credit(n, k): k active} \\ {-1}|. A gated context without an active head
    covers nothing and counts as 0.
    """
    credit = np.where(active, credited(u, destinations, match), -1)
    covered = (credit[:, :, None] == np.arange(len(destinations))).any(axis=1)  # (N, q)
    # counts, not means: an input-agnostic model then scores the same to the last bit on any contexts
    return float(covered.sum()) / covered.size if covered.size else None


def cov_p(u, active, destinations, match=MATCH):
    """COV-P: share of active heads, pooled over contexts, that are credited with some destination.

    COV-P = |{(n, k) active: credit(n, k) >= 0}| / |{(n, k) active}|. A context without an active head is in
    neither count; None when no context has one.
    """
    heads = int(np.sum(active))
    return float((active & (credited(u, destinations, match) >= 0)).sum()) / heads if heads else None


def shuffle_ratio(cov_true, cov_off):
    """COV-R on true contexts / COV-R of the same destinations on off-context inputs.

    1 means that the context was not used (the codebook); None where the off-context coverage is 0 or
    undefined.
    """
    return cov_true / cov_off if cov_true is not None and cov_off else None


def match_sweep(u, active, destinations, matches=MATCH_SWEEP):
    """COV-R and COV-P at each matching cosine. Returns a list of {"match", "cov_r", "cov_p"}."""
    return [
        {
            "match": float(match),
            "cov_r": cov_r(u, active, destinations, match),
            "cov_p": cov_p(u, active, destinations, match),
        }
        for match in matches
    ]


def gate_sweep(true, off, destinations, thresholds=GATE_SWEEP, match=MATCH):
    """Coverage at absolute thresholds t on pi ("Coverage": verdicts must not hang on the gate).

    true, off: pairs (u (N, K, d), pi (N, K)) at the true and at the off-context inputs. t = gate / K is the
    default readout. Returns a list of {"gate": t, "cov_r", "cov_p", "shuffle_off"}; shuffle_off is the
    COV-R on the off-context inputs, the paper's shuffle leakage.
    """
    sweep = []
    for threshold in thresholds:
        active = active_above(true[1], threshold)
        sweep.append(
            {
                "gate": float(threshold),
                "cov_r": cov_r(true[0], active, destinations, match),
                "cov_p": cov_p(true[0], active, destinations, match),
                "shuffle_off": cov_r(off[0], active_above(off[1], threshold), destinations, match),
            }
        )
    return sweep


def gated_cov_r_ceiling(graph, heldout):
    """COV-R of a perfect gated model without the held-out edges: 1 - (#held-out stochastic edges) / (m q).

    graph: MazeGraph with m inbound cells and q destinations (m q = 6 on teleport). heldout: (n, n) bool.
    None in a maze without stochastic destinations.
    """
    stochastic = heldout[np.ix_(graph.inbound, graph.destinations)]
    return 1.0 - float(stochastic.sum()) / stochastic.size if stochastic.size else None
