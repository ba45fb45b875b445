"""Diagnostics of a model without error: what remains is the world's own spread."""

import pytest
import torch

from jepa.evaluation import dense
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


@pytest.mark.parametrize("together", [1, 7])
def test_windows_in_groups_have_the_same_errors(errors, monkeypatch, together):
    window = 5 * 3 * 8**2  # bytes of its frames
    monkeypatch.setattr(dense, "BYTES", together * window + window // 2)
    model = LinearModel()
    in_groups = measure(model, demonstrations(200, spread=SPREAD), range(200), seed=0)
    assert max(len(query[1]) for query in model.asked) == together
    assert in_groups.pop("gcbc_error") is errors.pop("gcbc_error") is None
    assert in_groups == pytest.approx(errors, rel=1e-5, abs=1e-9)


def test_the_noise_of_a_window_does_not_depend_on_its_group():
    def drawn(groups):
        noise = dense.Noise(6, torch.Generator().manual_seed(0))
        draws = [noise.of(rows) for rows in groups]
        return [torch.cat(parts) for parts in zip(*([draw(2), draw(3, 1), draw(2)] for draw in draws), strict=True)]

    together, apart = drawn([slice(0, 6)]), drawn([slice(0, 4), slice(4, 8)])
    assert all(torch.equal(*pair) for pair in zip(together, apart, strict=True))
    assert not torch.equal(together[0], together[2])


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
