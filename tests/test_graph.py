"""Facts about proposal graphs and the searches on them."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import shortest_path

from jepa.errors import JepaError
from jepa.planning import graph as g


def random_graph(seed, cells=12, density=0.15):
    adjacency = np.random.default_rng(seed).random((cells, cells)) < density
    np.fill_diagonal(adjacency, False)
    return adjacency


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


seeds = st.integers(0, 2**32 - 1)


def test_gate_is_half_of_the_uniform_weight():
    pi = np.array([[0.7, 0.1249, 0.1251, 0.05]])
    assert g.active_heads(pi, 0.5).tolist() == [[True, False, True, False]]
    assert g.active_heads(pi, None).all()


def test_a_single_head_is_always_active():
    assert g.active_heads(np.zeros((3, 1)), 0.5).all()
    assert g.active_above(np.zeros((3, 1)), 0.25).all()


def test_raw_readout_uses_heads_of_zero_weight():
    assert g.active_heads(np.zeros((2, 4))).all()


def test_decode_is_the_nearest_latent_without_threshold():
    z = np.eye(3)
    u = unit(np.array([[[1.0, 0.9, 0.0], [-1.0, -1.0, -0.9]]]))
    assert g.decode(u, z).tolist() == [[0, 2]]
    assert g.decode(u, z, exclude=[0]).tolist() == [[1, 2]]


def test_own_cell_edges_are_dropped_and_weights_add_up():
    z = np.eye(3)
    u = np.eye(3)[[[0, 1, 1], [1, 1, 1], [0, 0, 1]]]
    pi = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.25, 0.25, 0.5]])
    adjacency, weight = g.proposal_graph(u, pi, z, np.ones((3, 3), dtype=bool))
    assert adjacency.tolist() == [[False, True, False], [False, False, False], [True, True, False]]
    assert weight == pytest.approx(np.array([[0, 0.5, 0], [0, 0, 0], [0.5, 0.5, 0]]))


def test_codes_without_context_are_proposed_by_every_cell():
    z = np.eye(5)
    adjacency, weight = g.proposal_graph(z[[1, 3]], np.array([0.25, 0.75]), z, np.array([True, True]))
    assert adjacency[:, 1].sum() == adjacency[:, 3].sum() == 4
    assert adjacency.sum() == 8
    assert weight[0].tolist() == [0, 0.25, 0, 0.75, 0]


@given(seeds)
def test_the_order_of_heads_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    u, z = unit(rng.normal(size=(6, 5, 4))), unit(rng.normal(size=(6, 4)))
    pi = rng.dirichlet(np.ones(5), size=6)
    order = rng.permutation(5)
    for gate in (None, 0.5):
        first = g.proposal_graph(u, pi, z, g.active_heads(pi, gate))
        second = g.proposal_graph(u[:, order], pi[:, order], z, g.active_heads(pi[:, order], gate))
        assert (first[0] == second[0]).all()
        assert first[1] == pytest.approx(second[1])


@given(seeds, st.integers(1, 9), st.integers(1, 6), st.integers(1, 5))
def test_gating_only_removes_edges(seed, cells, heads, width):
    rng = np.random.default_rng(seed)
    u, z = unit(rng.normal(size=(cells, heads, width))), unit(rng.normal(size=(cells, width)))
    pi = rng.dirichlet(np.ones(heads), size=cells)
    raw, weight = g.proposal_graph(u, pi, z, g.active_heads(pi))
    gated, gated_weight = g.proposal_graph(u, pi, z, g.active_heads(pi, 0.5))
    assert raw.shape == weight.shape == (cells, cells)
    assert not raw.diagonal().any()
    assert not (gated & ~raw).any()
    assert (gated_weight <= weight + 1e-12).all()
    assert (weight[~raw] == 0).all() and np.isfinite(weight).all()


def test_a_vote_needs_five_percent_of_the_cells_contexts():
    z = np.eye(3)
    contexts = 40
    target = np.ones((contexts, 1), dtype=int)
    target[:1] = 2  # 1 of 40 is 2.5 %
    pi, active = np.ones((contexts, 1)), np.ones((contexts, 1), dtype=bool)
    source = np.zeros(contexts, dtype=int)
    assert np.argwhere(g.voted_graph(z[target], pi, z, active, source)[0]).tolist() == [[0, 1]]
    target[:2] = 2  # 2 of 40 is 5 %
    adjacency, weight = g.voted_graph(z[target], pi, z, active, source)
    assert adjacency[0].tolist() == [False, True, True]
    assert weight[0] == pytest.approx([0, 0.95, 0.05])


def test_with_one_context_a_cell_the_vote_is_the_proposal():
    rng = np.random.default_rng(0)
    u, z = unit(rng.normal(size=(6, 5, 4))), unit(rng.normal(size=(6, 4)))
    pi = rng.dirichlet(np.ones(5), size=6)
    active = g.active_heads(pi, 0.5)
    voted = g.voted_graph(u, pi, z, active, np.arange(6))
    proposed = g.proposal_graph(u, pi, z, active)
    assert (voted[0] == proposed[0]).all() and voted[1] == pytest.approx(proposed[1])


def test_a_cell_without_contexts_votes_for_nothing():
    z = np.eye(3)
    adjacency, _ = g.voted_graph(z[[[1]]], np.ones((1, 1)), z, np.ones((1, 1), dtype=bool), np.array([0]))
    assert adjacency.sum() == 1 and adjacency[0, 1]


@given(seeds, st.floats(0, 0.5))
def test_reachability_and_distances_agree_with_scipy(seed, density):
    adjacency = random_graph(seed, density=density)
    expected = shortest_path(adjacency, unweighted=True)
    assert (g.distances(adjacency) == np.where(np.isfinite(expected), expected, -1)).all()
    assert (g.reachability(adjacency) == np.isfinite(expected)).all()


@given(seeds, st.floats(0, 0.5))
def test_first_found_paths_are_shortest_paths(seed, density):
    adjacency = random_graph(seed, density=density)
    parents = g.first_paths(g.successor_order(adjacency, np.random.default_rng(seed).random(adjacency.shape)))
    length = g.distances(adjacency)
    for source in range(len(adjacency)):
        for target in range(len(adjacency)):
            path = g.path_to(parents[source], source, target)
            assert len(path) == length[source, target] + 1
            assert all(adjacency[a, b] for a, b in zip(path, path[1:], strict=False))


def test_of_equally_short_paths_the_order_of_successors_decides():
    adjacency = np.zeros((4, 4), dtype=bool)
    adjacency[0, [1, 2]] = adjacency[[1, 2], 3] = True
    weight = np.zeros((4, 4))
    weight[0] = [0, 0.2, 0.8, 0]
    assert g.path_to(g.first_paths(g.successor_order(adjacency))[0], 0, 3) == [0, 1, 3]
    assert g.path_to(g.first_paths(g.successor_order(adjacency, weight))[0], 0, 3) == [0, 2, 3]


def test_equal_weights_fall_back_to_the_smallest_id():
    adjacency = ~np.eye(5, dtype=bool)
    assert g.successor_order(adjacency, np.ones((5, 5))) == g.successor_order(adjacency)


@given(seeds, st.floats(0, 0.5), st.floats(0, 1))
def test_a_path_is_within_when_each_of_its_edges_is(seed, density, share):
    adjacency = random_graph(seed, density=density)
    allowed = np.random.default_rng(seed).random(adjacency.shape) < share
    parents = g.first_paths(g.successor_order(adjacency))
    within = g.paths_within(parents, allowed)
    for source in range(len(adjacency)):
        for target in range(len(adjacency)):
            path = g.path_to(parents[source], source, target)
            steps = zip(path, path[1:], strict=False)
            assert within[source, target] == (bool(path) and all(allowed[a, b] for a, b in steps))


def test_all_pairs_of_a_dense_graph_take_under_50_ms():
    adjacency = ~np.eye(46, dtype=bool)
    weight = np.random.default_rng(0).random(adjacency.shape)
    g.first_paths(g.successor_order(adjacency, weight))
    elapsed = []
    for _ in range(5):
        start = time.perf_counter()
        g.first_paths(g.successor_order(adjacency, weight))
        elapsed.append(time.perf_counter() - start)
    assert min(elapsed) < 0.05


def test_costs_are_finite_on_the_graph_and_infinite_off_it():
    adjacency = random_graph(3)
    weight = np.where(adjacency, np.random.default_rng(3).random(adjacency.shape) * 1.2, 0)
    weight[tuple(np.argwhere(adjacency)[0])] = 0.0  # a head of no router mass
    costs = g.edge_costs(adjacency, weight)
    assert np.isfinite(costs[adjacency]).all() and (costs[adjacency] >= 0).all()
    assert np.isinf(costs[~adjacency]).all()
    assert costs[tuple(np.argwhere(adjacency)[0])] == pytest.approx(13.8, abs=0.1)
    assert (g.edge_costs(adjacency, weight, "uniform")[adjacency] == 1).all()


def test_an_unknown_cost_is_explained():
    with pytest.raises(JepaError, match="neglogpi"):
        g.edge_costs(np.ones((2, 2), dtype=bool), np.ones((2, 2)), "euclid")


def test_the_likelier_long_way_beats_the_unlikely_short_one():
    adjacency = np.zeros((3, 3), dtype=bool)
    adjacency[0, [1, 2]] = adjacency[1, 2] = True
    weight = np.array([[0, 0.9, 0.1], [0, 0, 0.9], [0, 0, 0]])
    for cost, path in (("neglogpi", [0, 1, 2]), ("uniform", [0, 2])):
        parent = g.dijkstra(g.edge_costs(adjacency, weight, cost), 0)[1]
        assert g.path_to(parent, 0, 2) == path


@given(seeds, st.floats(0, 0.5))
def test_dijkstra_agrees_with_scipy(seed, density):
    adjacency = random_graph(seed, density=density)
    weight = np.where(adjacency, np.random.default_rng(seed).random(adjacency.shape), 0)
    costs = g.edge_costs(adjacency, weight)
    # scipy reads a 0 as no edge; all weights are below 1, so no edge costs 0
    expected = shortest_path(np.where(adjacency, costs, 0), method="D")
    for source in range(len(adjacency)):
        distance, parent = g.dijkstra(costs, source)
        assert distance == pytest.approx(expected[source])
        assert (parent >= 0).tolist() == (np.isfinite(distance) & (np.arange(len(distance)) != source)).tolist()


def test_certain_edges_cost_nothing_and_cause_no_detour():
    adjacency = ~np.eye(4, dtype=bool)
    distance, parent = g.dijkstra(g.edge_costs(adjacency, adjacency.astype(float)), 0)
    assert distance.tolist() == [0, 0, 0, 0]
    assert parent.tolist() == [-1, 0, 0, 0]


def test_there_is_no_path_to_an_unreachable_cell():
    distance, parent = g.dijkstra(np.full((3, 3), np.inf), 0)
    assert distance.tolist() == [0, np.inf, np.inf]
    assert g.path_to(parent, 0, 2) == [] and g.path_to(parent, 0, 0) == [0]
