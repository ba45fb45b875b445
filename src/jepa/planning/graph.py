"""Proposal graphs: from a world model's predicted modes to a graph of cells, and searches on it.

The model is asked once per cell; each of its active heads proposes the edge from that cell to the cell
whose target latent is nearest to the prediction (MoP-JEPA Eq. 7, "Verification Protocol"). Ground truth
never enters this module.
"""

import heapq

import numpy as np

from jepa.errors import JepaError

# An edge that only heads of (nearly) no router mass propose: about 13.8 in -log units, so it is taken
# when there is no other way, and never otherwise on mazes of this size.
SMALLEST_WEIGHT = 1e-6


def active_above(pi, threshold):
    """Heads whose router mass exceeds an absolute threshold ("Coverage": the sweep t in [1/64, 1/4]).

    pi: (N, K). Returns (N, K) bool. A single head has nothing to be gated against: K = 1 is always active.
    """
    pi = np.asarray(pi)
    if pi.shape[-1] == 1:
        return np.ones(pi.shape, dtype=bool)
    return pi > threshold


def active_heads(pi, gate=None):
    """Heads that a readout may use: pi_k > gate / K ("Verification Protocol": gate = 0.5).

    pi: (N, K) router weights. gate: None is the raw readout, in which every head is active whatever its
    weight. K = 1: always active. Returns (N, K) bool.
    """
    pi = np.asarray(pi)
    if gate is None:
        return np.ones(pi.shape, dtype=bool)
    return active_above(pi, gate / pi.shape[-1])


def decode(u, z, exclude=None):
    """Nearest cell by cosine, without a threshold.

    u: (N, K, d) unit-norm predictions. z: (n, d) unit-norm target latents of the cell centres.
    exclude: None, or (N,) cell ids that the context of that row may not decode to (its own cell).
    Returns (N, K) int cell ids; ties go to the smallest id.
    """
    cosine = np.asarray(u) @ np.asarray(z).T
    if exclude is not None:
        cosine[np.arange(len(cosine)), :, np.asarray(exclude)] = -np.inf
    return cosine.argmax(axis=-1)


def proposal_graph(u, pi, z, active, exclude_own=False):
    """The graph G that the model proposes blind, asked once at each of the n cell centres.

    u: (n, K, d), or (1, K, d) / (K, d) for codes that ignore their context. pi, active: (n, K) or
    broadcastable to it. z: (n, d). exclude_own: decode among the other cells only (readout variant).
    Returns adjacency (n, n) bool without diagonal, and weight (n, n) float: the summed pi of the active
    heads that decode to that edge (0 where there is none).
    """
    cells, heads = len(z), np.shape(u)[-2]
    u = np.broadcast_to(u, (cells, heads, np.shape(u)[-1]))
    pi = np.broadcast_to(pi, (cells, heads))
    active = np.broadcast_to(active, (cells, heads))
    target = decode(u, z, np.arange(cells) if exclude_own else None)
    source = np.broadcast_to(np.arange(cells)[:, None], target.shape)
    used = active & (source != target)
    adjacency = np.zeros((cells, cells), dtype=bool)
    weight = np.zeros((cells, cells))
    adjacency[source[used], target[used]] = True
    np.add.at(weight, (source[used], target[used]), pi[used])
    return adjacency, weight


def voted_graph(u, pi, z, active, source, share=0.05):
    """The graph voted by many contexts of each cell (readout variant `votes`).

    u: (N, K, d), pi, active: (N, K), z: (n, d), source: (N,) cell that holds the context. An edge is kept
    when at least `share` of its cell's contexts propose it by an active head; a context that proposes an
    edge twice votes once. A cell without contexts proposes nothing.
    Returns adjacency (n, n) bool and weight (n, n): the mean over contexts of the summed pi.
    """
    cells = len(z)
    target = decode(u, z)
    rows = np.broadcast_to(np.arange(len(target))[:, None], target.shape)
    used = np.asarray(active) & (target != np.asarray(source)[:, None])
    mass = np.zeros((len(target), cells))
    proposed = np.zeros((len(target), cells), dtype=bool)
    np.add.at(mass, (rows[used], target[used]), np.asarray(pi)[used])
    proposed[rows[used], target[used]] = True
    of_cell = (np.arange(cells)[:, None] == np.asarray(source)).astype(float)  # (n, N)
    contexts = np.maximum(of_cell.sum(axis=1, keepdims=True), 1)
    votes = of_cell @ proposed
    adjacency = (votes > 0) & (votes / contexts >= share)
    return adjacency, np.where(adjacency, of_cell @ mass / contexts, 0.0)


def reachability(adjacency):
    """Which ordered pairs a graph connects. adjacency: (n, n) bool. Returns (n, n) bool; the diagonal is
    True (the empty path)."""
    reach = np.asarray(adjacency, dtype=bool) | np.eye(len(adjacency), dtype=bool)
    while True:
        # float matmul is BLAS; the bool one is a slow loop
        wider = reach.astype(np.float32) @ reach.astype(np.float32) > 0
        if (wider == reach).all():
            return reach
        reach = wider


def distances(adjacency):
    """Shortest-path lengths in edges. adjacency: (n, n) bool. Returns (n, n) int, 0 on the diagonal, -1
    where there is no path."""
    step = np.asarray(adjacency, dtype=np.float32)
    frontier = np.eye(len(step), dtype=bool)
    length = np.where(frontier, 0, -1)
    for depth in range(1, len(step)):
        frontier = (frontier.astype(np.float32) @ step > 0) & (length < 0)
        if not frontier.any():
            break
        length[frontier] = depth
    return length


def successor_order(adjacency, weight=None):
    """The order in which a search looks at each cell's successors, as n lists of cell ids.

    weight: None puts the smallest id first; (n, n) puts the heaviest edge first, ties by id.
    """
    order = []
    for cell, row in enumerate(np.asarray(adjacency, dtype=bool)):
        successors = np.flatnonzero(row)
        if weight is not None:
            successors = successors[np.argsort(-np.asarray(weight)[cell, successors], kind="stable")]
        order.append(successors.tolist())
    return order


def first_paths(order):
    """Breadth-first search from every cell, keeping the first-found path to each.

    order: n lists of successors in the order of exploration (`successor_order`).
    Returns parents (n, n) int: parents[s, v] is the cell before v on the path from s; -1 for v = s and
    where there is no path.
    """
    cells = len(order)
    parents = np.full((cells, cells), -1)
    for source in range(cells):
        parent = [-1] * cells
        seen = [False] * cells
        seen[source] = True
        queue = [source]
        for cell in queue:  # grows while it is read
            for successor in order[cell]:
                if not seen[successor]:
                    seen[successor] = True
                    parent[successor] = cell
                    queue.append(successor)
        parents[source] = parent
    return parents


def paths_within(parents, allowed):
    """Which of the paths of a search tree use allowed edges only.

    parents: (n, n) int from `first_paths`. allowed: (n, n) bool. Returns (n, n) bool; True on the
    diagonal, False where there is no path.
    """
    cells = len(parents)
    has_parent = parents >= 0
    before = np.where(has_parent, parents, 0)
    edge_allowed = has_parent & np.asarray(allowed)[before, np.arange(cells)]
    within = np.eye(cells, dtype=bool)
    while True:
        longer = within | (edge_allowed & np.take_along_axis(within, before, axis=1))
        if (longer == within).all():
            return within
        within = longer


def edge_costs(adjacency, weight, cost="neglogpi"):
    """Edge costs for Dijkstra's search. adjacency, weight: (n, n). Returns (n, n) float, inf off the graph.

    `neglogpi`: -log of the router mass of the edge, clipped to [1e-6, 1] (several heads can agree on an edge,
    and rounding can lift their sum above 1; a raw readout contains heads of no mass, which stay usable at
    a large finite cost). `uniform`: 1 an edge (the ablation of "Verified Planning").
    """
    adjacency = np.asarray(adjacency, dtype=bool)
    if cost == "neglogpi":
        # + 0.0 turns the -0.0 of a certain edge into 0.0
        value = -np.log(np.clip(np.asarray(weight, dtype=float), SMALLEST_WEIGHT, 1.0)) + 0.0
    elif cost == "uniform":
        value = np.ones(adjacency.shape)
    else:
        raise JepaError(f"Edge cost '{cost}' is unknown; use 'neglogpi' or 'uniform'.")
    return np.where(adjacency, value, np.inf)


def dijkstra(costs, source):
    """Cheapest paths from one cell. costs: (n, n) float >= 0, inf where there is no edge.

    Of equally cheap paths the one with fewer edges wins, then the one found through smaller ids, so that
    edges of cost 0 cause no detours and a plan is the same on every machine.
    Returns distance (n,) float, inf where unreachable, and parent (n,) int, -1 at the source and there.
    """
    cells = len(costs)
    successors = [np.flatnonzero(np.isfinite(row)).tolist() for row in costs]
    best = [(np.inf, 0)] * cells
    parent = np.full(cells, -1)
    best[source] = (0.0, 0)
    queue = [(0.0, 0, source)]
    while queue:
        distance, hops, cell = heapq.heappop(queue)
        if (distance, hops) > best[cell]:
            continue
        for successor in successors[cell]:
            candidate = (distance + float(costs[cell][successor]), hops + 1)
            if candidate < best[successor]:
                best[successor] = candidate
                parent[successor] = cell
                heapq.heappush(queue, (*candidate, successor))
    return np.array([distance for distance, _ in best]), parent


def path_to(parent, source, target):
    """The cells of a path, both ends included, from the (n,) parents of a search. Empty without a path."""
    path = [int(target)]
    while path[-1] != source:
        before = int(parent[path[-1]])
        if before < 0:
            return []
        path.append(before)
    return path[::-1]
