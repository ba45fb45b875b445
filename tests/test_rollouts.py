"""Evaluation files of models whose behaviour is known, on the plane."""

import copy

import numpy as np
import pytest

from jepa.data import manifest
from jepa.envs import registry
from jepa.errors import JepaError
from jepa.evaluation.rollouts import drawing, evaluate
from linear_world import LinearModel, Plane, demonstrations, picture, plane  # noqa: F401

SETTINGS = {"eval_seeds": 1, "candidates": 32, "elites": 4, "iterations": 4, "horizon": 5}

pytestmark = pytest.mark.usefixtures("plane")


@pytest.fixture(scope="module")
def episodes():
    return demonstrations(spread=0.03)


@pytest.fixture(scope="module")
def pairs(episodes):
    return manifest.make(episodes, range(10), 12, offset=25, budget=50, seed=0)


def outcomes(result):
    """What happened, by pair of states, whatever the order."""
    return [tuple(episode[key] for key in ("success", "steps", "solved_at_start")) for episode in result["episodes"]]


def chosen(pairs, rows):
    """A manifest of some of the pairs."""
    part = copy.deepcopy(pairs) | {"pairs": [pairs["pairs"][row] for row in rows]}
    part["states"] = manifest._digest(demonstrations(spread=0.03), part["pairs"])
    part["hash"] = manifest._hash(part)
    return part


def test_every_dispatch_of_an_exact_model_follows_the_demonstrations(episodes, pairs):
    for dispatch, k in (("cem", 4), ("bc", 2), ("video-inverse", 2)):
        result = evaluate(LinearModel(), episodes, pairs, dispatch, k, SETTINGS, seed=3)
        assert result["sr"] == result["sr_unsolved"] == 1.0 and result["n"] == result["n_unsolved"] == 12
        assert (result["env"], result["dispatch"], result["k"], result["seed"]) == ("plane", dispatch, k, 3)
        assert result["manifest"] == {"hash": pairs["hash"], "n": 12, "offset": 25, "budget": 50}
        assert [episode["pair"] for episode in result["episodes"]] == list(range(12))
        assert all(5 < episode["steps"] <= 50 for episode in result["episodes"])
        assert result["latency_ms"] > 0 and result["batch_latency_ms"] > 0 and result["protocol"] == "repaired"
        assert result["variants"] == {}


@pytest.mark.parametrize("dispatch, k", [("cem", 2), ("bc", 2)])
def test_the_manifests_order_and_size_change_no_outcome(episodes, pairs, dispatch, k):
    together = outcomes(evaluate(LinearModel(), episodes, pairs, dispatch, k, SETTINGS, seed=0))
    order = [7, 2, 11, 0, 5, 1, 9, 3, 10, 4, 8, 6]
    permuted = evaluate(LinearModel(), episodes, chosen(pairs, order), dispatch, k, SETTINGS, seed=0)
    assert outcomes(permuted) == [together[row] for row in order]
    halves = [chosen(pairs, range(5)), chosen(pairs, range(5, 12))]
    parts = [evaluate(LinearModel(), episodes, half, dispatch, k, SETTINGS, seed=0) for half in halves]
    assert [row for part in parts for row in outcomes(part)] == together


def test_evaluation_seeds_repeat_every_pair_with_other_noise(episodes, pairs):
    result = evaluate(LinearModel(), episodes, pairs, "cem", 1, SETTINGS | {"eval_seeds": 2}, seed=0)
    assert result["n"] == 24 and {episode["eval_seed"] for episode in result["episodes"]} == {0, 1}
    first, second = outcomes(result)[:12], outcomes(result)[12:]
    assert first != second


def test_solved_starts_are_counted_apart(episodes):
    near = manifest.make(episodes, range(10), 8, offset=2, budget=50, seed=0)  # two steps are 9 units, success is 16
    result = evaluate(LinearModel(), episodes, near, "bc", 1, SETTINGS, seed=0)
    assert result["n_unsolved"] == 0 and result["sr_unsolved"] is None and result["sr"] == 1.0
    assert all(episode["solved_at_start"] for episode in result["episodes"])


def test_an_edited_manifest_is_refused(episodes, pairs):
    with pytest.raises(JepaError, match="does not fit its hash"):
        evaluate(LinearModel(), episodes, pairs | {"budget": 500}, "bc", 1, SETTINGS, seed=0)


def test_other_criteria_are_reported_beside_success(episodes, pairs, monkeypatch):
    variants = {
        "anywhere": lambda state, goal: np.ones(len(state), dtype=bool),
        "near": lambda state, goal: np.linalg.norm(state - goal, axis=1) < 40,
    }
    monkeypatch.setattr(registry.module("plane"), "VARIANTS", variants, raising=False)
    result = evaluate(LinearModel(), episodes, pairs, "bc", 2, SETTINGS | {"eval_seeds": 2}, seed=0)
    assert result["variants"]["anywhere"] == {"sr": 1.0, "sr_unsolved": None}  # no start lacks it
    assert result["variants"]["near"]["sr"] >= result["sr"] and set(result["variants"]) == set(variants)


@pytest.mark.parametrize("env", registry.ENVIRONMENTS)
def test_an_environment_states_its_other_criteria_in_its_module(env):
    """Where they are looked for; stated elsewhere they would be left out without a word."""
    found = registry.module(env)
    variants = getattr(found, "VARIANTS", {})
    assert getattr(found.Simulator, "VARIANTS", variants) == variants and all(map(callable, variants.values()))


def test_pairs_of_another_protocol_than_the_training_are_refused(episodes):
    released = manifest.make(episodes, range(20), 6, protocol="released")
    with pytest.raises(JepaError, match="trained under the protocol repaired, but the evaluation pairs are released"):
        evaluate(LinearModel(), episodes, released, "bc", 1, SETTINGS, seed=0)
    model = LinearModel()
    model.settings = model.settings | {"data": model.settings["data"] | {"protocol": "released"}}
    assert evaluate(model, episodes, released, "bc", 1, SETTINGS, seed=0)["protocol"] == "released"
    with pytest.raises(JepaError, match="trained under the protocol released"):
        evaluate(model, episodes, manifest.make(episodes, range(10), 6), "bc", 1, SETTINGS, seed=0)


def test_equal_states_are_drawn_once(monkeypatch):
    drawn = []
    render = registry.module("plane").render
    monkeypatch.setattr(
        registry.module("plane"), "render", lambda states, size: drawn.append(states) or render(states, size)
    )
    states = np.array([[3, 1], [0, 2], [3, 1]], np.float32)
    frames = drawing("plane", 8)(states, np.arange(3))
    assert np.array_equal(frames, picture(states, 8)) and [len(part) for part in drawn] == [2]


def test_one_simulator_drives_all_episodes_and_draws_none_of_them(episodes, pairs, monkeypatch):
    """A second simulator might open a second renderer."""
    made = []
    init = Plane.__init__
    monkeypatch.setattr(Plane, "__init__", lambda self, n: made.append(n) or init(self, n))
    monkeypatch.setattr(Plane, "frames", None)
    evaluate(LinearModel(), episodes, pairs, "bc", 1, SETTINGS | {"eval_seeds": 3}, seed=0)
    assert made == [36]
