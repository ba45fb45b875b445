"""Push-T: the state is what the future depends on, human demonstrations replay exactly, frames show the poses."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.data.push_t_files import demonstrations
from jepa.envs.push_t import VARIANTS, Simulator, angle_between, at_rest, corners, reached, render
from jepa.errors import JepaError

SEEDS = st.integers(0, 2**32 - 1)


def mirror_file(name):
    folder = os.environ.get("JEPA_DATA_MIRROR")
    found = sorted(Path(folder).rglob(name)) if folder else []
    if not found:
        pytest.skip(f"needs {name} in a mirror folder (JEPA_DATA_MIRROR)")
    return found[0]


def states(n, seed=0):
    rng = np.random.default_rng(seed)
    low, high = [50, 50, 120, 120, 0], [450, 450, 380, 380, 2 * np.pi]
    return at_rest(rng.uniform(low, high, (n, 5)))


def pushed(n, steps, seed=0):
    """States after the agents have walked through the blocks, and the generator that moves them."""
    rng = np.random.default_rng(seed)
    simulator = Simulator(n)
    simulator.set_state(states(n, seed))
    for _ in range(steps):
        simulator.step((simulator.state[:, 2:4] - simulator.state[:, :2]) / 100 + rng.normal(0, 0.2, (n, 2)))
    return simulator.state, rng


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_future_is_a_function_of_state_and_actions(seed):
    state, rng = pushed(6, 8, seed)
    actions = rng.uniform(-1, 1, (5, 6, 2))
    used, fresh = Simulator(6), Simulator(6)
    used.set_state(states(6, seed + 1))
    for action in actions:
        used.step(-action)
    for simulator in (used, fresh):
        simulator.set_state(state)
    for action in actions:
        np.testing.assert_array_equal(used.step(action), fresh.step(action))


def test_set_state_is_exact_and_state_is_a_copy():
    state, _ = pushed(20, 8)
    simulator = Simulator(20)
    simulator.set_state(state)
    np.testing.assert_array_equal(simulator.state, state)
    simulator.state[:] = 0
    np.testing.assert_array_equal(simulator.state, state)


def test_going_on_from_a_stored_state_differs_by_a_fraction_of_a_pixel():
    """The contact solver's memory is no part of the state; in ordinary pushing it matters this little."""
    rng = np.random.default_rng(0)
    state = at_rest(np.tile([256.0, 272, 256, 256, np.pi], (30, 1)))  # just below the bar's far side, which is down
    state[:, 0] += rng.uniform(-50, 50, 30)
    through, again = Simulator(30), Simulator(30)
    through.set_state(state)
    action = np.tile([0.0, -0.3], (30, 1))
    for _ in range(6):
        through.step(action)
        again.set_state(through.state)
        before = through.state
        after, other = through.step(action), again.step(action)
        assert (np.abs(after - before)[:, 2:4].max(-1) > 1).mean() > 0.9  # the blocks are being pushed
        difference = np.abs(after - other)[:, :4].max(-1)
        assert np.median(difference) < 0.05 and difference.max() < 0.5


def test_a_table_depends_on_nothing_but_itself():
    state, rng = pushed(7, 5)
    actions = rng.uniform(-1, 1, (7, 2))
    together = Simulator(7)
    together.set_state(state)
    after = together.step(actions)
    for i in range(7):
        alone = Simulator(1)
        alone.set_state(state[i : i + 1])
        np.testing.assert_array_equal(alone.step(actions[i : i + 1])[0], after[i])


def test_an_inactive_table_does_not_move():
    simulator = Simulator(4)
    simulator.set_state(states(4))
    before = simulator.state
    after = simulator.step(np.ones((4, 2)), np.array([True, False, False, True]))
    assert (after[[0, 3], :2] != before[[0, 3], :2]).all()
    np.testing.assert_array_equal(after[1:3], before[1:3])


def test_actions_are_clipped_and_move_the_agent_towards_their_target():
    simulator = Simulator(2)
    state = at_rest([[100, 400, 256, 200, 0]] * 2)
    simulator.set_state(state)
    after = simulator.step(np.array([[1.0, 0.0], [7.0, 0.0]]))
    np.testing.assert_array_equal(after[0], after[1])
    for _ in range(30):
        after = simulator.step_to(np.array([[180.0, 420.0], [60.0, 330.0]]))
    np.testing.assert_allclose(after[:, :2], [[180, 420], [60, 330]], atol=0.01)
    np.testing.assert_array_equal(after[:, 2:5], state[:, 2:5])  # nobody touched the blocks


def test_a_push_through_the_middle_moves_the_block_along():
    simulator = Simulator(1)
    simulator.set_state(at_rest([[256, 460, 256, 256, 0]]))
    for _ in range(16):
        state = simulator.step(np.array([[0.0, -0.2]]))
    assert state[0, 3] < 200
    # The agent still touches the arm's end: friction-free, and nothing but the contact moved the block.
    assert -0.2 < state[0, 1] - 15 - corners(state)[0, :, 1].max() < 5
    assert abs(state[0, 2] - 256) < 1 and angle_between(state[0, 4], 0) < 0.01


def test_a_wall_stops_a_block():
    """The agent stops in time: it is stronger than walls, and would push the block through."""
    simulator = Simulator(1)
    simulator.set_state(at_rest([[256, 460, 256, 60, 0]]))
    for _ in range(60):
        state = simulator.step_to(np.array([[256.0, 141.0]]))
    assert 5 < corners(state)[0, :, 1].min() < 12


def test_the_block_lies_where_its_corners_say():
    """The origin is the middle of the bar's far side, whatever the angle: the angle is set before the position."""
    quarter = corners(at_rest([200, 0, 256, 256, np.pi / 2]))
    expected = [[256, 196], [256, 316], [226, 316], [226, 196], [226, 241], [226, 271], [136, 271], [136, 241]]
    np.testing.assert_allclose(quarter, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "success", "block"),
    [
        ({}, True, True),
        ({0: 19.9}, True, True),
        ({0: 20.1}, False, True),
        ({0: 15, 2: 15}, False, True),  # the four differences count together
        ({2: 12, 3: 12, 5: 99, 9: 9}, True, True),  # velocities do not
        ({3: 20.1}, False, False),
        ({4: np.pi / 9 - 1e-3}, True, True),
        ({4: np.pi / 9 + 1e-3}, False, False),
        ({4: 2 * np.pi - 0.3}, True, True),  # the shorter way round
    ],
)
def test_success_is_the_released_one(change, success, block):
    goal = states(1)[0].astype(np.float64)
    state = goal.copy()
    for column, difference in change.items():
        state[column] += difference
    assert bool(reached(state, goal)) is success
    assert bool(VARIANTS["block"](state, goal)) is block


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_angles_differ_by_the_smaller_turn(a, b):
    assert np.isclose(angle_between(a, b), np.abs(np.angle(np.exp(1j * (a - b)))), atol=1e-6)


@pytest.mark.parametrize("wrong", [np.zeros((2, 10)), np.zeros((3, 7)), np.full((3, 10), np.nan)])
def test_a_wrong_state_is_refused(wrong):
    with pytest.raises(JepaError, match="Push-T state"):
        Simulator(3).set_state(wrong)


def test_an_action_that_is_not_finite_is_refused():
    with pytest.raises(JepaError, match="action is not finite"):
        Simulator(1).step(np.array([[np.nan, 0]]))


def test_a_frame_shows_where_agent_and_block_are():
    state = states(50)
    frames = render(state, 128).astype(int)
    agent, block = state[:, :2] / 4, corners(state)[:, [3, 2, 4, 5, 6, 7]].mean(1) / 4
    for frame, (x, y), (u, v) in zip(frames, agent, block, strict=True):
        assert np.abs(frame[:, int(y), int(x)] - (78, 126, 255)).max() <= 1
        if np.hypot(x - u, y - v) > 8:
            assert np.abs(frame[:, int(v), int(u)] - (143, 163, 184)).max() <= 24  # inside, or an outline


@pytest.mark.parametrize("size", [32, 64, 96])
def test_small_frames_tell_a_move_of_a_pixel(size):
    state = at_rest([[100, 100, 300, 300, 1.0]] * 4)
    state[1, 0] += 1
    state[2, 3] += 1
    state[3, 4] += 0.02
    frames = render(state, size).astype(int)
    assert frames.shape == (4, 3, size, size)
    for moved in frames[1:]:
        assert np.abs(moved - frames[0]).sum() > 0


def test_objects_may_leave_the_canvas():
    state = at_rest([[-300, 900, 256, 256, 0], [510, 3, 500, 10, 2]])
    assert (render(state, 64)[0, 2] == render(state, 64)[0, 2].max()).any()


def test_the_drawn_goal_never_moves():
    simulator = Simulator(2)
    simulator.set_state(states(2), goals=states(2, seed=1))
    with_goals = simulator.frames(64)
    simulator.set_state(states(2), goals=states(2, seed=2))
    np.testing.assert_array_equal(simulator.frames(64), with_goals)
    np.testing.assert_array_equal(simulator.frames(64, np.array([1])), with_goals[1:])
    np.testing.assert_array_equal(simulator.frames(64, np.array([False, True])), with_goals[1:])


def test_a_frame_takes_less_than_a_millisecond():
    state = states(300)
    render(state, 64)
    start = time.process_time()
    render(state, 64)
    assert time.process_time() - start < 0.3


def test_human_demonstrations_replay_exactly():
    """The initial contacts of a few recordings are not in their states; those drift by a pixel or more."""
    human = demonstrations(mirror_file("pusht_cchi_v7_lowdim.npz"))
    deviation = []
    for i in range(0, len(human), 4):
        poses, targets = human[i]
        simulator = Simulator(1)
        simulator.set_state(at_rest(poses[:1]))
        replay = np.array([simulator.step_to(target[None])[0] for target in targets[:-1]])
        deviation.append(np.abs(replay[:, :4] - poses[1:, :4]).max())
    deviation = np.array(deviation)
    assert np.median(deviation) < 1e-4
    assert (deviation < 1e-3).mean() > 0.8


def test_frames_are_those_of_the_recordings_to_a_grey_level():
    with np.load(mirror_file("pusht_cchi_v7_img96_first5ep.npz"), allow_pickle=False) as file:
        recorded = file["img"].astype(int)
    poses = demonstrations(mirror_file("pusht_cchi_v7_lowdim.npz")).poses[: len(recorded)]
    frames = render(poses, recorded.shape[1]).transpose(0, 2, 3, 1)
    assert np.abs(frames - recorded).mean() < 1
