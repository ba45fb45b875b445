"""Two-Room: no reachable state overlaps a wall, the only way is the door, and a frame shows where the agent is."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.envs import two_room
from jepa.envs.registry import render_states, simulator
from jepa.envs.two_room import Simulator, TwoRoom, expert, reached, render, sample_free, sample_tasks, step
from jepa.errors import JepaError

SEEDS = st.integers(0, 2**32 - 1)


def penetration(state):
    """How deep a disc of radius 7 lies in either piece of the wall, from the geometry in words. state: (N, 2)."""
    x = state[:, 0].astype(float)
    y = state[:, 1].astype(float)
    beside = np.maximum.reduce([107 - x, x - 117, np.zeros_like(x)])
    to_upper = np.hypot(beside, np.maximum(y - 35, 0))
    to_lower = np.hypot(beside, np.maximum(63 - y, 0))
    return 7 - np.minimum(to_upper, to_lower)


def at_the_wall(n, rng):
    """Free states within reach of the wall, half of them at the door."""
    states = rng.uniform((92, 14), (132, 209), (40 * n, 2))
    states[::2, 1] = rng.uniform(30, 68, 20 * n)
    return states[penetration(states) <= 0][:n].astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_no_reachable_state_overlaps_a_wall(seed):
    rng = np.random.default_rng(seed)
    state = at_the_wall(200, rng)
    for _ in range(30):
        state = step(state, rng.choice([-1, 1], (200, 2)) * rng.uniform(0, 3, (200, 2)))
        assert penetration(state).max() < 1e-4
        assert state.min() >= 14 and state.max() <= 209


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_the_wall_is_crossed_only_through_the_door(seed):
    rng = np.random.default_rng(seed)
    before = at_the_wall(2000, rng)
    after = step(before, rng.uniform(-1.5, 1.5, before.shape))
    crossed = (before[:, 0] > 112) != (after[:, 0] > 112)
    # Inside the door the disc's centre has 7 px to either side.
    inside = np.where((np.abs(after[:, 0] - 112) < np.abs(before[:, 0] - 112))[:, None], after, before)
    assert (np.abs(inside[crossed, 1] - 49) <= 7 + 1e-3).all()


@pytest.mark.parametrize("x, push", [(100, 1), (124, -1), (98.3, 1)])
def test_an_agent_that_pushes_for_long_does_not_tunnel(x, push):
    state = np.array([[x, 120]], dtype=np.float32)
    for _ in range(200):
        state = step(state, np.array([[push, 0.1]]))
    assert abs(state[0, 0] - 112) == pytest.approx(12, abs=1e-4)
    assert (state[0, 0] > 112) == (x > 112)


def test_a_thousand_parts_a_step_lead_to_the_same_place(monkeypatch):
    rng = np.random.default_rng(0)
    state = at_the_wall(20_000, rng)
    action = rng.uniform(-1, 1, state.shape)
    coarse = step(state, action)
    monkeypatch.setattr(two_room, "PARTS", 1024)
    fine = step(state, action)
    assert np.abs(coarse - fine).max() < 0.1


def test_an_agent_slides_along_the_wall():
    after = step(np.array([[100, 120], [124, 90]]), np.array([[1, 1], [-1, -0.5]]))
    assert np.allclose(after, [[100, 125], [124, 87.5]], atol=1e-4)


def test_an_agent_in_the_open_moves_by_its_clipped_action():
    after = step(np.array([[50, 50], [208, 15]]), np.array([[0.5, -7], [1, -1]]))
    assert np.allclose(after, [[52.5, 45], [209, 14]])


def test_the_rooms_are_mirror_images():
    rng = np.random.default_rng(1)
    state, action = at_the_wall(1000, rng), rng.uniform(-1, 1, (1000, 2)).astype(np.float32)
    mirrored = step(state * [-1, 1] + [224, 0], action * [-1, 1]) * [-1, 1] + [224, 0]
    assert np.allclose(step(state, action), mirrored, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_batching_changes_no_bit(seed):
    rng = np.random.default_rng(seed)
    state, action = at_the_wall(37, rng), rng.uniform(-1, 1, (37, 2))
    alone = [step(state[i : i + 1], action[i : i + 1])[0] for i in range(37)]
    assert np.array_equal(step(state, action), alone)
    assert np.array_equal(render(state, 32), np.concatenate([render(s[None], 32) for s in state]))


def test_an_action_that_is_not_finite_is_refused():
    with pytest.raises(JepaError, match="not finite"):
        step(np.full((1, 2), 50), np.array([[0, np.nan]]))


def test_success_is_a_distance_below_16():
    assert reached(np.array([[50, 50], [50, 50]]), np.array([[50, 65.9], [50, 66]])).tolist() == [True, False]


def test_samples_are_free_and_tasks_lead_through_the_door():
    rng = np.random.default_rng(2)
    free = sample_free(20_000, rng)
    assert penetration(free).max() < 1e-3
    # The door is part of the free space, in proportion to its area.
    assert 0 < (np.abs(free[:, 0] - 112) < 5).mean() < 0.01
    start, target = sample_tasks(5000, rng)
    assert ((start[:, 0] < 112) != (target[:, 0] < 112)).all()
    assert min(start.min(), target.min()) >= 27 and max(start.max(), target.max()) <= 196
    assert 0.4 < (start[:, 0] < 112).mean() < 0.6


def test_without_noise_the_expert_walks_through_the_door_to_the_target():
    rng = np.random.default_rng(3)
    state, target = sample_tasks(300, rng)
    arrived = np.zeros(300, dtype=bool)
    for _ in range(150):
        state = np.where(arrived[:, None], state, step(state, expert(state, target, rng, noise=0.0)))
        arrived |= reached(state, target)
    assert arrived.all()


def test_the_expert_repeats_its_action_now_and_then():
    rng = np.random.default_rng(4)
    state, target = sample_tasks(20_000, rng)
    previous = np.full((20_000, 2), 0.25, dtype=np.float32)
    action = expert(state, target, rng, previous)
    assert (action == 0.25).all(-1).mean() == pytest.approx(0.05, abs=0.01)
    assert np.abs(action).max() == 1


@pytest.mark.parametrize("size", [16, 32, 64, 224])
def test_a_frame_shows_the_position_to_a_fraction_of_a_pixel(size):
    rng = np.random.default_rng(5)
    state = rng.uniform((28, 28), (78, 190), (64, 2)).astype(np.float32)
    frames = render(state, size).astype(float)
    assert frames.shape == (64, 3, size, size)
    redness = frames[:, 0] - frames[:, 1]
    place = (np.arange(size) + 0.5) * 224 / size - 0.5
    weight = redness.sum((1, 2))
    centre = np.stack([(redness.sum(1) * place).sum(1), (redness.sum(2) * place).sum(1)], axis=1) / weight[:, None]
    assert np.abs(centre - state).max() < 0.1 * 224 / size


def test_a_frame_shows_the_walls_and_the_door():
    frame = render(np.array([[160.0, 160.0]]), 224)[0]
    assert (frame[:, 100, 112] == 0).all()
    assert (frame[:, 49, 112] == 255).all()
    assert (frame[:, 3, 60] == 0).all() and (frame[:, 20, 60] == 255).all()
    assert frame[:, 160, 160].tolist() == [255, 0, 0]


def test_a_frame_anywhere_is_the_whole_gaussian():
    """The windows lose nothing: the disc equals one that is blended over the whole canvas, to one grey level."""
    state = np.concatenate([sample_free(50, np.random.default_rng(6)), [[14, 14], [209, 209], [14, 209]]])
    pixel = np.arange(64)[:, None] * 3.5 + 1.25
    alpha_x, alpha_y = (np.exp(-((pixel - state[:, axis]) ** 2) / 98) for axis in (0, 1))
    alpha = np.einsum("yn,xn->nyx", alpha_y, alpha_x)
    empty = render(np.array([[60.0, 180.0]]), 64)[0, 1], render(np.array([[170.0, 30.0]]), 64)[0, 1]
    background = np.maximum(*empty).astype(float)
    frames = render(state, 64).astype(float)
    assert np.abs(frames[:, 1] - background * (1 - alpha)).max() <= 1
    assert np.abs(frames[:, 0] - (background * (1 - alpha) + 255 * alpha)).max() <= 1


def test_the_simulator_is_placed_exactly_and_moves_only_active_agents():
    rng = np.random.default_rng(7)
    agents = simulator("two_room", 8)
    states = sample_free(8, rng)
    agents.set_state(states, goals=states)
    assert np.array_equal(agents.state, states)
    agents.state[:] = 0  # a copy
    active = np.arange(8) % 2 == 0
    actions = rng.uniform(-1, 1, (8, 2))
    moved = agents.step(actions, active)
    assert np.array_equal(moved[~active], states[~active])
    assert np.array_equal(moved[active], step(states, actions)[active])
    assert agents.frames(32, active).shape == (4, 3, 32, 32)
    assert np.array_equal(agents.frames(32), render_states("two_room", moved, 32))
    assert agents.reached(moved).all()


@pytest.mark.parametrize("state", [[112, 100], [101, 100], [10, 50], [np.nan, 50]])
def test_a_state_in_a_wall_is_refused(state):
    with pytest.raises(JepaError, match="wall"):
        Simulator(1).set_state([state])


def test_a_wrong_number_of_states_is_refused():
    with pytest.raises(JepaError, match="shape"):
        Simulator(2).set_state(np.full((3, 2), 50))


def test_an_unknown_environment_is_named_with_the_known_ones():
    with pytest.raises(JepaError, match="two_room"):
        simulator("three_room", 1)


def test_gymnasium_accepts_the_environment():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spec = EnvSpec("TwoRoom-v0", entry_point="jepa.envs.two_room:TwoRoom")
        check_env(gymnasium.make(spec, render_mode="rgb_array").unwrapped)


def test_an_episode_of_the_environment_starts_where_asked_and_ends_at_the_goal():
    env = TwoRoom(render_mode="rgb_array", size=48)
    observation, _ = env.reset(seed=1, options={"state": [50, 50], "goal": [70, 50]})
    assert observation["state"].tolist() == [50, 50]
    assert env.render().shape == (48, 48, 3)
    observation, reward, terminated, truncated, info = env.step(np.array([1, 0], dtype=np.float32))
    assert (reward, terminated, truncated, info) == (1.0, True, False, {"success": True})
    with pytest.raises(JepaError, match="wall"):
        env.reset(options={"state": [112, 120]})
