"""Crossings: what counts as one, how the hold-out splits them, and what a model is shown."""

import time

import numpy as np
import pytest

from jepa.data import crossings as crossing_data
from jepa.data.generate_mazes import FastWalker, as_arrays, generate_rows
from jepa.envs.point_maze import MAZES, maze_graph
from jepa.errors import JepaError


@pytest.fixture(scope="module")
def medium():
    return maze_graph("medium-stitch")


@pytest.fixture(scope="module")
def teleport():
    """Graph, dataset and crossings of 300 teleport episodes."""
    graph = maze_graph("teleport")
    data = as_arrays(generate_rows(MAZES["teleport"], 300, 0, FastWalker))
    return graph, data, crossing_data.extract(data["observations"], data["terminals"], graph)


def walk(graph, cells, episode_ends=()):
    """Observations at the centres of `cells` ((i, j), or None: in a wall), episodes end at `episode_ends`."""
    xy = [(-4.0, -4.0) if cell is None else (4 * cell[1] - 4, 4 * cell[0] - 4) for cell in cells]
    terminals = np.zeros(len(cells), dtype=bool)
    terminals[[*episode_ends, -1]] = True
    return crossing_data.extract(np.array(xy), terminals, graph)


def routes(graph, crossings):
    return [
        (tuple(graph.cells[s]), tuple(graph.cells[t])) for s, t in zip(crossings.source, crossings.target, strict=True)
    ]


A, B, C = (1, 1), (1, 2), (2, 2)  # three cells in a row of the medium maze


def test_a_crossing_joins_the_longest_runs_in_two_cells(medium):
    crossings = walk(medium, [A, A, A, B, B, C, C, C])
    assert routes(medium, crossings) == [(A, B), (B, C)]
    assert crossings.first_start.tolist() == [0, 3]
    assert crossings.first_len.tolist() == [3, 2]
    assert crossings.second_start.tolist() == [3, 5]
    assert crossings.second_len.tolist() == [2, 3]


def test_an_episode_that_ends_is_no_crossing(medium):
    assert len(walk(medium, [A, A, B, B], episode_ends=[1])) == 0
    back_at_the_start = walk(medium, [A, A, A, B], episode_ends=[1])
    assert back_at_the_start.first_start.tolist() == [2]  # the visit of the second episode only


def test_rows_in_no_cell_end_a_visit_and_belong_to_none(medium):
    assert len(walk(medium, [A, None, A])) == 0
    crossings = walk(medium, [A, None, A, None, B, B])
    assert routes(medium, crossings) == [(A, B)]
    assert (crossings.first_start.item(), crossings.first_len.item()) == (2, 1)
    assert (crossings.second_start.item(), crossings.second_len.item()) == (4, 2)


def test_a_diagonal_crossing_is_kept_and_is_no_true_transition(medium):
    crossings = walk(medium, [A, A, C])
    assert routes(medium, crossings) == [(A, C)]
    assert not medium.edges[crossings.source, crossings.target].any()


def test_every_crossing_of_the_official_walker_is_a_true_transition(teleport):
    graph, _, crossings = teleport
    assert len(crossings) > 5000
    assert graph.edges[crossings.source, crossings.target].all()


def test_both_visits_of_a_crossing_lie_in_their_cells(teleport):
    graph, data, crossings = teleport
    rng = np.random.default_rng(0)
    index = np.arange(len(crossings))
    s, s_next = crossing_data.sample_pairs(crossings, index, rng)
    np.testing.assert_array_equal(graph.cell_of(s), crossings.source)
    np.testing.assert_array_equal(graph.cell_of(s_next), crossings.target)
    np.testing.assert_array_equal(crossings.first_start + crossings.first_len, crossings.second_start)
    assert not data["terminals"][crossings.second_start - 1].any()


def test_an_inbound_cell_leads_to_each_of_three_destinations_about_equally_often(teleport):
    graph, _, crossings = teleport
    for inbound in graph.inbound:
        targets = crossings.target[crossings.source == inbound]
        shares = np.array([(targets == destination).mean() for destination in graph.destinations])
        assert shares.sum() > 0.97  # the rest steps out again
        # 4 standard errors; (5, 1) -> (6, 1) is also walked now and then
        assert np.abs(shares - 1 / 3).max() < 4 * np.sqrt(2 / 9 / len(targets))


def test_the_dead_cell_traps_a_third_of_the_episodes_and_holds_a_fifth_of_the_rows(teleport):
    graph, data, _ = teleport
    in_dead_cell = (graph.cell_of(data["observations"]) == graph.destinations[0]).reshape(300, -1)
    assert abs(in_dead_cell[:, -1].mean() - 0.37) < 0.09  # 3 standard errors at 300 episodes
    assert abs(in_dead_cell.mean() - 0.23) < 0.07
    assert (in_dead_cell.any(1) == in_dead_cell[:, -1]).all()  # nobody leaves


def test_a_million_rows_take_less_than_a_second(medium):
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 0.1, size=(1000, 1000, 2)).cumsum(1) + medium.centres[rng.integers(26, size=(1000, 1))]
    terminals = np.zeros((1000, 1000), dtype=bool)
    terminals[:, -1] = True
    start = time.perf_counter()
    crossing_data.extract(steps.reshape(-1, 2), terminals.reshape(-1), medium)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(("maze", "held_out"), [("medium-stitch", 11), ("large-stitch", 19), ("teleport", 20)])
def test_a_fifth_of_the_true_transitions_is_held_out(maze, held_out):
    graph = maze_graph(maze)
    mask = crossing_data.holdout(graph, seed=0)
    assert mask.sum() == held_out
    assert (mask <= graph.edges).all()
    assert (mask != crossing_data.holdout(graph, seed=1)).any()


def test_over_many_splits_every_transition_is_held_out_now_and_then(medium):
    share = np.mean([crossing_data.holdout(medium, seed) for seed in range(200)], axis=0)[medium.edges]
    assert abs(share.mean() - 11 / 56) < 1e-12
    assert 0.06 < share.min() < share.max() < 0.33


def test_steps_of_a_visit_are_equally_likely(medium):
    crossings = walk(medium, [A] * 1 + [B] * 4)
    crossings.observations[:, 0] = np.arange(5)  # name the rows
    s, s_next = crossing_data.sample_pairs(crossings, np.zeros(8000, dtype=int), np.random.default_rng(0))
    assert (s[:, 0] == 0).all()
    counts = np.bincount(s_next[:, 0].astype(int), minlength=5)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 2000).max() < 160  # 4 standard deviations


def test_one_generator_seed_gives_one_batch(teleport):
    crossings = teleport[2]
    index = np.arange(64)
    first, second = (crossing_data.sample_pairs(crossings, index, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first[0].shape == (64, 2)


def test_features_span_the_maze_box(medium):
    corners = np.array([medium.low, medium.high, (medium.low + medium.high) / 2])
    np.testing.assert_array_equal(crossing_data.features(corners, medium), [[-1, -1], [1, 1], [0, 0]])
    assert np.abs(crossing_data.features(medium.centres, medium)).max() < 1


def test_fourier_features_add_sines_and_cosines_of_doubling_frequency(medium):
    xy = medium.centres.reshape(2, 13, 2)
    plain, waves = crossing_data.features(xy, medium), crossing_data.features(xy, medium, fourier=3)
    assert waves.shape == (2, 13, 14)
    assert waves.dtype == np.float32
    np.testing.assert_array_equal(waves[..., :2], plain)
    for j in range(3):
        sine, cosine = waves[..., 2 + 4 * j : 4 + 4 * j], waves[..., 4 + 4 * j : 6 + 4 * j]
        np.testing.assert_allclose(sine**2 + cosine**2, 1, atol=1e-5)
        np.testing.assert_allclose(sine, np.sin(2**j * np.pi * plain), atol=1e-5)


def test_crossings_survive_a_file(teleport, tmp_path):
    path = tmp_path / "crossings.npz"
    crossing_data.save(path, teleport[2], "teleport")
    for name, value in vars(crossing_data.load(path, teleport[0])).items():
        np.testing.assert_array_equal(value, getattr(teleport[2], name))
    assert [file.name for file in tmp_path.iterdir()] == ["crossings.npz"]


def test_missing_and_damaged_files_are_named(tmp_path):
    path = tmp_path / "crossings.npz"
    with pytest.raises(JepaError, match=f"{path} does not exist"):
        crossing_data.load(path, maze_graph("teleport"))
    path.write_bytes(b"half a file")
    with pytest.raises(JepaError, match="no file of crossings"):
        crossing_data.load(path, maze_graph("teleport"))
    np.savez(path, observations=np.zeros(3))
    with pytest.raises(JepaError, match="no file of crossings"):
        crossing_data.load(path, maze_graph("teleport"))
