"""Stand-in world models and logs for tests: latents are one-hot cells, so predictions are known exactly."""

import numpy as np

from jepa.data.crossings import extract
from jepa.evaluation.audit import Contexts


def split(graph, seed, share=0.2):
    """A hold-out of round(share |E|) true edges, (n, n) bool."""
    true = np.flatnonzero(graph.edges)
    heldout = np.zeros_like(graph.edges)
    heldout.flat[np.random.default_rng(seed).choice(true, round(share * len(true)), replace=False)] = True
    return heldout


def embed_of(graph):
    """xy (N, 2) -> one-hot latent of the cell, (N, n)."""
    return lambda xy: np.eye(len(graph.cells))[graph.cell_of(xy)]


def knowing(graph, edges, heads=8):
    """A model that proposes exactly `edges`: one head a successor, idle heads stay in place with weight 0."""
    cells = len(graph.cells)
    target = np.repeat(np.arange(cells)[:, None], heads, axis=1)
    pi = np.zeros((cells, heads))
    for cell in range(cells):
        successors = np.flatnonzero(edges[cell])
        target[cell, : len(successors)] = successors
        pi[cell, : len(successors)] = 1 / max(len(successors), 1)

    def predict(xy):
        cell = graph.cell_of(xy)
        return np.eye(cells)[target[cell]], pi[cell]

    return predict


def codebook(graph, codes):
    """A model that ignores its context: the same cells everywhere, equally weighted."""

    def predict(xy):
        u = np.broadcast_to(np.eye(len(graph.cells))[codes], (len(xy), len(codes), len(graph.cells)))
        return u, np.full(u.shape[:2], 1 / len(codes))

    return predict


def centre_contexts(graph):
    """Contexts at the centres only, each cell once, both inbound cells equally often."""
    everywhere = np.arange(len(graph.cells))
    others = np.setdiff1d(everywhere, graph.inbound)
    return Contexts(
        positions=graph.centres,
        cell=everywhere,
        inbound=graph.centres[graph.inbound],
        off=graph.centres[others],
        permuted=graph.centres[others[: len(graph.inbound)]],
    )


def random_walk_log(graph, rng, episodes=40, steps=400):
    """Crossings of a random walk on the true graph that changes the cell with probability 1/2 a step."""
    observations = np.empty((episodes * steps, 2))
    terminals = np.zeros(episodes * steps, dtype=bool)
    for episode in range(episodes):
        cell = int(rng.integers(len(graph.cells)))
        for step in range(steps):
            successors = np.flatnonzero(graph.edges[cell])
            if len(successors) and rng.random() < 0.5:
                cell = int(rng.choice(successors))
            observations[episode * steps + step] = graph.centres[cell] + rng.uniform(-1.9, 1.9, 2)
        terminals[(episode + 1) * steps - 1] = True
    return extract(observations, terminals, graph)
