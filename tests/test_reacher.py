"""The two-link arm: its physics, its frames and the criterion `qpos_match`."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.envs import gl, reacher
from jepa.envs.reacher import VARIANTS, Simulator, finger, reached, render, step, substeps
from jepa.envs.registry import render_states, simulator
from jepa.errors import JepaError

SEEDS = st.integers(0, 2**32 - 1)
needs_gl = pytest.mark.skipif(gl.probe() is None, reason="no OpenGL backend renders here")


def somewhere(n, rng):
    """States with some speed."""
    angles = rng.uniform((-7, -2.7), (7, 2.7), (n, 2))
    return np.concatenate([angles, rng.normal(size=(n, 2)) * 4], axis=1).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_batching_changes_no_bit(seed):
    rng = np.random.default_rng(seed)
    state, action = somewhere(17, rng), rng.uniform(-1.2, 1.2, (17, 2))
    alone = [step(state[i : i + 1], action[i : i + 1])[0] for i in range(17)]
    assert np.array_equal(step(state, action), alone)


def test_a_stored_state_has_the_same_future_to_the_last_bit():
    rng = np.random.default_rng(0)
    first, second = Simulator(9), Simulator(9)
    first.set_state(somewhere(9, rng))
    actions = rng.uniform(-1, 1, (60, 9, 2)).astype(np.float32)
    for action in actions[:30]:
        first.step(action)
    second.set_state(first.state)
    for action in actions[30:]:
        assert np.array_equal(first.step(action), second.step(action))


def test_the_physics_is_that_of_dm_control():
    environment = pytest.importorskip("dm_control.suite").load("reacher", "hard", task_kwargs={"random": 0})
    environment.reset()
    rng = np.random.default_rng(1)
    states, data = somewhere(50, rng), environment.physics.data
    states[:10, 1], states[:10, 3] = 2.75, 5  # these run into the wrist's limit
    actions = rng.uniform(-1, 1, (50, 2))
    expected = []
    for state, action in zip(states, actions, strict=True):
        with environment.physics.reset_context():
            data.qpos[:], data.qvel[:] = state[:2], state[2:]
        both = []
        for _ in range(2):
            environment.step(action)
            both.append([*data.qpos, *data.qvel])
        expected.append(both)
    assert np.abs(substeps(states, actions) - expected).max() < 1e-5


def test_the_shoulder_forgets_whole_turns_and_the_arm_its_mirror_image():
    rng = np.random.default_rng(2)
    state, action = somewhere(100, rng), rng.uniform(-1, 1, (100, 2))
    after = step(state, action)
    turned = step(state + np.array([2 * np.pi, 0, 0, 0]), action)
    assert np.allclose(turned - [2 * np.pi, 0, 0, 0], after, atol=2e-5)
    assert np.allclose(-step(-state, -action), after, atol=1e-5)


def test_actions_are_clipped_and_must_be_finite():
    state = somewhere(4, np.random.default_rng(3))
    assert np.array_equal(step(state, np.full((4, 2), 7.0)), step(state, np.ones((4, 2))))
    with pytest.raises(JepaError, match="not finite"):
        step(state, np.full((4, 2), np.nan))


def test_the_wrist_stays_within_its_limits():
    arms = Simulator(2)
    for _ in range(100):
        state = arms.step(np.array([[0, 1], [0, -1]]))
    assert np.abs(np.rad2deg(state[:, 1]) - [160, -160]).max() < 5


def test_success_needs_every_joint_and_the_variant_forgives_turns():
    goal = np.array([3.0, 1.0, 0, 0])
    offsets = np.array([[0.049, -0.049], [0.051, 0], [0, 0.051], [2 * np.pi, 0], [-4 * np.pi + 0.04, 0]])
    states = goal + np.concatenate([offsets, np.full((5, 2), 9.0)], axis=1)
    assert reached(states, goal).tolist() == [True, False, False, False, False]
    assert VARIANTS["wrapped"](states, goal).tolist() == [True, False, False, True, True]


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_success_implies_every_variant(seed):
    rng = np.random.default_rng(seed)
    goal = somewhere(200, rng)
    state = goal + rng.uniform(-0.06, 0.06, goal.shape).astype(np.float32)
    for variant in VARIANTS.values():
        assert (variant(state, goal) | ~reached(state, goal)).all()


def test_the_finger_is_where_the_links_lead():
    assert np.allclose(finger([[0, 0], [np.pi / 2, 0], [0, np.pi / 2]]), [[0.24, 0], [0, 0.24], [0.12, 0.12]])


def test_the_simulator_is_placed_exactly_and_moves_only_active_arms():
    rng = np.random.default_rng(4)
    arms, states = simulator("reacher", 8), somewhere(8, rng)
    arms.set_state(states, goals=states)
    assert np.array_equal(arms.state, states) and arms.reached(states).all()
    arms.state[:] = 0  # a copy
    active, actions = np.arange(8) % 2 == 0, rng.uniform(-1, 1, (8, 2))
    actions[~active] = np.nan  # ignored
    moved = arms.step(actions, active)
    assert np.array_equal(moved[~active], states[~active])
    assert np.array_equal(moved[active], step(states[active], actions[active]))
    assert np.array_equal(arms.step(np.zeros((8, 2)), np.zeros(8, dtype=bool)), moved)


def test_wrong_states_are_refused():
    with pytest.raises(JepaError, match="shape"):
        Simulator(2).set_state(np.zeros((3, 4)))
    with pytest.raises(JepaError, match="not finite"):
        Simulator(1).set_state([[0, np.inf, 0, 0]])


def test_physics_needs_no_opengl_and_importing_needs_no_mujoco():
    program = (
        "import sys; from jepa.envs import reacher as r; import numpy as np\n"
        "assert 'mujoco' not in sys.modules\n"
        "r.step(np.zeros((1, 4)), np.ones((1, 2)))\n"
        "assert not any('OpenGL' in m or 'dm_control.' in m for m in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


@needs_gl
@pytest.mark.parametrize("size", [64, 100, 224])
def test_a_frame_shows_the_arm_where_it_is(size):
    """The camera looks down from 0.75 m at an angle of 45 degrees; the arm is the only yellow thing."""
    states = somewhere(20, np.random.default_rng(5))
    frames = render(states, size).astype(int)
    assert frames.shape == (20, 3, size, size)
    yellow = frames[:, 0] > frames[:, 2]
    half = 0.74 * np.tan(np.deg2rad(22.5))
    tip = finger(states)
    elbow = 0.12 * np.stack([np.cos(states[:, 0]), np.sin(states[:, 0])], axis=1)

    def at(place):
        column, row = ((place / half * [1, -1] + 1) / 2 * size).astype(int).T
        return yellow[np.arange(20), row, column]

    assert at(tip).all() and at((tip + elbow) / 2).all() and at(0.7 * elbow).all()
    assert not at(tip + 0.2 * (tip - elbow)).any()  # beyond the finger's tip there is nothing


@needs_gl
def test_a_small_frame_is_a_large_one_averaged():
    states = somewhere(5, np.random.default_rng(7))
    large = render(states, 128).astype(float)
    small = large.reshape(5, 3, 32, 4, 32, 4).mean((3, 5))
    assert np.abs(render(states, 32) - small).max() <= 0.5


@needs_gl
def test_frames_depend_on_the_angles_alone():
    states = somewhere(6, np.random.default_rng(6))
    frames = render_states("reacher", states, 32)
    alone = np.concatenate([render(state[None] * [1, 1, 0, 0], 32) for state in states[::-1]])[::-1]
    assert np.array_equal(frames, alone)
    assert len({frame.tobytes() for frame in frames}) == 6
    arms = Simulator(6)
    arms.set_state(states)
    assert np.array_equal(arms.frames(32, [4, 1]), frames[[4, 1]])
    assert np.array_equal(arms.frames(32, np.arange(6) < 2), frames[:2])
    assert render(states[:0], 32).shape == (0, 3, 32, 32)


@needs_gl
def test_a_tenth_of_a_tolerance_changes_a_small_frame():
    state = np.array([[0.4, 0.9, 0, 0]])
    frames = render(np.concatenate([state, state + 0.1 * reacher.SUCCESS]), 32)
    assert (frames[0] != frames[1]).any()
