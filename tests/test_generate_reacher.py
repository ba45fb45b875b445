"""Demonstrations of Reacher, and the task and experts behind them."""

import numpy as np
import pytest

from jepa.data.episodes import Episodes
from jepa.data.generate_reacher import demonstrate, generate
from jepa.envs.reacher import Simulator, finger, reached
from jepa.envs.reacher_hard import (
    FURTHEST,
    NEAREST,
    STEPS,
    nearest_posture,
    over_target,
    pd,
    postures,
    returns,
    sample_starts,
    sample_targets,
)
from jepa.errors import JepaError


def test_inverse_kinematics_is_inverse():
    target = sample_targets(2000, np.random.default_rng(0))
    distance = np.linalg.norm(target, axis=1)
    assert distance.min() >= NEAREST and distance.max() <= FURTHEST
    ways = postures(target)
    assert np.abs(finger(ways) - target[:, None]).max() < 1e-12
    assert np.abs(ways[..., 1]).max() < np.deg2rad(160)
    assert (ways[:, 0, 1] * ways[:, 1, 1] <= 0).all()  # the elbow is on either side


def test_the_nearest_posture_is_over_the_target_and_less_than_a_turn_away():
    rng = np.random.default_rng(1)
    state, target = sample_starts(500, rng), sample_targets(500, rng)
    state[:, 0] += 20
    joints = nearest_posture(state, target)
    assert np.abs(finger(joints) - target).max() < 1e-12
    assert np.abs(joints[:, 0] - state[:, 0]).max() <= np.pi + 1e-5


def test_without_noise_the_expert_solves_reacher_hard():
    earned, arrived = returns(pd, 100, np.random.default_rng(2))
    assert arrived.all()
    assert earned.min() > 0.9 * 2 * STEPS and earned.max() <= 2 * STEPS


def test_recorded_actions_lead_from_row_to_row(tmp_path):
    facts = generate(tmp_path / "reacher.h5", seed=0, episodes=30, steps=60)
    episodes = Episodes.open(tmp_path / "reacher.h5")
    assert episodes.env == "reacher" and episodes.ep_len.tolist() == [61] * 30
    assert facts["rows"] == len(episodes.states) == 30 * 61
    assert facts["arrived"] > 0.9 and facts["targets"] >= 1 and facts["noiseless_reached"] == 1
    arms = Simulator(30)
    first = episodes.ep_offset
    arms.set_state(episodes.states[first])
    for t in range(60):
        assert np.array_equal(arms.step(episodes.actions[first + t]), episodes.states[first + t + 1])
    assert np.isnan(episodes.actions[first + 60]).all()
    assert not episodes.target[:, 2:].any()


def test_the_same_arguments_give_the_same_file(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate(tmp_path / name, seed=seed, episodes=4, steps=30)
    a, b, c = (Episodes.open(tmp_path / name) for name in "abc")
    assert np.array_equal(a.states, b.states) and np.array_equal(a.actions, b.actions, equal_nan=True)
    assert not np.array_equal(a.states, c.states)


def test_the_arm_moves_in_nearly_every_pair():
    states = demonstrate(pd, 200, 100, 1.0, 25, np.random.default_rng(5))[0]
    assert reached(states[:, :-25], states[:, 25:]).mean() < 0.03


def test_without_noise_it_goes_from_target_to_target():
    states, _, target, count = demonstrate(pd, 50, 100, 0.0, 1, np.random.default_rng(6))
    assert count.min() >= 3
    held = demonstrate(pd, 50, 100, 0.0, 10**6, np.random.default_rng(6))
    assert (held[3] == 1).all()
    assert over_target(held[0][:, -1], finger(held[2])).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"episodes": 0}, "episodes 0"),
        ({"steps": 0}, "steps 0"),
        ({"hold": 0}, "hold 0"),
        ({"expert": "human"}, "choose one of ik, sac"),
        ({"expert": "sac"}, "needs `policy`"),
    ],
)
def test_wrong_options_are_refused_and_leave_no_file(tmp_path, options, sentence):
    with pytest.raises(JepaError, match=sentence):
        generate(tmp_path / "reacher.h5", **{"seed": 0, "episodes": 1} | options)
    assert not list(tmp_path.iterdir())
