"""The point mazes: their sizes, their teleports, and that the graph agrees with the simulator."""

import tempfile

import numpy as np
import pytest

from jepa.envs.point_maze import MAZES, make_env, maze_graph, set_state
from jepa.errors import JepaError


@pytest.fixture(params=list(MAZES))
def graph(request):
    return maze_graph(request.param)


@pytest.mark.parametrize(
    ("maze", "cells", "edges"), [("medium-stitch", 26, 56), ("large-stitch", 46, 96), ("teleport", 45, 99)]
)
def test_a_cell_has_between_2_1_and_2_2_successors(maze, cells, edges):
    graph = maze_graph(maze)
    assert (len(graph.cells), graph.edges.sum()) == (cells, edges)
    assert 2.08 < edges / cells <= 2.2


def test_cell_ids_count_the_free_cells_row_by_row(graph):
    assert [tuple(cell) for cell in graph.cells] == sorted(tuple(cell) for cell in graph.cells)
    np.testing.assert_array_equal(graph.centres, 4 * graph.cells[:, ::-1] - 4)


def test_the_cell_of_a_position_is_the_one_that_the_simulator_names(graph):
    simulator = make_env(graph.name).unwrapped
    xy = np.random.default_rng(0).uniform(graph.low - 4, graph.high + 4, size=(2000, 2))
    expected = [graph.ids[simulator.xy_to_ij(position)] for position in xy]
    np.testing.assert_array_equal(graph.cell_of(xy), expected)
    np.testing.assert_array_equal(graph.cell_of(xy.reshape(2, 1000, 2)), np.reshape(expected, (2, 1000)))
    assert -1 in expected


def test_positions_far_outside_are_in_no_cell(graph):
    assert (graph.cell_of([[-100.0, 0.0], [0.0, 1000.0], [1000.0, -1000.0]]) == -1).all()


def test_moves_between_neighbours_go_both_ways_and_teleports_only_one(graph):
    assert (graph.adjacent == graph.adjacent.T).all()
    assert not graph.edges.diagonal().any()
    one_way = graph.edges & ~graph.edges.T
    assert np.isin(np.argwhere(one_way)[:, 0], graph.inbound).all()
    assert (graph.edges >= graph.adjacent).all()


def test_two_teleports_lead_to_the_same_three_destinations_and_one_of_them_next_door():
    graph = maze_graph("teleport")
    assert graph.cells[graph.inbound].tolist() == [[4, 6], [5, 1]]
    assert graph.cells[graph.destinations].tolist() == [[1, 7], [6, 1], [6, 10]]
    teleports = np.ix_(graph.inbound, graph.destinations)
    assert graph.edges[teleports].all()
    assert graph.adjacent[teleports].sum() == 1  # (5, 1) -> (6, 1): 94 moves + 6 teleports = 99 edges


def test_the_first_destination_of_a_teleport_is_a_dead_cell():
    graph = maze_graph("teleport")
    dead = graph.destinations[0]
    assert not graph.edges[dead].any()
    assert np.flatnonzero(graph.edges[:, dead]).tolist() == graph.inbound.tolist()


def test_official_tasks_are_the_simulators(graph):
    env = make_env(graph.name)
    assert graph.tasks.shape == (5, 2)
    for number, (init, goal) in enumerate(graph.tasks, start=1):
        observation, _ = env.reset(options={"task_id": number})
        assert graph.cell_of(observation) == init
        assert graph.cell_of(env.unwrapped.cur_goal_xy) == goal


def test_an_environment_leaves_no_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    env = make_env("teleport", max_episode_steps=7)
    assert list(tmp_path.iterdir()) == []
    env.reset(seed=0)
    assert [env.step(np.zeros(2))[3] for _ in range(7)] == [False] * 6 + [True]


def test_a_point_that_is_placed_in_an_inbound_cell_teleports_with_the_next_step():
    graph = maze_graph("teleport")
    env = make_env("teleport")
    env.reset(seed=0)
    set_state(env, graph.centres[graph.inbound[0]])
    assert graph.cell_of(env.unwrapped.get_xy()) == graph.inbound[0]
    observation = env.step(np.zeros(2))[0]
    assert graph.cell_of(observation) == graph.inbound[0]  # the observation of a jump is stale
    assert graph.cell_of(env.unwrapped.get_xy()) in graph.destinations


def test_a_point_stays_where_it_is_placed():
    env = make_env("medium-stitch")
    env.reset(seed=0)
    set_state(env, [3.0, 1.0])
    np.testing.assert_array_equal(env.step(np.zeros(2))[0], [3.0, 1.0])


def test_the_shared_graph_cannot_be_changed(graph):
    assert maze_graph(graph.name) is graph
    with pytest.raises(ValueError, match="read-only"):
        graph.edges[0, 0] = True


@pytest.mark.parametrize("function", [maze_graph, make_env])
def test_an_unknown_maze_is_answered_with_the_known_ones(function):
    with pytest.raises(JepaError, match="'giant'.*medium-stitch, large-stitch, teleport"):
        function("giant")
