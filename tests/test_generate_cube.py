"""Demonstrations of Cube: the cube is carried to targets, exactly replayable, the same whatever runs beside them."""

import numpy as np
import pytest

from jepa.data.episodes import Episodes
from jepa.data.generate_cube import demonstrate, generate
from jepa.envs import cube
from jepa.errors import JepaError

STEPS = 100  # one plan takes about 90


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("cube") / "cube.h5"
    facts = generate(path, 3, 3, steps=STEPS, progress=False)
    return Episodes.open(path), facts


def test_the_cube_is_carried_to_the_target(made):
    episodes, facts = made
    assert facts["episodes"] == 3 and facts["rows"] == 3 * (STEPS + 1) == len(episodes.states)
    assert facts["arrived"] > 0.5 and facts["placements"] > 0.5
    states = episodes.states.reshape(3, STEPS + 1, -1)
    assert states[..., 16].max(axis=1).min() > 0.08, "a cube was not lifted"
    assert 0.1 < facts["solved_pairs"] < 0.7


def test_the_actions_replay_to_the_same_states(made):
    episodes, _ = made
    states = episodes.states.reshape(3, STEPS + 1, -1)
    actions = episodes.actions.reshape(3, STEPS + 1, -1)
    simulator = cube.Simulator(3)
    simulator.set_state(states[:, 40])
    for t in range(40, 70):
        np.testing.assert_array_equal(simulator.step(actions[:, t]), states[:, t + 1])


def test_an_episode_depends_on_seed_and_number_only(made, tmp_path):
    episodes, _ = made
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    states, actions, target, *_ = demonstrate(2, seed=3, steps=30, noise=0.1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    first = episodes.ep_offset[2]
    np.testing.assert_array_equal(states, episodes.states[first : first + 31])
    np.testing.assert_array_equal(actions[:-1], episodes.actions[first : first + 30])
    assert target.shape == (41,) and np.isnan(actions[-1]).all()
    other = demonstrate(2, seed=4, steps=3, noise=0.1)[0]
    assert not np.array_equal(other, states[:4])


def test_shares_of_nothing_are_none(tmp_path):
    facts = generate(tmp_path / "cube.h5", 0, 1, steps=6, progress=False)
    assert facts["placements"] == 0 and facts["arrived"] is None and facts["solved_pairs"] is None


def test_no_episodes_are_refused(tmp_path):
    with pytest.raises(JepaError, match="0 episodes"):
        generate(tmp_path / "cube.h5", 0, 0)
    assert not list(tmp_path.iterdir())
