"""Proposal graphs that learn nothing, and the truth: the rows that every planning table needs.

realroute as the paper words it can be won without a model, so each learned arm is printed beside these.
A control is (adjacency (n, n) bool, weight (n, n) float), like a model's proposal, and goes through the same
scores. Where a control has no weights of its own, the successors of a cell share 1 equally.
"""

import numpy as np

from jepa.errors import JepaError
from jepa.planning.routing import equal_weights

DISPLACEMENTS = np.array([(-1, 0), (0, -1), (0, 1), (1, 0)])  # one cell up, left, right, down in (i, j)


def trainable_edges(graph, heldout, counts=None):
    """True edges that training could see: not held out and, when counts are given, observed at least once.

    graph: MazeGraph. heldout: (n, n) bool. counts: None or (n, n) int logged crossings.
    """
    edges = graph.edges & ~heldout
    return edges if counts is None else edges & (np.asarray(counts) > 0)


def crossing_counts(crossings, graph):
    """Logged crossings of each ordered pair of cells, (n, n) int. crossings: Crossings."""
    counts = np.zeros(graph.edges.shape, dtype=np.int64)
    np.add.at(counts, (crossings.source, crossings.target), 1)
    return counts


def displacement(graph):
    """Four codes "+-1 cell", the same in every context, each decoded to the nearest free cell.

    It knows the maze's free cells and nothing of its walls or its log. Distances are taken between integer
    (i, j), so ties (a displacement into a wall is as near to its own cell as to the cells around the wall)
    are exact; they go to the smallest cell id, and a code that decodes to its own cell proposes nothing.
    The rule matters: were the own cell to win its ties, the proposal would be the true walk graph itself.
    """
    cells = np.asarray(graph.cells)
    moved = cells[:, None, :] + DISPLACEMENTS  # (n, 4, 2)
    gap = ((moved[:, :, None, :] - cells) ** 2).sum(axis=-1)  # (n, 4, n)
    target = gap.argmin(axis=-1)
    weight = np.zeros((len(cells), len(cells)))
    np.add.at(weight, (np.arange(len(cells))[:, None], target), 1 / len(DISPLACEMENTS))
    np.fill_diagonal(weight, 0)
    return weight > 0, weight


def symmetrised(graph, heldout, counts=None):
    """Training edges and their reverses: the guess "what I crossed I can cross back"."""
    edges = trainable_edges(graph, heldout, counts)
    adjacency = edges | edges.T
    return adjacency, equal_weights(adjacency)


def train_edges(graph, heldout, counts=None):
    """The training-edge oracle: exactly the transitions of the training log."""
    adjacency = trainable_edges(graph, heldout, counts)
    return adjacency, equal_weights(adjacency)


def majority(graph, heldout, counts):
    """Of each cell the most frequent training successor only: the best one-output model.

    counts: (n, n) int logged crossings. Ties go to the smallest id; a cell without training crossings
    proposes nothing.
    """
    seen = np.where(trainable_edges(graph, heldout, counts), counts, 0)
    adjacency = np.zeros(seen.shape, dtype=bool)
    adjacency[np.arange(len(seen)), seen.argmax(axis=1)] = True
    adjacency &= seen > 0
    return adjacency, equal_weights(adjacency)


CONTROLS = {
    "displacement": lambda graph, heldout, counts: displacement(graph),
    "symmetrised": symmetrised,
    "train-edges": train_edges,
    "majority": majority,
}


def control_graph(name, graph, heldout, crossings):
    """(adjacency, weight) of a control by its name in the results folder. Raises JepaError for another name."""
    if name not in CONTROLS:
        raise JepaError(f"control {name!r} is unknown; allowed are {', '.join(CONTROLS)}.")
    return CONTROLS[name](graph, heldout, crossing_counts(crossings, graph))
