"""Facts about routes through proposal graphs, on the real mazes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.envs.point_maze import MAZES, maze_graph
from jepa.evaluation import routes as r
from worlds import split

mazes = pytest.mark.parametrize("maze", MAZES)
seeds = st.integers(0, 2**32 - 1)
RATES = [
    "plan_all",
    "found_rate",
    "official_goal",
    "realroute",
    "realroute_found",
    "firstpath",
    "realroute_new",
    "realroute_known",
    "precision",
    "recall_train",
    "recall_heldout",
]


def proposal(graph, seed, density):
    rng = np.random.default_rng(seed)
    adjacency = rng.random(graph.edges.shape) < density
    np.fill_diagonal(adjacency, False)
    return adjacency, np.where(adjacency, rng.random(adjacency.shape), 0.0)


def pointing_at(graph, codes):
    """Every cell proposes the same cells."""
    adjacency = np.zeros_like(graph.edges)
    adjacency[:, codes] = True
    np.fill_diagonal(adjacency, False)
    return adjacency


@mazes
def test_stitch_mazes_are_strongly_connected_and_teleport_has_a_dead_cell(maze):
    graph = maze_graph(maze)
    n, pairs = len(graph.cells), r.connected_pairs(graph.edges)
    if maze != "teleport":
        assert pairs.sum() == n * (n - 1)
        return
    dead = np.flatnonzero(~pairs.any(axis=1))
    assert [tuple(graph.cells[d]) for d in dead] == [(1, 7)] and pairs.sum() == (n - 1) ** 2


@mazes
@pytest.mark.parametrize("count", [1, 4, 7, 8])
def test_a_codebook_plans_one_nth_per_code(maze, count):
    """Each code is one step from everywhere and nothing else is reached: D (n - 1) pairs of n (n - 1). On
    teleport the dead cell is no source: D (n - 2) pairs of (n - 1)^2, one more when it is a code itself."""
    graph = maze_graph(maze)
    n = len(graph.cells)
    for seed in range(10):
        codes = np.random.default_rng(seed).choice(n, count, replace=False)
        score = r.plan_all(pointing_at(graph, codes), graph.edges)
        if maze == "teleport":
            dead = np.flatnonzero(~graph.edges.any(axis=1))[0]
            assert score == pytest.approx((count * (n - 2) + (dead in codes)) / (n - 1) ** 2)
            assert score == pytest.approx(count / n, abs=5e-4)
        else:
            assert score == pytest.approx(count / n)


@mazes
def test_a_dense_model_plans_the_cells_on_its_own_chain_only(maze):
    """Out-degree <= 1: from each cell a plan can only follow one chain of predictions."""
    graph = maze_graph(maze)
    n = len(graph.cells)
    successor = np.random.default_rng(3).integers(n, size=n)
    adjacency = np.zeros((n, n), dtype=bool)
    adjacency[np.arange(n), successor] = True
    np.fill_diagonal(adjacency, False)
    pairs, found = r.connected_pairs(graph.edges), 0
    for start in range(n):
        cell, chain = start, set()
        while successor[cell] not in chain | {start, cell}:
            cell = successor[cell]
            chain.add(cell)
        found += sum(pairs[start, cell] for cell in chain)
    assert r.plan_all(adjacency, graph.edges) == pytest.approx(found / pairs.sum())
    assert r.plan_all(adjacency, graph.edges) < 0.5


def test_a_one_step_dense_model_finds_at_most_one_goal_a_cell():
    graph = maze_graph("medium-stitch")
    n = len(graph.cells)
    adjacency = np.zeros((n, n), dtype=bool)
    adjacency[::2, 1::2] = np.eye(n // 2, dtype=bool)  # the proposed successors propose nothing themselves
    assert r.plan_all(adjacency, graph.edges) == pytest.approx(adjacency.sum() / (n * (n - 1)))


def test_a_route_through_a_hallucinated_edge_is_not_a_real_route():
    edges = np.eye(4, k=1, dtype=bool)  # 0 -> 1 -> 2 -> 3
    adjacency = edges.copy()
    adjacency[1, 2], adjacency[0, 2] = False, True  # the way to 2 and 3 is a shortcut that does not exist
    assert r.plan_all(adjacency, edges) == pytest.approx(4 / 6)
    assert r.realroute(adjacency, edges) == pytest.approx(2 / 6)
    assert r.realroute_found(adjacency, adjacency.astype(float), edges) == pytest.approx(2 / 6)


def test_the_route_that_is_found_can_be_false_although_a_real_one_exists():
    edges = np.eye(3, k=1, dtype=bool)
    adjacency = edges.copy()
    adjacency[0, 2] = True
    assert r.realroute(adjacency, edges) == 1.0
    assert r.firstpath(adjacency, edges) == pytest.approx(2 / 3)


def test_heavier_real_edges_rescue_the_found_route_but_not_the_first_one():
    edges = np.zeros((4, 4), dtype=bool)
    edges[0, 2] = edges[2, 3] = True
    adjacency = edges.copy()
    adjacency[0, 1] = adjacency[1, 3] = True
    weight = np.where(adjacency, 0.1, 0)
    weight[0, 2] = 0.9
    assert r.firstpath(adjacency, edges) == pytest.approx(2 / 3)
    assert r.realroute_found(adjacency, weight, edges) == 1.0


@mazes
def test_the_truth_scores_one_everywhere(maze):
    graph = maze_graph(maze)
    scores = r.route_scores(graph.edges, graph.edges.astype(float), graph, split(graph, 0))
    assert {scores[name] for name in RATES} == {1.0}
    assert scores["n_edges"] == graph.edges.sum()


@mazes
def test_the_empty_graph_plans_nothing_and_has_no_precision(maze):
    graph = maze_graph(maze)
    nothing = np.zeros_like(graph.edges)
    scores = r.route_scores(nothing, nothing.astype(float), graph, split(graph, 0))
    assert scores["precision"] is None
    assert {scores[name] for name in RATES if name != "precision"} == {0.0}


def test_without_hold_out_there_are_no_new_pairs():
    graph = maze_graph("medium-stitch")
    nothing = np.zeros_like(graph.edges)
    scores = r.route_scores(graph.edges, graph.edges.astype(float), graph, nothing)
    assert scores["realroute_new"] is None and scores["recall_heldout"] is None
    assert r.train_graph_realroute(graph.edges, nothing) == 1.0


@mazes
@given(seed=seeds, share=st.floats(0, 1))
def test_training_edges_alone_never_exceed_the_ceiling(maze, seed, share):
    graph = maze_graph(maze)
    heldout = split(graph, seed)
    train = graph.edges & ~heldout
    inside = train & (np.random.default_rng(seed).random(train.shape) < share)
    ceiling = r.train_graph_realroute(graph.edges, heldout)
    scores = r.route_scores(inside, inside.astype(float), graph, heldout)
    assert scores["realroute"] <= ceiling and r.realroute(train, graph.edges) == ceiling
    assert scores["realroute_new"] in (0.0, None) and scores["recall_heldout"] == 0.0


@mazes
def test_ceilings_of_the_hold_out(maze):
    """One split says little (sd 0.08 to 0.12): even the mean of 20 has a standard error of 0.02 to 0.03."""
    graph = maze_graph(maze)
    ceilings = [r.train_graph_realroute(graph.edges, split(graph, seed)) for seed in range(200)]
    expected = {"medium-stitch": 0.43, "large-stitch": 0.29, "teleport": 0.39}[maze]
    assert np.mean(ceilings) == pytest.approx(expected, abs=0.03)
    assert 0.05 < np.std(ceilings) < 0.15


@mazes
@given(seed=seeds, density=st.floats(0, 1))
def test_scores_are_bounded_ordered_and_never_nan(maze, seed, density):
    graph = maze_graph(maze)
    adjacency, weight = proposal(graph, seed, density)
    scores = r.route_scores(adjacency, weight, graph, split(graph, seed))
    for name in RATES:
        assert scores[name] is None or (type(scores[name]) is float and 0 <= scores[name] <= 1)
    assert scores["firstpath"] <= scores["realroute"] <= scores["plan_all"] == scores["found_rate"]
    assert scores["realroute_found"] <= scores["realroute"]


@mazes
def test_distance_curves_add_up_to_the_totals(maze):
    graph = maze_graph(maze)
    adjacency, _ = proposal(graph, 1, 0.05)
    curve = r.by_distance(adjacency, graph.edges)
    longest = {"medium-stitch": 11, "large-stitch": 19, "teleport": 17}[maze]
    assert [row["d"] for row in curve] == list(range(1, longest + 1))
    total = sum(row["n"] for row in curve)
    assert total == r.connected_pairs(graph.edges).sum() and curve[0]["n"] == graph.edges.sum()
    for name, metric in (("realroute", r.realroute), ("plan_all", r.plan_all)):
        mean = sum(row["n"] * row[name] for row in curve) / total
        assert mean == pytest.approx(metric(adjacency, graph.edges))


@mazes
def test_the_need_of_held_out_edges_splits_the_pairs(maze):
    graph = maze_graph(maze)
    heldout = split(graph, 2)
    adjacency, _ = proposal(graph, 2, 0.3)
    apart = r.split_by_need(adjacency, graph.edges, heldout)
    ceiling = r.train_graph_realroute(graph.edges, heldout)
    mixed = ceiling * apart["realroute_known"] + (1 - ceiling) * apart["realroute_new"]
    assert mixed == pytest.approx(r.realroute(adjacency, graph.edges))


def test_official_goals_are_the_environments_five_tasks():
    graph = maze_graph("large-stitch")
    adjacency = np.zeros_like(graph.edges)
    adjacency[tuple(graph.tasks[2])] = True
    assert r.official_goal(adjacency, graph.tasks) == pytest.approx(1 / 5)
