"""The goal-shuffle test tells a canvas that shows the goal from one that does not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from jepa.data import manifest
from jepa.data.episodes import Episodes
from jepa.data.generate_two_room import generate
from jepa.envs import registry
from jepa.errors import JepaError
from jepa.evaluation import goal_shuffle
from jepa.evaluation.rollouts import evaluate
from linear_world import SKIP, LinearModel, Plane, demonstrations, picture, plane  # noqa: F401

SETTINGS = {
    "eval_seeds": 2,
    "candidates": 128, "elites": 12, "iterations": 12, "horizon": 5,
}  # fmt: skip
ARMS = ["own", "shuffled", "earlier"]


class Telltale(Plane):
    """A plane that draws the goal into its frames, behind the state's eight bytes."""

    def set_state(self, states, goals=None):
        super().set_state(states)
        self.goals = self.state if goals is None else np.array(goals, dtype=np.float32)

    def frames(self, size, index=None):
        frames = super().frames(size, index)
        goals = self.goals if index is None else self.goals[index]
        frames.reshape(len(frames), -1)[:, 8:16] = np.ascontiguousarray(goals).view(np.uint8)
        return frames


class Reader(LinearModel):
    """Its latents hold whatever is drawn as well, and its behaviour cloning walks there."""

    def encode(self, frames):
        data = frames.numpy().reshape(*frames.shape[:2], -1)[..., :16]
        return torch.from_numpy(np.ascontiguousarray(data).view(np.float32).copy()) / 10

    def query(self, prefix, a_tilde, z_tilde, tau_a, tau_z):
        here, goal = prefix.last.split(2, dim=-1)
        way = goal - here
        step = way / way.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        action = self.normalise(step.repeat(1, SKIP))
        velocity = (action - a_tilde) / (1 - tau_a) if tau_a < 1 else torch.zeros_like(a_tilde)
        taken = self.denormalise(a_tilde if tau_a == 1 else action).unflatten(1, (SKIP, 2)).sum(1)
        return velocity, torch.cat([here + 0.5 * taken, goal], dim=-1)


def measured(model, pairs=40, dispatches=(("cem", 2), ("bc", 2))):
    episodes = demonstrations(spread=0.1)
    frozen = manifest.make(episodes, range(20), pairs, seed=0)
    return goal_shuffle.measure(model, episodes, frozen, SETTINGS, 1, dispatches), episodes, frozen


@pytest.mark.usefixtures("plane")
def test_goal_blind_success_falls_where_the_canvas_is_silent():
    result, episodes, frozen = measured(LinearModel())
    found = result["goal_shuffle"]
    assert found["canvas_difference"] == found["render_difference"] == 0
    assert (result["env"], result["seed"], result["protocol"]) == ("plane", 1, "repaired")
    assert result["manifest"]["hash"] == frozen["hash"]
    bc, cem = found["dispatches"]["bc"], found["dispatches"]["cem"]
    assert bc["k"] == cem["k"] == 2 and [arm for arm in bc if arm != "k"] == ARMS
    assert bc["own"]["sr"] > 0.3 and bc["shuffled"]["sr"] < bc["own"]["sr"] / 2 and bc["earlier"]["sr"] == 0
    assert cem["own"]["sr"] > 0.9 and cem["earlier"]["sr"] > 0.9  # `earlier` is as near as the own goal
    # Own goals: what the evaluation of this dispatch measures, with the same noise.
    alone = evaluate(LinearModel(), episodes, frozen, "bc", 2, SETTINGS, seed=1)
    assert bc["own"]["episodes"] == alone["episodes"]


@pytest.mark.usefixtures("plane")
def test_floors_and_reachable_pairs_keep_the_comparison_honest():
    found = measured(LinearModel())[0]["goal_shuffle"]
    assert list(found["floors"]) == ["random", "stand-still", "replay"]
    replay = found["floors"]["replay"]
    assert replay["own"]["sr"] == 1.0 and replay["shuffled"]["sr"] < 0.5 and replay["earlier"]["sr"] == 0.0
    assert list(found["solved_at_start"]) == ARMS
    for arm in ARMS:
        still = found["floors"]["stand-still"][arm]
        assert still["sr"] == found["solved_at_start"][arm]
        reachable, planned = found["reachable"][arm], found["dispatches"]["cem"][arm]
        reached = {e["pair"] for e in planned["episodes"] if e["success"] and not e["solved_at_start"]}
        assert reachable["n"] == len(reached) and set(reachable) == {"n", "bc", "random", "stand-still", "replay"}
    assert found["reachable"]["own"]["replay"] == 1.0 and found["reachable"]["shuffled"]["stand-still"] in (0.0, None)


def test_a_canvas_that_shows_the_goal_is_found_out(monkeypatch):
    known, added = registry.module, SimpleNamespace(Simulator=Telltale, render=picture)
    monkeypatch.setattr(registry, "module", lambda name: added if name == "plane" else known(name))
    found = measured(Reader(), dispatches=[("bc", 4)])[0]["goal_shuffle"]
    assert found["canvas_difference"] > 0 and found["render_difference"] > 0
    bc, replay = found["dispatches"]["bc"], found["floors"]["replay"]
    assert bc["own"]["sr"] == bc["earlier"]["sr"] == 1.0
    assert bc["shuffled"]["sr"] > 2 * replay["shuffled"]["sr"]
    assert "reachable" not in found  # no planner was asked


def test_every_pair_gets_another_pairs_goal_and_every_goal_is_used_once():
    episodes = demonstrations()
    frozen = manifest.make(episodes, range(20), 30, seed=0)
    arms = goal_shuffle.goals_of_arms(episodes, frozen)
    own, shuffled = (arms[name][0] for name in ("own", "shuffled"))
    assert (own != shuffled).any(axis=1).all()
    assert np.array_equal(np.unique(own, axis=0), np.unique(shuffled, axis=0))
    again = goal_shuffle.goals_of_arms(episodes, frozen)["shuffled"][0]
    assert np.array_equal(shuffled, again)


def test_earlier_goals_lie_before_the_start_in_the_same_episode():
    episodes = demonstrations()
    frozen = manifest.make(episodes, range(20), 60, seed=0)
    goals, chosen = goal_shuffle.goals_of_arms(episodes, frozen)["earlier"]
    assert 0 < len(chosen) < 60
    for index, pair in enumerate(frozen["pairs"]):
        row = pair["start_row"] - 25
        inside = row >= episodes.ep_offset[pair["episode"]]
        assert inside == (index in chosen)
        if inside:
            assert np.array_equal(goals[index], episodes.states[row])


def test_the_canvas_of_two_room_does_not_show_the_goal(tmp_path):
    generate(tmp_path / "two_room.h5", seed=0, episodes=20)
    episodes = Episodes.open(tmp_path / "two_room.h5")
    frozen = manifest.make(episodes, range(20), 10)
    assert goal_shuffle.differences(episodes, frozen, 32) == {"canvas_difference": 0, "render_difference": 0}


@pytest.mark.usefixtures("plane")
def test_one_pair_cannot_be_shuffled():
    with pytest.raises(JepaError, match="two evaluation pairs"):
        measured(LinearModel(), pairs=1)
