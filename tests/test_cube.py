"""Cube: a step is a function of state and action and agrees with OGBench; success is 4 cm; a frame shows the cube."""

import os
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from jepa.envs import cube, gl
from jepa.envs.cube import Simulator, reached, render, sample_starts
from jepa.errors import JepaError

DOWN = 18  # steps from a start to the table


@pytest.fixture(scope="module")
def starts():
    return sample_starts(4, np.random.default_rng(0))


@pytest.fixture
def needs_gl():
    if gl.probe() is None:
        pytest.skip("no OpenGL backend renders on this machine")


@pytest.fixture
def fast(needs_gl, monkeypatch):
    monkeypatch.setattr(cube, "QUALITY", "fast")


def run(states, actions):
    """The states after each of the actions, (T, n, 41)."""
    simulator = Simulator(len(states))
    simulator.set_state(states)
    return np.stack([simulator.step(action) for action in actions])


def gripper(state):
    """Where the point between the fingers is, and how far they are closed, in [0, 1]."""
    cube.place(state)
    info = cube.physics().compute_ob_info()
    return info["proprio/effector_pos"], info["proprio/gripper_opening"][0]


def pushing(start):
    """States in which the closed gripper goes down beside the cube and pushes it along y, and its actions.

    start: (41,). Returns (T + 1, 41) and (T, 5).
    """
    place, _ = gripper(start)
    states, actions = [start.copy()], []
    states[0][cube.CUBE] = place[0], place[1] + 0.08, 0.02
    for t in range(DOWN + 8):
        aim = place[0], place[1] if t < DOWN else place[1] + 0.2, 0.02
        way = (aim - gripper(states[-1])[0]) / 0.05
        actions.append(np.append(way, [0, 1]).clip(-1, 1).astype(np.float32))
        states.append(cube.step(states[-1][None], actions[-1][None])[0])
    return np.array(states), np.array(actions)


def test_a_state_has_all_that_its_future_needs(starts):
    """Also in a fresh physics, after other things were simulated, and while the gripper pushes the cube."""
    states, actions = pushing(starts[0])
    assert states[-1, 15] > states[DOWN, 15] + 0.05, "the cube was not pushed"
    run(starts, np.ones((3, 4, 5)))
    cube.physics.cache_clear()
    for t in (0, DOWN - 3, DOWN + 5):
        np.testing.assert_array_equal(run(states[[t]], actions[t:, None])[:, 0], states[t + 1 :])


def test_rows_are_independent_and_inactive_rows_stay(starts):
    actions = np.random.default_rng(1).uniform(-1, 1, (3, 4, 5))
    together = run(starts, actions)
    for row in range(4):
        np.testing.assert_array_equal(run(starts[[row]], actions[:, [row]])[:, 0], together[:, row])
    simulator = Simulator(4)
    simulator.set_state(starts)
    after = simulator.step(actions[0], active=[True, False, True, False])
    np.testing.assert_array_equal(after[[1, 3]], starts[[1, 3]])
    np.testing.assert_array_equal(after[[0, 2]], together[0][[0, 2]])


def test_steps_and_verdicts_agree_with_ogbench(starts):
    from ogbench.manipspace.envs.cube_env import CubeEnv

    theirs = CubeEnv(env_type="single", ob_type="states", mode="data_collection")
    theirs.reset(seed=7)
    cases = pushing(starts[1])[0][::3]
    for state, action in zip(cases, np.random.default_rng(2).uniform(-1, 1, (len(cases), 5)), strict=True):
        target = state.copy()
        target[cube.CUBE] += np.random.default_rng(3).uniform(-0.04, 0.04, 3)
        mujoco.mj_resetData(theirs.model, theirs.data)  # it remembers the solver's last solution otherwise
        theirs.set_state(state[:21].astype(np.float64), state[21:].astype(np.float64))
        theirs.data.mocap_pos[0] = target[cube.CUBE]
        theirs.step(action)
        ours = cube.step(state[None], action[None])[0]
        np.testing.assert_allclose(ours, np.concatenate([theirs.data.qpos, theirs.data.qvel]), rtol=1e-6, atol=1e-6)
        assert reached(ours, target) == theirs.unwrapped._success


def test_actions_move_the_gripper_in_metres_and_close_it(starts):
    """The set point runs ahead by 5 cm a step at action 1; the arm follows, in its direction, by at most that."""
    start = sample_starts(1, np.random.default_rng(5))
    cube.place(start[0])
    middle = np.array([0.42, 0, 0.28])
    for axis in range(3):
        way = np.zeros((4, 1, 5))
        place, _ = gripper(start[0])
        sign = np.sign(middle - place)[axis]
        way[:, :, axis] = sign
        moved = gripper(run(start, way)[-1, 0])[0] - place
        assert 0.02 < sign * moved[axis] <= 0.2
        assert np.abs(np.delete(moved, axis)).max() < abs(moved[axis]) / 3
    closed = run(start, np.tile([0.0, 0, 0, 0, 1], (8, 1, 1)))
    assert gripper(closed[-1, 0])[1] > 0.8 > 0.2 > gripper(start[0])[1]
    np.testing.assert_array_equal(run(start, np.full((1, 1, 5), 9.0)), run(start, np.ones((1, 1, 5))))


def test_success_is_four_centimetres_of_the_cube_and_nothing_else(starts):
    goal = np.random.default_rng(0).permutation(starts)
    for distance, expected in ((0.0399, True), (0.0401, False)):
        direction = np.random.default_rng(4).normal(size=(4, 3))
        state = starts.copy()
        state[:, cube.CUBE] = goal[:, cube.CUBE] + distance * direction / np.linalg.norm(direction, axis=1)[:, None]
        assert (reached(state, goal) == expected).all()
    simulator = Simulator(4)
    simulator.set_state(starts)
    assert simulator.reached(starts).all()


def test_starts_are_drawn_over_the_table(starts):
    many = sample_starts(200, np.random.default_rng(1))
    assert (
        many.shape == (200, Simulator.state_dim)
        and (many[:, 21:] == 0).all()
        and (many[:, 16] == np.float32(0.02)).all()
    )
    low, high = many[:, 14:16].min(0), many[:, 14:16].max(0)
    assert (low >= [0.3, -0.3]).all() and (high <= [0.55, 0.3]).all() and ((high - low) > [0.22, 0.55]).all()
    np.testing.assert_array_equal(starts, sample_starts(4, np.random.default_rng(0)))


def test_mistakes_are_sentences(starts):
    simulator = Simulator(4)
    with pytest.raises(JepaError, match=r"\(3, 41\)"):
        simulator.set_state(starts[:3])
    broken = starts.copy()
    broken[2, 5] = np.nan
    with pytest.raises(JepaError, match="state 2 is not finite"):
        simulator.set_state(broken)
    with pytest.raises(JepaError, match="not finite"):
        simulator.step(np.full((4, 5), np.inf))
    with pytest.raises(JepaError, match="'crisp'.*fast, full"):
        cube.set_quality("crisp")


def test_physics_needs_no_opengl_and_a_frame_says_so(tmp_path):
    program = """
import numpy as np
from jepa.envs import cube
from jepa.errors import JepaError
simulator = cube.Simulator(2)
print(np.isfinite(simulator.step(np.ones((2, 5)))).all())
try:
    simulator.frames(8)
except JepaError as error:
    print("libosmesa6" in str(error))
"""
    environment = os.environ | {"JEPA_GL": "none"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["True", "True"] and done.stderr == "", done.stderr


def test_a_misspelt_quality_in_the_environment_is_a_sentence(tmp_path):
    program = "from jepa.envs import cube; from jepa.errors import run; run(lambda: cube.render([], 8))"
    environment = os.environ | {"JEPA_CUBE_QUALITY": "ful"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "'ful'" in done.stderr and "JEPA_CUBE_QUALITY); choose one of fast, full" in done.stderr


def test_a_frame_shows_where_the_cube_is(starts, fast):
    """Seen from the front: y grows to the right and x towards the camera, down the frame."""
    places = [(0.35, 0.0), (0.5, 0.0), (0.42, -0.2), (0.42, 0.2)]
    states = np.repeat(starts[:1], 4, axis=0)
    states[:, 14:16] = places
    states[:, 0] += np.pi  # the arm behind its base
    frames = render(states, 48).astype(int)
    red = frames[:, 0] - frames[:, 1:].max(axis=1) > 40
    centres = np.array([np.argwhere(one).mean(0) for one in red])
    assert centres[1, 0] > centres[0, 0] + 5 and centres[3, 1] > centres[2, 1] + 10
    assert abs(centres[0, 1] - centres[1, 1]) < 3 and abs(centres[3, 0] - centres[2, 0]) < 2


def test_a_frame_shows_the_gripper_and_no_goal(starts, fast):
    simulator = Simulator(4)
    simulator.set_state(starts)
    frames = simulator.frames(32)
    assert frames.shape == (4, 3, 32, 32) and frames.dtype == np.uint8
    simulator.set_state(starts, goals=starts[::-1])
    np.testing.assert_array_equal(simulator.frames(32), frames)
    np.testing.assert_array_equal(simulator.frames(32, [2, 0]), frames[[2, 0]])
    np.testing.assert_array_equal(simulator.frames(32, np.arange(4) == 3), frames[[3]])
    moved = starts.copy()
    moved[:, :14] = starts[::-1, :14]
    assert (np.abs(render(moved, 32).astype(int) - frames).max(axis=(1, 2, 3)) > 10).all()
    # What is drawn is the state, not where OGBench's target lies.
    cube.physics().data.mocap_pos[0] = 0.42, 0.0, 0.1
    np.testing.assert_array_equal(simulator.frames(32), frames)


def test_coarser_meshes_look_the_same(starts, fast, monkeypatch):
    coarse = render(starts, 64).astype(int)
    cube._renderer.cache_clear()
    monkeypatch.setattr(cube, "CELL", 1e-5)
    fine = render(starts, 64).astype(int)
    cube._renderer.cache_clear()
    assert np.abs(coarse - fine).mean() < 0.6
    faces = cube._scenery("full", 8).mesh_facenum.sum()
    monkeypatch.setattr(cube, "CELL", 0.006)
    assert cube._scenery("fast", 8).mesh_facenum.sum() < faces / 8
    assert cube.physics().model.mesh_facenum.sum() == faces, "the physics' own meshes were changed"


def test_the_full_quality_casts_shadows(starts, fast, monkeypatch):
    monkeypatch.setenv("JEPA_CUBE_QUALITY", "fast")
    without = render(starts[:1], 16).astype(int)
    cube.set_quality("full")
    assert os.environ["JEPA_CUBE_QUALITY"] == cube.QUALITY == "full"
    assert np.abs(render(starts[:1], 16).astype(int) - without).mean() > 3
    assert mujoco.mjr_getError() == 0
