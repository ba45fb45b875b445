"""Routes through a proposal graph, and what is true of them (MoP-JEPA, "Verification Protocol").

Everywhere: adjacency (n, n) bool is the model's proposal G, proposed blind; edges (n, n) bool is the truth
E, used to check and to choose the pairs that are scored; heldout (n, n) bool is the subset of E that was
kept out of training. The pairs are P = {(a, b): a != b, E connects a to b}: n (n - 1) of them
where the maze is strongly connected, (n - 1)^2 on teleport, whose dead cell leads nowhere. A rate over no
cases is None.
"""

import numpy as np

from jepa.planning.graph import distances, first_paths, paths_within, reachability, successor_order


def share(hits, cases):
    """hits / cases as a float; None when there are no cases."""
    return float(hits) / float(cases) if cases else None


def connected_pairs(edges):
    """The scored pairs P. edges: (n, n) bool. Returns (n, n) bool, False on the diagonal."""
    return reachability(edges) & ~np.eye(len(edges), dtype=bool)


def connected_share(adjacency, pairs):
    """|{(a, b) in pairs: adjacency connects a to b}| / |pairs|. Both (n, n) bool."""
    return share((reachability(adjacency) & pairs).sum(), pairs.sum())


def plan_all(adjacency, edges):
    """planAll: share of P that G connects ("Verification Protocol": model-internal searchability)."""
    return connected_share(adjacency, connected_pairs(edges))


def realroute(adjacency, edges):
    """realroute: share of P that the intersection of G and E connects ("Verification Protocol": a route made
    entirely of real transitions exists inside the blind proposal)."""
    return connected_share(adjacency & edges, connected_pairs(edges))


def official_goal(adjacency, tasks):
    """Official-goal success: share of the environment's (init, goal) tasks that G connects ("Verification
    Protocol"). tasks: (T, 2) cell ids."""
    reach = reachability(adjacency)
    return share(sum(reach[init, goal] for init, goal in tasks), len(tasks))


def realroute_found(adjacency, weight, edges):
    """Share of P whose breadth-first path in G, heaviest edge first, has real edges only.

    The published realroute values lie nearer to this than to `realroute`; both are printed.
    """
    return _found(adjacency, edges, successor_order(adjacency, weight))


def firstpath(adjacency, edges):
    """Share of P whose breadth-first path in G, smallest successor id first, has real edges only (ours: the
    route that a planner without weights would take)."""
    return _found(adjacency, edges, successor_order(adjacency))


def _found(adjacency, edges, order):
    pairs = connected_pairs(edges)
    return share((paths_within(first_paths(order), edges) & pairs).sum(), pairs.sum())


def split_by_need(adjacency, edges, heldout):
    """realroute apart for pairs that need a held-out edge and pairs that do not (ours).

    A pair of P is new when E without the held-out edges does not connect it, else known.
    Returns {"realroute_new", "realroute_known"}.
    """
    pairs, known = connected_pairs(edges), reachability(edges & ~heldout)
    return {
        "realroute_new": connected_share(adjacency & edges, pairs & ~known),
        "realroute_known": connected_share(adjacency & edges, pairs & known),
    }


def precision(adjacency, edges):
    """Transition precision |G and E| / |G| ("Verification Protocol"). None for a graph without edges: it
    proposes nothing false and nothing true."""
    return share((adjacency & edges).sum(), adjacency.sum())


def recall(adjacency, edges):
    """Edge recall |G and E| / |E|; `edges` may be the training or the held-out edges alone."""
    return share((adjacency & edges).sum(), edges.sum())


def by_distance(adjacency, edges):
    """realroute and planAll by the true shortest-path distance of the goal (Fig. 7).

    Returns a list of {"d", "n", "realroute", "plan_all"}, one for every distance that occurs; n counts pairs.
    """
    length = distances(edges)
    real, found = reachability(adjacency & edges), reachability(adjacency)
    curve = []
    for d in range(1, int(length.max(initial=0)) + 1):
        pairs = length == d
        count = int(pairs.sum())
        curve.append(
            {
                "d": d,
                "n": count,
                "realroute": share((real & pairs).sum(), count),
                "plan_all": share((found & pairs).sum(), count),
            }
        )
    return curve


def train_graph_realroute(edges, heldout):
    """The realroute of the graph of all true edges that were not held out: what a model that proposes
    exactly its training transitions can reach, and the ceiling of every graph inside it."""
    return realroute(edges & ~heldout, edges)


def route_scores(adjacency, weight, graph, heldout):
    """Every route metric of one proposal graph.

    adjacency (n, n) bool, weight (n, n) float: the proposal. graph: MazeGraph (edges and tasks are read).
    heldout: (n, n) bool. Returns a dict of floats (None where undefined), ints and the distance curve.
    """
    edges = graph.edges
    searchable = plan_all(adjacency, edges)
    return {
        "plan_all": searchable,
        "found_rate": searchable,  # the paper's other name for it ("Adjudication")
        "official_goal": official_goal(adjacency, graph.tasks),
        "realroute": realroute(adjacency, edges),
        "realroute_found": realroute_found(adjacency, weight, edges),
        "firstpath": firstpath(adjacency, edges),
        **split_by_need(adjacency, edges, heldout),
        "precision": precision(adjacency, edges),
        "recall_train": recall(adjacency, edges & ~heldout),
        "recall_heldout": recall(adjacency, edges & heldout),
        "n_edges": int(adjacency.sum()),
        "distance": by_distance(adjacency, edges),
    }


def variant_scores(adjacency, edges):
    """The three numbers that are printed for a readout variant: planAll, realroute, precision."""
    return {
        "plan_all": plan_all(adjacency, edges),
        "realroute": realroute(adjacency, edges),
        "precision": precision(adjacency, edges),
    }
