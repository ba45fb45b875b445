"""The executor in the real OGBench mazes."""

import numpy as np
import pytest

from jepa.envs.point_maze import make_env, maze_graph
from jepa.errors import JepaError
from jepa.planning import executor
from jepa.planning.executor import execute, run_episode, soundness
from jepa.planning.routing import JUMP, NOWHERE, Route, corrupt, equal_weights, expected_moves
from jepa.random import rng_of

FULL = {"planner": "dijkstra", "cost": "neglogpi", "repair": "full"}


@pytest.fixture(scope="module", params=["medium-stitch", "large-stitch"])
def maze(request):
    return request.param


@pytest.fixture(scope="module")
def medium():
    env = make_env("medium-stitch")
    yield env
    env.close()


def successes(episodes):
    return sum(episode["success"] for episode in episodes)


def corrupted(maze, seed):
    edges = corrupt(maze_graph(maze).edges, 0.1, rng_of("corrupt", maze, seed))
    return edges, equal_weights(edges)


def corridor(cells):
    """Free cells in a row: 4-neighbour map (cells, cells) bool."""
    return np.abs(np.subtract.outer(np.arange(cells), np.arange(cells))) == 1


# In the real environment ---------------------------------------------------------------------------------------


def test_true_paths_lead_to_every_official_goal(maze):
    for seed in range(3):
        (run,) = soundness("truth", maze, seed, episodes=1)
        assert [episode["task"] for episode in run["episodes"]] == [1, 2, 3, 4, 5]
        assert successes(run["episodes"]) == 5
        assert all(episode["removed"] == episode["replans"] == 0 for episode in run["episodes"])


def test_deleting_edges_that_lead_elsewhere_recovers_from_false_edges(maze):
    rate = dict.fromkeys(("none", "stall", "full"), 0)
    for seed in range(2):
        for run in soundness("truth-corrupted", maze, seed, episodes=1):
            rate[run["repair"]] += successes(run["episodes"])
            if run["repair"] == "none":
                assert all(episode["removed"] == 0 for episode in run["episodes"])
    assert rate["none"] <= rate["stall"] < rate["full"] == 10


def test_expected_cost_stays_out_of_the_dead_cell_where_optimism_ends_in_it():
    runs = [run for seed in range(3) for run in soundness("truth", "teleport", seed, episodes=1)]
    rate = {
        planner: sum(successes(run["episodes"]) for run in runs if run["planner"] == planner)
        for planner in ("dijkstra", "expected")
    }
    assert rate["expected"] == 15
    assert rate["dijkstra"] <= 11


def test_a_deleted_edge_is_never_taken_again(medium, monkeypatch):
    graph = maze_graph("medium-stitch")
    planned = []

    class Recorder(Route):
        deleted = ()

        def delete(self, cell, move):
            self.deleted += ((cell, move),)
            super().delete(cell, move)

        def plan(self):
            super().plan()
            planned.append(set(enumerate(self.moves)) & set(self.deleted))

    monkeypatch.setattr(executor, "Route", Recorder)
    outcome = [run_episode(medium, graph, *corrupted("medium-stitch", 0), task, 5, **FULL) for task in (1, 2, 3, 4, 5)]
    assert sum(episode["removed"] for episode in outcome) == len(planned) - len(outcome) > 0
    assert not any(planned)


def test_an_episode_is_a_function_of_its_seed_and_leaves_numpy_alone(medium):
    graph = maze_graph("medium-stitch")
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    outcome = [run_episode(medium, graph, *corrupted("medium-stitch", 1), 2, seed, **FULL) for seed in (3, 3, 4)]
    assert outcome[0] == outcome[1] != outcome[2]
    assert (np.random.get_state()[1] == before).all()


def test_arms_are_paired_by_the_noise_of_start_and_goal(medium, monkeypatch):
    graph = maze_graph("medium-stitch")
    starts = []

    def no_drive(simulator, graph, route, goal, repair, max_steps):
        starts.append((*simulator.get_xy(), *goal))
        return {}

    monkeypatch.setattr(executor, "drive", no_drive)
    for edges in (graph.edges, np.zeros_like(graph.edges)):
        execute("medium-stitch", edges, edges * 1.0, **FULL, episodes=2, seed=0, env=medium)
    assert starts[:10] == starts[10:]
    assert len(set(starts)) == 10


def test_without_a_route_the_episode_fails_at_once(medium):
    nothing = np.zeros_like(maze_graph("medium-stitch").edges)
    for planner in ("dijkstra", "expected"):
        options = {**FULL, "planner": planner}
        outcome = execute("medium-stitch", nothing, nothing * 1.0, **options, episodes=1, seed=0, env=medium)
        assert all(episode["success"] == 0 and episode["steps"] == 0 for episode in outcome)


def test_the_budget_of_steps_is_kept(medium):
    edges = maze_graph("medium-stitch").edges
    outcome = execute("medium-stitch", edges, edges * 1.0, **FULL, episodes=1, seed=0, max_steps=7, env=medium)
    assert all(episode["steps"] == 7 and not episode["success"] for episode in outcome)


def test_the_fast_cell_lookup_agrees_with_the_graph():
    graph = maze_graph("teleport")
    points = np.random.default_rng(0).uniform(graph.low - 1, graph.high + 1, (500, 2))
    cell_at = executor.cell_lookup(graph)
    assert [cell_at(x, y) for x, y in points.tolist()] == graph.cell_of(points).tolist()


def test_mistakes_are_sentences(medium):
    graph = maze_graph("medium-stitch")
    edges = graph.edges
    with pytest.raises(JepaError, match="Repair policy 'some'"):
        run_episode(medium, graph, edges, edges * 1.0, 1, 0, **{**FULL, "repair": "some"})
    with pytest.raises(JepaError, match="Planner 'bfs'"):
        run_episode(medium, graph, edges, edges * 1.0, 1, 0, **{**FULL, "planner": "bfs"})
    with pytest.raises(JepaError, match="26 cells"):
        execute("medium-stitch", edges[:5, :5], edges * 1.0, **FULL, episodes=1, seed=0)
    with pytest.raises(JepaError, match="soundness check named 'lies'"):
        soundness("lies", "medium-stitch", 0, episodes=1)


# Planners ------------------------------------------------------------------------------------------------------


def test_without_jumps_the_planners_agree():
    graph = maze_graph("medium-stitch")
    weight = rng_of("weights").uniform(0.1, 1, graph.edges.shape)  # no two routes cost the same
    for goal in range(len(graph.cells)):
        moves = [
            Route(graph.edges, weight, graph.adjacent, goal, planner, "neglogpi").moves
            for planner in ("dijkstra", "expected")
        ]
        assert moves[0] == moves[1]


def test_a_risky_jump_is_taken_only_when_there_is_no_walk():
    # Cells 0-5 in a row, goal 5, and cell 6 apart, without a way out; from 0 a jump leads to 5 or to 6.
    adjacent = np.zeros((7, 7), dtype=bool)
    adjacent[:6, :6] = corridor(6)
    adjacency = adjacent.copy()
    adjacency[0, [5, 6]] = True
    weight = np.full((7, 7), 0.5)
    assert Route(adjacency, weight, adjacent, 5, "dijkstra", "uniform").moves[0] == 5
    walking = expected_moves(adjacency, weight, adjacent, 5, "uniform")
    assert walking.tolist() == [1, 2, 3, 4, 5, NOWHERE, NOWHERE]
    adjacency[3, 4] = False
    assert expected_moves(adjacency, weight, adjacent, 5, "uniform")[:4].tolist() == [JUMP, 0, 1, 2]


def test_a_walk_through_a_jumping_cell_carries_its_risk():
    # A ring 0-1-2-3-4-5-0, goal 3: from 1 the short way passes 2, whose jumps end in the dead cell 6.
    adjacent = np.zeros((7, 7), dtype=bool)
    adjacent[:6, :6] = corridor(6)
    adjacent[[0, 5], [5, 0]] = True
    adjacency = adjacent.copy()
    adjacency[2, 6] = True
    weight = np.full((7, 7), 0.3)
    assert Route(adjacency, weight, adjacent, 3, "dijkstra", "uniform").moves[1] == 2
    route = Route(adjacency, weight, adjacent, 3, "expected", "uniform")
    assert route.moves[1] == 0
    route.delete(2, JUMP)
    assert route.moves[1] == 2


def test_hopeless_cells_follow_the_optimistic_route():
    # A jump of next to no weight is all there is: better than standing still.
    adjacent = corridor(3)
    adjacency = np.zeros((3, 3), dtype=bool)
    adjacency[0, 2] = adjacency[1, 0] = True
    weight = np.where(adjacency, 1e-9, 0.0)
    assert expected_moves(adjacency, weight, adjacent, 2, "neglogpi").tolist() == [JUMP, 0, NOWHERE]


def test_a_route_owns_its_edges():
    adjacency = corridor(4)
    route = Route(adjacency, adjacency * 1.0, adjacency, 3, "dijkstra", "uniform")
    route.delete(0, 1)
    assert route.moves[0] == NOWHERE
    assert adjacency[0, 1]


def test_false_edges_are_added_and_none_is_lost():
    edges = maze_graph("large-stitch").edges
    false = corrupt(edges, 0.1, np.random.default_rng(0)) & ~edges
    assert false.sum() == 10
    assert not false.diagonal().any()
    assert (corrupt(edges, 0.1, np.random.default_rng(0)) & edges).sum() == edges.sum()
    with pytest.raises(JepaError, match="false edges"):
        corrupt(edges, 100, np.random.default_rng(0))
