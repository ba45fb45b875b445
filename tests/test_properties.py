"""What holds for arrays of every size: graphs, routes, coverage, statistics, windows, crossings, trajectories."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.data import crossings
from jepa.data.episodes import Episodes
from jepa.domains.base import best_of
from jepa.domains.codes import fit_codes
from jepa.domains.trajectories import constant_velocity, displacement
from jepa.envs.point_maze import maze_graph
from jepa.evaluation import coverage, likelihood, routes, statistics
from jepa.planning import graph
from properties import few, seeds, simplex, sizes, unit

CELLS = st.integers(1, 9)
MAZE = maze_graph("medium-stitch")
NUMBERS = st.one_of(st.none(), st.floats(-1e6, 1e6))


def random_graph(rng, n, density=0.3):
    return (rng.random((n, n)) < density) & ~np.eye(n, dtype=bool)


def renamed(matrix, order):
    return matrix[np.ix_(order, order)]


def between(value, low=0.0, high=1.0):
    return value is None or low <= value <= high


@few
@given(seeds, CELLS, sizes, st.integers(2, 5))
def test_a_proposal_is_a_graph_of_the_models_own_edges(seed, n, K, d):
    rng = np.random.default_rng(seed)
    u, z, pi = unit(rng, n, K, d), unit(rng, n, d), simplex(rng, n, K)
    for gate in (None, 0.5):
        active = graph.active_heads(pi, gate)
        adjacency, weight = graph.proposal_graph(u, pi, z, active)
        assert adjacency.shape == weight.shape == (n, n) and not adjacency.diagonal().any()
        assert (adjacency.sum(1) <= active.sum(1)).all()
        assert (weight >= 0).all() and (weight.sum(1) <= 1 + 1e-9).all() and (weight[~adjacency] == 0).all()
        heads = rng.permutation(K)
        again = graph.proposal_graph(u[:, heads], pi[:, heads], z, active[:, heads])
        assert np.array_equal(again[0], adjacency)
        np.testing.assert_allclose(again[1], weight, atol=1e-12)
    assert (graph.active_heads(pi, 0.5) <= graph.active_heads(pi)).all()


@few
@given(seeds, CELLS)
def test_reachability_and_distances_agree_and_follow_the_names_of_cells(seed, n):
    rng = np.random.default_rng(seed)
    adjacency, order = random_graph(rng, n), rng.permutation(n)
    reach, length = graph.reachability(adjacency), graph.distances(adjacency)
    assert np.array_equal(reach, length >= 0) and (np.diag(length) == 0).all() and (length < n).all()
    assert np.array_equal(graph.reachability(renamed(adjacency, order)), renamed(reach, order))
    assert np.array_equal(graph.distances(renamed(adjacency, order)), renamed(length, order))
    assert ((adjacency & ~np.eye(n, dtype=bool)) == (length == 1)).all()


@few
@given(seeds, CELLS, st.sampled_from(["neglogpi", "uniform"]))
def test_the_cheapest_path_is_a_path_of_that_cost(seed, n, cost):
    rng = np.random.default_rng(seed)
    adjacency = random_graph(rng, n)
    costs = graph.edge_costs(adjacency, rng.random((n, n)), cost)
    length = graph.distances(adjacency)
    for source in range(n):
        distance, parent = graph.dijkstra(costs, source)
        assert np.array_equal(np.isfinite(distance), length[source] >= 0)
        for target in np.flatnonzero(np.isfinite(distance)):
            path = graph.path_to(parent, source, target)
            steps = list(itertools.pairwise(path))
            assert path[0] == source and path[-1] == target and all(adjacency[step] for step in steps)
            assert sum(costs[step] for step in steps) == pytest.approx(distance[target])
            if cost == "uniform":
                assert len(steps) == length[source, target]


@few
@given(seeds, CELLS)
def test_rates_of_routes_are_shares_and_a_real_route_is_a_route(seed, n):
    rng = np.random.default_rng(seed)
    edges, adjacency = random_graph(rng, n), random_graph(rng, n)
    weight, heldout = rng.random((n, n)) * adjacency, edges & (rng.random((n, n)) < 0.2)
    real, planned = routes.realroute(adjacency, edges), routes.plan_all(adjacency, edges)
    found, first = routes.realroute_found(adjacency, weight, edges), routes.firstpath(adjacency, edges)
    rates = [real, planned, found, first, routes.precision(adjacency, edges), routes.recall(adjacency, edges)]
    rates += [*routes.split_by_need(adjacency, edges, heldout).values(), routes.train_graph_realroute(edges, heldout)]
    assert all(between(rate) for rate in rates)
    if real is not None:
        assert found <= real <= planned and first <= real and routes.realroute(edges, edges) == 1
        curve = routes.by_distance(adjacency, edges)
        pairs = sum(point["n"] for point in curve)
        assert sum(point["n"] * (point["realroute"] or 0) for point in curve) == pytest.approx(real * pairs)
    order = rng.permutation(n)
    again = routes.realroute(renamed(adjacency, order), renamed(edges, order))
    assert again == (real if real is None else pytest.approx(real))
    more = routes.realroute(adjacency | random_graph(rng, n), edges)
    assert real is None or more >= real  # another edge closes no route


@few
@given(seeds, sizes, sizes, st.integers(1, 4), st.floats(-1, 1))
def test_coverage_is_a_share_blind_to_the_order_of_heads_contexts_and_destinations(seed, n, K, q, match):
    rng = np.random.default_rng(seed)
    u, destinations, active = unit(rng, n, K, 4), unit(rng, q, 4), rng.random((n, K)) < 0.7
    r, p = (of(u, active, destinations, match) for of in (coverage.cov_r, coverage.cov_p))
    assert between(r) and between(p)
    rows, heads, places = rng.permutation(n), rng.permutation(K), rng.permutation(q)
    permuted = u[rows][:, heads], active[rows][:, heads], destinations[places], match
    assert coverage.cov_r(*permuted) == r and coverage.cov_p(*permuted) == p
    assert coverage.cov_r(u, np.ones_like(active), destinations, match) >= r  # the gate only takes away
    assert coverage.cov_r(u, active, destinations, min(1, match + 0.1)) <= r
    credit = coverage.credited(u, destinations, match)
    assert credit.shape == (n, K) and ((credit >= -1) & (credit < q)).all()


@few
@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.5, 0.999))
def test_a_wilson_interval_holds_its_rate_and_shrinks_with_more_trials(successes, more, confidence):
    trials = successes + more
    low, high = statistics.wilson(successes, trials, confidence)
    if trials == 0:
        assert (low, high) == (None, None)
        return
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = statistics.wilson(more, trials, confidence)
    assert mirrored == pytest.approx((1 - high, 1 - low))
    closer = statistics.wilson(4 * successes, 4 * trials, confidence)
    assert closer[1] - closer[0] < high - low


@few
@given(st.lists(NUMBERS, max_size=8), seeds)
def test_an_interval_over_seeds_holds_its_mean_whatever_the_order(values, seed):
    known = [value for value in values if value is not None]
    found = statistics.bootstrap_ci(values, np.random.default_rng(seed), resamples=200)
    again = statistics.bootstrap_ci(values, np.random.default_rng(seed), resamples=200)
    assert found == again and found["n"] == len(known)
    if len(known) > 1:
        slack = 1e-9 * (1 + max(map(abs, known)))
        assert min(known) - slack <= found["low"] <= found["high"] <= max(known) + slack
    moments = statistics.mean_sd(values)
    if known:
        assert moments["sd"] >= 0 and moments["mean"] == pytest.approx(statistics.mean_sd(values[::-1])["mean"])
    same = statistics.paired_bootstrap(values, values, np.random.default_rng(seed), resamples=50)
    assert same["mean"] in (None, 0.0)


@few
@given(seeds, st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 4), st.integers(1, 5))
def test_windows_stay_inside_their_episodes_and_none_is_left_out(seed, lengths, T, skip):
    ep_len, rows = np.array(lengths), sum(lengths)
    rng = np.random.default_rng(seed)
    columns = rng.random((2, rows, 2)).astype(np.float32)
    offset = np.cumsum(ep_len) - ep_len
    episodes = Episodes(*columns, ep_len, offset, columns[0, : len(ep_len)], np.arange(len(ep_len)), "two_room")
    span, ids = T * skip, np.flatnonzero(rng.random(len(ep_len)) < 0.8)
    expected = [offset[i] + first for i in ids for first in range(max(0, ep_len[i] - span))]
    if expected:
        assert episodes.windows(ids, T, skip).tolist() == expected
    pairs = episodes.pairs(ids, span)
    assert pairs[:, 1].tolist() == expected
    assert (pairs[:, 2] - pairs[:, 1] == span).all() and (pairs[:, 2] < (offset + ep_len)[pairs[:, 0]]).all()


@few
@given(seeds, st.floats(0.05, 0.95), st.integers(2, 30))
def test_a_split_is_disjoint_complete_and_the_same_again(seed, holdout, count):
    ones = np.ones(count, dtype=np.int64)
    zeros = np.zeros((count, 2), np.float32)
    episodes = Episodes(zeros, zeros, ones, np.arange(count), zeros, np.arange(count), "two_room")
    if max(1, round(holdout * count)) >= count:
        return
    kept, held = episodes.split(holdout, seed)
    assert sorted([*kept, *held]) == list(range(count)) and len(held) == max(1, round(holdout * count))
    assert all(np.array_equal(a, b) for a, b in zip((kept, held), episodes.split(holdout, seed), strict=True))


@few
@given(seeds, st.integers(1, 200), st.floats(0, 0.3))
def test_crossings_join_two_different_visits_of_one_episode(seed, rows, ends):
    rng = np.random.default_rng(seed)
    walked = MAZE.centres[rng.integers(len(MAZE.cells), size=1 + rows // 4).repeat(4)[:rows]]
    terminals = rng.random(rows) < ends
    found = crossings.extract(walked + rng.uniform(-1.9, 1.9, (rows, 2)), terminals, MAZE)
    cell, episode = MAZE.cell_of(found.observations), np.cumsum(terminals) - terminals
    assert (found.source != found.target).all()
    assert np.array_equal(found.first_start + found.first_len, found.second_start)
    for i in range(len(found)):
        first = slice(found.first_start[i], found.first_start[i] + found.first_len[i])
        second = slice(found.second_start[i], found.second_start[i] + found.second_len[i])
        assert set(cell[first]) == {found.source[i]} and set(cell[second]) == {found.target[i]}
        assert len({*episode[first], *episode[second]}) == 1
    if len(found):
        s, s_next = crossings.sample_pairs(found, np.arange(len(found)), rng)
        assert np.array_equal(MAZE.cell_of(s), found.source) and np.array_equal(MAZE.cell_of(s_next), found.target)


@few
@given(seeds, st.integers(0, 5), st.integers(0, 3))
def test_maze_features_are_bounded_and_of_each_row_alone(seed, n, fourier):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(MAZE.low, MAZE.high, (n, 2))
    features = crossings.features(xy, MAZE, fourier)
    assert features.shape == (n, 2 + 4 * fourier) and (np.abs(features) <= 1 + 1e-6).all()
    assert np.array_equal(crossings.features(xy[::-1], MAZE, fourier), features[::-1])
    assert (MAZE.cell_of(xy) < len(MAZE.cells)).all()


@few
@given(seeds, sizes, st.integers(2, 8), st.integers(1, 8), st.floats(-10, 10))
def test_displacement_is_a_distance_that_no_shift_changes(seed, n, past, steps, shift):
    rng = np.random.default_rng(seed)
    predicted, true = rng.normal(size=(2, n, steps, 2))
    ade, fde = displacement(predicted, true)
    assert ade.shape == fde.shape == (n,) and (ade >= 0).all() and (fde <= steps * ade + 1e-9).all()
    np.testing.assert_allclose(displacement(predicted + shift, true + shift)[0], ade, atol=1e-9)
    assert (np.stack(displacement(true, true)) == 0).all()
    straight = rng.normal(size=(n, 1, 2)) + np.arange(past + steps)[:, None] * rng.normal(size=(n, 1, 2))
    guess = constant_velocity(straight[:, :past], steps)
    np.testing.assert_allclose(guess, straight[:, past:], atol=1e-9)


@few
@given(seeds, sizes, sizes)
def test_the_best_head_is_one_of_the_active_ones(seed, q, K):
    rng = np.random.default_rng(seed)
    errors, active = rng.random((q, K)), rng.random((q, K)) < 0.5
    best, heads = best_of(errors, active), rng.permutation(K)
    assert (errors.min(1) <= best).all() and (best <= errors.max(1)).all()
    assert np.array_equal(best_of(errors[:, heads], active[:, heads]), best)
    assert np.array_equal(best_of(errors, np.ones_like(active)), errors.min(1))


@few
@given(seeds, st.integers(1, 5), st.integers(5, 20), st.booleans())
def test_codes_lie_within_the_outcomes(seed, K, n, sphere):
    rng = np.random.default_rng(seed)
    x = unit(rng, n, 3)
    codes = fit_codes(x, K, np.random.default_rng(seed), sphere)
    assert codes.shape == (K, 3) and np.isfinite(codes).all()
    assert (np.linalg.norm(codes, axis=1) <= 1 + 1e-5).all()
    assert np.array_equal(codes, fit_codes(x, K, np.random.default_rng(seed), sphere))


@few
@given(seeds, st.integers(1, 12), sizes)
def test_a_density_never_says_less_than_all_that_there_is(seed, n, K):
    """-log N nats is the least, as the module says; and the order of heads does not matter."""
    rng = np.random.default_rng(seed)
    u, targets = unit(rng, n, K, 4), unit(rng, n, 4)
    log_pi, log_sigma = np.log(simplex(rng, n, K) + 1e-12), rng.uniform(-2, 1, (n, K))
    nats, heads = likelihood.relative_nll(u, log_pi, log_sigma, targets), rng.permutation(K)
    assert np.isfinite(nats) and nats >= -np.log(n) - 1e-6
    again = likelihood.relative_nll(u[:, heads], log_pi[:, heads], log_sigma[:, heads], targets)
    assert again == pytest.approx(nats, abs=1e-6)
