"""Facts about two-step fan-out, with world models whose answers are known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.data.crossings import extract, holdout
from jepa.envs.point_maze import MAZES, maze_graph
from jepa.evaluation import fanout
from synthetic_fanout import follow_of, models, record
from worlds import embed_of, knowing, random_walk_log

mazes = pytest.mark.parametrize("maze", MAZES)


def walk(graph, *episodes):
    """Crossings of episodes that are given as lists of cells, one step each."""
    path = [cell for episode in episodes for cell in episode]
    ends = np.cumsum([len(episode) for episode in episodes]) - 1
    return extract(graph.centres[path], np.isin(np.arange(len(path)), ends), graph)


def world(maze, seed=0):
    graph = maze_graph(maze)
    return graph, holdout(graph, seed), random_walk_log(graph, np.random.default_rng(seed))


def test_two_crossings_of_one_episode_follow_each_other():
    graph = maze_graph("medium-stitch")
    a, b = np.argwhere(graph.edges)[0]
    c = next(c for c in np.flatnonzero(graph.edges[b]) if c != a)
    nothing = np.zeros_like(graph.edges)
    counts = fanout.two_step_counts(walk(graph, [a, a, b, c], [c, b], [a, b, a]), nothing)
    expected = np.zeros_like(counts)
    expected[a, c] = expected[a, a] = 1
    assert (counts == expected).all()
    heldout = nothing.copy()
    heldout[b, c] = True
    assert fanout.two_step_counts(walk(graph, [a, b, c], [a, b, a]), heldout).sum() == 1


def test_the_law_without_returns_is_the_law_given_that_one_has_left():
    counts = np.array([[2, 3, 1], [0, 0, 0], [4, 0, 0]])
    returns, away = fanout.frequencies(counts, True), fanout.frequencies(counts, False)
    assert returns.sum(axis=1) == pytest.approx([1, 0, 1]) and away.sum(axis=1) == pytest.approx([1, 0, 1])
    assert away[0] == pytest.approx([0, 0.75, 0.25]) and not away.diagonal().any()


@mazes
@pytest.mark.parametrize("seed", range(3))
def test_a_model_of_the_training_edges_recovers_every_successor(maze, seed):
    graph, heldout, log = world(maze, seed)
    result = record(graph, models(graph, heldout, log)["mop"], heldout, log)
    for law in fanout.LAWS:
        for counts in result["fanout"]["gated"][law].values():
            assert counts["recovered"] == counts["successors"]
            assert counts["rare_recovered"] == counts["rare"] and counts["complete"] == counts["cells"]
            assert counts["real"] == counts["proposed"]
        assert result["fanout"]["gated"][law]["3"]["cells"] > 0


@mazes
def test_one_prediction_recovers_one_successor_a_cell_at_most(maze):
    graph, heldout, log = world(maze)
    result = record(graph, models(graph, heldout, log)["dense"], heldout, log)
    assert result["fanout"]["raw"] == result["fanout"]["gated"] and result["K"] == 1
    for counts in result["fanout"]["gated"]["returns"].values():
        assert counts["proposed"] <= counts["cells"] and counts["complete"] == 0


def test_predicting_the_start_is_no_success():
    """A model that stays where it is (what the mean over a cell's surroundings decodes to) recovers returns alone."""
    graph, heldout, log = world("medium-stitch")
    result = record(graph, knowing(graph, np.eye(len(graph.cells), dtype=bool), heads=1), heldout, log)["fanout"]
    for ways in ("3", "4"):
        assert result["gated"]["away"][ways]["recovered"] == result["gated"]["away"][ways]["proposed"] == 0
    assert any(result["gated"]["returns"][ways]["recovered"] for ways in ("3", "4"))


def test_a_path_is_active_when_both_of_its_heads_are():
    graph = maze_graph("medium-stitch")
    predict = knowing(graph, graph.edges, heads=4)
    u, weight, active = fanout.two_steps(predict, follow_of(graph, predict), graph.centres, gate=0.5)
    assert u.shape == (26, 16, 26) and weight.sum(axis=1) == pytest.approx(np.ones(26))
    degree = graph.edges.sum(axis=1)
    assert (active.sum(axis=1) == graph.edges @ degree).all()
    assert fanout.two_steps(predict, follow_of(graph, predict), graph.centres, gate=None)[2].all()


def test_a_prediction_below_the_match_reaches_nothing():
    u = np.array([[[0.6, 0.4], [0.1, 1.0]]])
    u /= np.linalg.norm(u, axis=-1, keepdims=True)
    both, all_heads = np.eye(2), np.ones((1, 2), dtype=bool)
    assert fanout.reached(u, all_heads, both, match=0.65).tolist() == [[True, True]]
    assert fanout.reached(u, all_heads, both, match=0.9).tolist() == [[False, True]]
    assert fanout.reached(u, ~all_heads, both).tolist() == [[False, False]]


def test_the_displacement_control_is_the_same_for_every_model():
    graph, heldout, log = world("teleport")
    results = [record(graph, predict, heldout, log)["fanout"] for predict in models(graph, heldout, log).values()]
    assert all(result["displacement"] == results[0]["displacement"] for result in results)
    assert results[0]["displacement"]["away"]["3"]["real"] < results[0]["displacement"]["away"]["3"]["proposed"]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(3, 6))
def test_the_plane_looks_the_same_to_every_rotated_encoder(seed, cells):
    rng = np.random.default_rng(seed)
    latents, centres = rng.normal(size=(cells, 8)), rng.normal(size=(cells, 2))
    origin, axes = fanout.plane(latents, centres)
    assert axes.T @ axes == pytest.approx(np.eye(2))
    turned = latents @ np.linalg.qr(rng.normal(size=(8, 8)))[0]
    turned_origin, turned_axes = fanout.plane(turned, centres)
    pins = (latents - origin) @ axes
    assert (turned - turned_origin) @ turned_axes == pytest.approx(pins, abs=1e-6)
    if cells == 3:  # three points lie in their plane
        gaps = [np.linalg.norm(x[:, None] - x, axis=-1) for x in (pins, latents)]
        assert gaps[0] == pytest.approx(gaps[1])


def test_latents_that_are_positions_keep_their_map():
    centres = np.array([[0.0, 0.0], [4, 0], [0, 4], [8, 4]])
    latents = np.concatenate([centres, np.zeros((4, 3))], axis=1)
    origin, axes = fanout.plane(latents, centres)
    assert (latents - origin) @ axes == pytest.approx(centres - centres.mean(axis=0))


def test_cells_are_shown_by_rule():
    law = np.zeros((6, 6))
    for cell, ways in enumerate((3, 4, 4, 3, 2, 3)):
        law[cell, :ways] = 1 / ways
    counts = np.diag([9, 5, 8, 7, 99, 1])
    teleporting = np.isin(np.arange(6), (0, 5))
    assert fanout.shown_cells(counts, law, teleporting) == [2, 0, 5]
    assert fanout.shown_cells(counts, law, np.zeros(6, dtype=bool)) == [2, 0, 3]
    assert fanout.shown_cells(counts, np.zeros((6, 6)), teleporting) == []


@mazes
def test_the_record_is_small_json_and_the_figures_are_of_the_same_cells(maze):
    graph, heldout, log = world(maze)
    results = {arm: record(graph, predict, heldout, log) for arm, predict in models(graph, heldout, log).items()}
    for result in results.values():
        assert len(json.dumps(result, allow_nan=False)) < 50_000
        assert [b["cell"] for b in result["beliefs"]["cells"]] == [
            b["cell"] for b in results["mop"]["beliefs"]["cells"]
        ]
        for belief in result["beliefs"]["cells"]:
            assert sum(s["frequency"] for s in belief["successors"]) == pytest.approx(1, abs=1e-3)
            assert len({s["cell"] for s in belief["successors"]} - {belief["cell"]}) in fanout.WAYS
        assert (result["beliefs"]["teleport"] is None) == (maze != "teleport")


def test_the_branching_shows_the_inbound_cell_that_keeps_most_destinations():
    graph, _, log = world("teleport")
    heldout = np.zeros_like(graph.edges)
    heldout[graph.inbound[0], graph.destinations[0]] = True
    predict = knowing(graph, graph.edges & ~heldout)
    belief = fanout.branching(predict, embed_of(graph)(graph.centres), graph, heldout, log, 0.5)
    assert belief["cell"] == graph.inbound[1]
    assert {s["cell"] for s in belief["successors"]} == set(np.flatnonzero(graph.edges[belief["cell"]]))
    assert {h["cell"] for h in belief["heads"]} == {s["cell"] for s in belief["successors"]}
    assert sum(h["weight"] for h in belief["heads"]) == pytest.approx(1, abs=1e-3)
    assert len(belief["cosine"]) == len(graph.cells) and max(belief["cosine"]) == 1
