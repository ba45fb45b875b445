"""Facts about graphs that learn nothing: how far they get is how little a metric asks."""

import numpy as np
import pytest

from jepa.envs.point_maze import MAZES, maze_graph
from jepa.errors import JepaError
from jepa.evaluation import controls as c
from jepa.evaluation import routes as r
from worlds import random_walk_log, split

mazes = pytest.mark.parametrize("maze", MAZES)


def counts_of(graph, seed=0):
    """Crossing counts, 1 to 50 on every true edge."""
    return np.where(graph.edges, np.random.default_rng(seed).integers(1, 51, graph.edges.shape), 0)


@mazes
def test_four_displacements_win_realroute_without_learning(maze):
    """The reason why firstpath and precision stand beside realroute."""
    graph = maze_graph(maze)
    adjacency, weight = c.displacement(graph)
    assert r.plan_all(adjacency, graph.edges) == 1.0
    assert r.realroute(adjacency, graph.edges) >= 0.97
    assert 0.70 <= r.precision(adjacency, graph.edges) <= 0.76
    assert 0.30 <= r.firstpath(adjacency, graph.edges) <= 0.50
    assert not adjacency.diagonal().any() and not weight[~adjacency].any() and weight.sum(axis=1).max() <= 1


@mazes
def test_displacements_propose_every_walk_and_no_teleport(maze):
    graph = maze_graph(maze)
    adjacency, _ = c.displacement(graph)
    assert (adjacency | ~graph.adjacent).all()
    jumps = graph.edges & ~graph.adjacent
    assert not (adjacency & jumps).any()


@mazes
def test_training_edges_and_their_reverses_beat_the_ceiling_by_far(maze):
    graph = maze_graph(maze)
    symmetric, ceiling = [], []
    for seed in range(50):
        heldout = split(graph, seed)
        symmetric.append(r.realroute(c.symmetrised(graph, heldout)[0], graph.edges))
        ceiling.append(r.train_graph_realroute(graph.edges, heldout))
        assert symmetric[-1] >= ceiling[-1]
    assert 0.82 <= np.mean(symmetric) <= 0.97 and np.mean(symmetric) > np.mean(ceiling) + 0.3


@mazes
def test_the_training_oracle_is_precise_and_meets_the_ceiling(maze):
    graph = maze_graph(maze)
    heldout = split(graph, 1)
    adjacency, weight = c.train_edges(graph, heldout)
    scores = r.route_scores(adjacency, weight, graph, heldout)
    assert scores["precision"] == scores["recall_train"] == 1.0 and scores["recall_heldout"] == 0.0
    assert scores["realroute"] == scores["firstpath"] == r.train_graph_realroute(graph.edges, heldout)


def test_unobserved_edges_are_not_trainable():
    graph = maze_graph("medium-stitch")
    heldout, counts = split(graph, 0), counts_of(graph)
    rare = np.argwhere(graph.edges & ~heldout)[0]
    counts[tuple(rare)] = 0
    assert c.trainable_edges(graph, heldout)[tuple(rare)]
    assert not c.trainable_edges(graph, heldout, counts)[tuple(rare)]
    assert not c.symmetrised(graph, heldout, counts)[0][heldout & ~graph.edges.T].any()


def test_a_logged_shortcut_that_is_no_true_edge_is_not_trainable():
    graph = maze_graph("medium-stitch")
    counts = counts_of(graph)
    counts[~graph.edges] = 1000  # walkers cut corners
    heldout = split(graph, 0)
    for adjacency, _ in (c.train_edges(graph, heldout, counts), c.majority(graph, heldout, counts)):
        assert not (adjacency & ~graph.edges).any()


@mazes
def test_the_majority_edge_has_one_successor_a_cell_and_hardly_plans(maze):
    graph = maze_graph(maze)
    heldout, counts = split(graph, 0), counts_of(graph)
    adjacency, weight = c.majority(graph, heldout, counts)
    trainable = c.trainable_edges(graph, heldout, counts)
    assert (adjacency.sum(axis=1) == trainable.any(axis=1)).all()
    for cell in np.flatnonzero(trainable.any(axis=1)):
        chosen = counts[cell][adjacency[cell]]
        assert chosen == counts[cell][trainable[cell]].max()
    assert r.precision(adjacency, graph.edges) == 1.0 and r.realroute(adjacency, graph.edges) < 0.25
    assert weight.max() == 1.0


def test_a_cell_without_training_crossings_has_no_majority():
    graph = maze_graph("teleport")
    adjacency, weight = c.majority(graph, graph.edges, counts_of(graph))
    assert not adjacency.any() and not weight.any()


def test_a_control_is_known_by_its_name_or_refused():
    graph = maze_graph("medium-stitch")
    with pytest.raises(JepaError, match="'oracle' is unknown; allowed are displacement"):
        c.control_graph("oracle", graph, np.zeros_like(graph.edges), None)


def test_crossings_are_counted_by_ordered_pair():
    graph = maze_graph("medium-stitch")
    log = random_walk_log(graph, np.random.default_rng(0), episodes=3)
    counts = c.crossing_counts(log, graph)
    assert counts.sum() == len(log) and not counts[~graph.edges].any()
    assert counts[log.source[0], log.target[0]] == np.sum((log.source == log.source[0]) & (log.target == log.target[0]))
