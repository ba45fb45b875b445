"""Diagnostics of a model without error: what remains is the world's own spread."""

import pytest
import torch

from jepa.evaluation.dense import measure
from linear_world import HEADING, SKIP, LinearModel, demonstrations, plane  # noqa: F401

pytestmark = pytest.mark.usefixtures("plane")
SPREAD = 0.1


@pytest.fixture
def errors():
    return measure(LinearModel(), demonstrations(200, spread=SPREAD), range(200), seed=0)


def test_an_exact_model_makes_no_error(errors):
    for name in ("forward_error", "open_loop_error", "inverse_error"):
        assert errors[name] == pytest.approx(0, abs=1e-6)
    assert errors["forward_over_copy"] == pytest.approx(0, abs=1e-6)


def test_copying_costs_the_length_of_a_block(errors):
    # heading (0.8, -0.4) x 5 units x 5 steps / 10, mean square of the two dimensions
    assert errors["copy_error"] == pytest.approx((2.0**2 + 1.0**2) / 2, rel=0.1)


def test_behaviour_cloning_cannot_beat_the_demonstrators_spread(errors):
    assert errors["bc_error"] == pytest.approx((SPREAD / 0.5) ** 2, rel=0.15)  # actions are divided by 0.5


def test_latents_of_a_plane_have_at_most_two_dimensions(errors):
    assert 1 < errors["participation_ratio"] <= 2 + 1e-6
    assert errors["parameters"] == 1


def test_a_model_without_an_action_head_is_asked_for_no_action():
    model = LinearModel()
    model.dispatches = ("cem",)
    errors = measure(model, demonstrations(), range(20), seed=0)
    assert errors["inverse_error"] is None and errors["bc_error"] is None and errors["gcbc_error"] is None
    assert all(tau_a == 1.0 for *_, tau_a, _ in model.asked)


def test_a_model_without_a_predictor_is_asked_for_its_action_towards_the_last_frame():
    model = LinearModel()
    model.dispatches, seen = ("gcbc",), []
    model.action = lambda z, goal: seen.append((z, goal)) or model.normalise(HEADING.repeat(SKIP)).expand(len(z), -1)
    errors = measure(model, demonstrations(spread=SPREAD), range(20), seed=0)
    assert errors["gcbc_error"] == pytest.approx((SPREAD / 0.5) ** 2, rel=0.5)
    assert not model.asked and len(seen) == 4
    assert all(torch.equal(goal, seen[0][1]) for _, goal in seen) and not torch.equal(seen[0][0], seen[1][0])
    for name in ("forward_error", "copy_error", "forward_over_copy", "open_loop_error", "bc_error", "inverse_error"):
        assert errors[name] is None
