"""Facts about coverage of stochastic destinations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.envs.point_maze import maze_graph
from jepa.evaluation import coverage as c
from jepa.planning.graph import active_heads

seeds = st.integers(0, 2**32 - 1)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def random_case(seed, heads, contexts=9, width=4):
    rng = np.random.default_rng(seed)
    u, destinations = unit(rng.normal(size=(contexts, heads, width))), unit(rng.normal(size=(3, width)))
    return u, rng.dirichlet(np.ones(heads), size=contexts), destinations


def everything(u):
    return np.ones(u.shape[:2], dtype=bool)


def test_a_head_between_two_destinations_covers_one_at_most():
    destinations = unit(np.array([[1, 0.1, 0], [1, -0.1, 0], [0, 0, 1.0]]))
    between = unit(np.array([[[1.0, 0.01, 0]]]))  # cosine above 0.99 with both
    assert c.credited(between, destinations).tolist() == [[0]]
    assert c.cov_r(between, everything(between), destinations) == pytest.approx(1 / 3)


def test_a_match_needs_the_cosine():
    destinations = np.eye(3)
    u = np.array([[[0.66, np.sqrt(1 - 0.66**2), 0.0], [0.6, 0.6, np.sqrt(1 - 0.72)]]])
    assert c.credited(u, destinations, match=0.65).tolist() == [[1, -1]]
    assert c.credited(u, destinations, match=0.5).tolist() == [[1, 0]]


@given(seeds)
def test_with_one_head_recall_is_a_third_of_precision(seed):
    u, _, destinations = random_case(seed, heads=1)
    recall, hits = (metric(u, everything(u), destinations) for metric in (c.cov_r, c.cov_p))
    assert recall == pytest.approx(hits / 3)


def test_a_gated_context_without_active_head_covers_nothing_and_proposes_nothing():
    u = np.repeat(np.eye(3)[None], 2, axis=0)
    active = np.array([[True, True, True], [False, False, False]])
    assert c.cov_r(u, active, np.eye(3)) == 0.5
    assert c.cov_p(u, active, np.eye(3)) == 1.0


def test_precision_of_no_active_head_at_all_is_undefined():
    u = np.eye(3)[None]
    nobody = np.zeros((1, 3), dtype=bool)
    assert c.cov_r(u, nobody, np.eye(3)) == 0.0 and c.cov_p(u, nobody, np.eye(3)) is None


def test_no_contexts_give_no_number():
    u = np.empty((0, 4, 3))
    assert c.cov_r(u, everything(u), np.eye(3)) is None and c.cov_p(u, everything(u), np.eye(3)) is None


@pytest.mark.parametrize("codes", [[0, 1, 2], [0, 0, 1], [0, 3, 3]])
def test_the_codebook_gains_exactly_nothing_from_its_context(codes):
    book = np.eye(4)[codes]
    true, off = (np.broadcast_to(book, (n, *book.shape)) for n in (511, 77))
    covered = [c.cov_r(u, everything(u), np.eye(4)[:3]) for u in (true, off)]
    assert c.shuffle_ratio(*covered) == 1.0


def test_a_ratio_to_nothing_is_undefined():
    assert c.shuffle_ratio(0.5, 0.0) is None and c.shuffle_ratio(0.5, None) is None
    assert c.shuffle_ratio(None, 0.5) is None and c.shuffle_ratio(0.0, 0.5) == 0.0


@given(seeds, st.integers(1, 6))
def test_coverage_is_bounded_and_ignores_the_order_of_heads(seed, heads):
    u, pi, destinations = random_case(seed, heads)
    order = np.random.default_rng(seed).permutation(heads)
    for gate in (None, 0.5):
        active = active_heads(pi, gate)
        scores = [metric(u, active, destinations) for metric in (c.cov_r, c.cov_p)]
        assert all(0 <= score <= 1 for score in scores)
        active = active[:, order]
        assert scores == [metric(u[:, order], active, destinations) for metric in (c.cov_r, c.cov_p)]


@given(seeds, st.integers(1, 6))
def test_a_gate_or_a_stricter_match_never_raises_recall(seed, heads):
    u, pi, destinations = random_case(seed, heads)
    sweeps = (
        c.gate_sweep((u, pi), (u, pi), destinations),
        c.match_sweep(u, everything(u), destinations),
    )
    for sweep in sweeps:
        recall = [row["cov_r"] for row in sweep]
        assert recall == sorted(recall, reverse=True)


def test_sweeps_span_the_published_ranges():
    u, pi, destinations = random_case(0, heads=8)
    gates = [row["gate"] for row in c.gate_sweep((u, pi), (u, pi), destinations)]
    matches = [row["match"] for row in c.match_sweep(u, everything(u), destinations)]
    assert (gates[0], gates[-1]) == (1 / 64, 1 / 4) and 0.5 / 8 in gates
    assert (matches[0], matches[-1]) == (0.5, 0.9) and c.MATCH in matches


def test_the_default_gate_is_one_point_of_the_sweep():
    u, pi, destinations = random_case(1, heads=8, contexts=60)
    row = next(row for row in c.gate_sweep((u, pi), (u, pi), destinations) if row["gate"] == 0.5 / 8)
    assert row["cov_r"] == c.cov_r(u, active_heads(pi, 0.5), destinations) == row["shuffle_off"]


def test_leakage_is_measured_on_the_other_contexts():
    true = (np.eye(3)[[[0]]], np.ones((1, 1)))
    off = (-np.eye(3)[[[0]]], np.ones((1, 1)))
    row = c.gate_sweep(true, off, np.eye(3), thresholds=(0.1,))[0]
    assert row["cov_r"] == pytest.approx(1 / 3) and row["shuffle_off"] == 0


@pytest.mark.parametrize("count", range(7))
def test_each_held_out_teleport_edge_costs_a_sixth_of_coverage(count):
    graph = maze_graph("teleport")
    teleports = [(a, b) for a in graph.inbound for b in graph.destinations]
    heldout = np.zeros_like(graph.edges)
    heldout[tuple(np.array(teleports[:count], dtype=int).reshape(-1, 2).T)] = True
    assert c.gated_cov_r_ceiling(graph, heldout) == pytest.approx(1 - count / 6)


def test_mazes_without_teleports_have_no_coverage():
    graph = maze_graph("medium-stitch")
    assert c.gated_cov_r_ceiling(graph, np.zeros_like(graph.edges)) is None
