"""Floors and ceilings in Two-Room, and on the plane."""

import dataclasses

import numpy as np
import pytest

from jepa.data import manifest
from jepa.data.episodes import Episodes
from jepa.data.generate_two_room import generate
from jepa.envs import registry
from jepa.evaluation import floors
from linear_world import Plane, demonstrations, plane  # noqa: F401


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "two_room.h5"
    generate(path, seed=0, episodes=200)
    return Episodes.open(path)


@pytest.fixture(scope="module")
def result(rooms):
    training, held_out = rooms.split(0.4, 0)
    return floors.measure(rooms, manifest.make(rooms, held_out, 80, seed=0), training)


def test_replaying_the_demonstration_succeeds_everywhere(result):
    replay = result["floors"]["replay"]
    assert replay["sr"] == 1.0 and all(episode["steps"] <= 25 for episode in replay["episodes"])


def test_standing_still_solves_what_is_solved_at_the_start(result):
    still = result["floors"]["stand-still"]
    assert still["sr"] == result["solved_at_start"] and still["sr_unsolved"] == 0.0
    assert all(episode["success"] == episode["solved_at_start"] for episode in still["episodes"])


def test_floors_lie_in_their_order(result):
    rate = {name: floor["sr"] for name, floor in result["floors"].items()}
    assert list(rate) == ["random", "stand-still", "replay", "goal-blind"]
    assert rate["stand-still"] < rate["random"] < rate["goal-blind"] < rate["replay"]
    assert {floor["n"] for floor in result["floors"].values()} == {80}


def test_floors_do_not_depend_on_the_pairs_beside_them(rooms):
    training, held_out = rooms.split(0.4, 0)
    every = manifest.make(rooms, held_out, 10, seed=1)
    few = every | {"pairs": every["pairs"][6:]}
    few["states"] = manifest._digest(rooms, few["pairs"])
    few["hash"] = manifest._hash(few)
    whole, part = (floors.measure(rooms, pairs, training)["floors"] for pairs in (every, few))
    for name in whole:
        tail = [episode["steps"] for episode in whole[name]["episodes"][6:]]
        assert [episode["steps"] for episode in part[name]["episodes"]] == tail


@pytest.mark.usefixtures("plane")
def test_an_environment_without_a_heuristic_has_no_goal_blind_ceiling():
    episodes = demonstrations()
    result = floors.measure(episodes, manifest.make(episodes, range(10), 5, seed=0), np.arange(10, 20), eval_seeds=2)
    assert list(result["floors"]) == ["random", "stand-still", "replay"]
    assert result["floors"]["random"]["n"] == 10 and result["floors"]["replay"]["sr"] == 1.0
    assert result["floors"]["replay"]["n"] == 5  # without chance, once a pair says everything


class Lopsided(Plane):
    """Three action dimensions with ranges of their own, of which the last does nothing; noted what is played."""

    action_dim = 3
    action_low = np.array([-1, -0.5, 2], dtype=np.float32)
    action_high = np.array([1, 0.25, 6], dtype=np.float32)
    played = []

    def step(self, actions, active=None):
        self.played.append(np.array(actions))
        super().step(actions[:, :2], active)


def test_random_actions_fill_the_range_of_each_dimension_and_other_criteria_are_counted(plane, monkeypatch):  # noqa: F811
    far = {"twice as far": lambda state, goal: np.linalg.norm(state - goal, axis=1) < 32}
    monkeypatch.setattr(registry.module("plane"), "Simulator", Lopsided)
    monkeypatch.setattr(registry.module("plane"), "VARIANTS", far, raising=False)
    flat = demonstrations()
    actions = np.concatenate([flat.actions, flat.actions[:, :1]], axis=1)
    episodes = dataclasses.replace(flat, actions=actions)
    Lopsided.played.clear()
    result = floors.measure(episodes, manifest.make(episodes, range(10), 30, seed=0), np.arange(10, 20))
    drawn = np.stack(Lopsided.played[:50]).reshape(-1, 3)
    assert (drawn >= Lopsided.action_low).all() and (drawn <= Lopsided.action_high).all()
    assert np.allclose(drawn.mean(0), (Lopsided.action_low + Lopsided.action_high) / 2, atol=0.1)
    for floor in result["floors"].values():
        assert floor["variants"]["twice as far"]["sr"] >= floor["sr"]
    assert result["floors"]["stand-still"]["variants"]["twice as far"]["sr_unsolved"] == 0.0


def test_floors_tell_their_protocol(rooms):
    training, evaluated = rooms.split(0.4, 0, "released")
    result = floors.measure(rooms, manifest.make(rooms, evaluated, 5, protocol="released"), training)
    assert result["protocol"] == "released" and result["floors"]["replay"]["sr"] == 1.0
