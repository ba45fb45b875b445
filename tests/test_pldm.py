"""PLDM: what its terms measure, and that they hold latents apart."""

import pytest
import torch

from jepa.models.pldm import PLDM, covariance_penalty, variance_hinge
from small_models import DA, T, generator, model_of

LOSS = {"lambda_var": 18.0, "lambda_var_time": 0.7, "lambda_cov": 12.0, "lambda_sim": 0.2, "lambda_inverse": 1.0}


def batch():
    g = generator(1)
    frames = torch.randint(0, 256, (32, T + 1, 3, 16, 16), generator=g, dtype=torch.uint8)
    return frames, torch.randn(32, T, DA, generator=g)


def test_the_variance_hinge_is_zero_where_latents_are_spread_and_one_at_a_point():
    z = torch.randn(400, 3, 5, generator=generator())
    z = (z - z.mean(0)) / z.std(0)
    assert variance_hinge(2 * z, 0) == 0 and variance_hinge(z, 0) == pytest.approx(0, abs=1e-3)
    assert variance_hinge(0.5 * z, 0) == pytest.approx(0.5, abs=1e-3)
    assert variance_hinge(0 * z, 0) == pytest.approx(0.99)


@pytest.mark.parametrize("dim", [0, 1])
def test_at_a_point_the_hinge_has_a_finite_gradient(dim):
    z = torch.zeros(4, 3, 2, requires_grad=True)
    variance_hinge(z, dim).backward()
    assert z.grad.isfinite().all()


def test_variance_over_time_and_over_the_batch_are_told_apart():
    still = 3 * torch.randn(400, 1, 5, generator=generator()).expand(-1, 3, -1)
    assert variance_hinge(still, 0) == 0 and variance_hinge(still, 1) == pytest.approx(0.99)


def test_the_covariance_penalty_is_the_squared_correlation_of_copied_dimensions():
    x = torch.randn(1000, 2, 1, generator=generator())
    x = (x - x.mean(0)) / x.std(0)
    assert covariance_penalty(x.expand(-1, -1, 4)) == pytest.approx(1, rel=1e-4)
    assert covariance_penalty(torch.randn(20_000, 2, 4, generator=generator())) < 1e-3
    z = torch.randn(50, 2, 4, generator=generator())
    torch.testing.assert_close(covariance_penalty(z + 7), covariance_penalty(z), atol=1e-5, rtol=1e-4)


def test_variance_and_covariance_keep_float32_under_autocast():
    z = torch.randn(64, 3, 16, generator=generator()) * 0.1 + 5
    with torch.autocast("cpu", torch.bfloat16):
        penalty, hinges = covariance_penalty(z), [variance_hinge(z, dim) for dim in (0, 1)]
        of_half = covariance_penalty(z.bfloat16())
    assert penalty.dtype == of_half.dtype == torch.float32
    assert torch.equal(penalty, covariance_penalty(z))
    assert all(torch.equal(hinge, variance_hinge(z, dim)) for dim, hinge in enumerate(hinges))


def test_every_term_is_weighed_by_its_own_coefficient():
    values = {}
    for name in (None, *LOSS):
        model = model_of(PLDM, loss=dict.fromkeys(LOSS, 0.0) | ({name: 2.0} if name else {}))
        total, info = model.loss(*batch(), generator())
        values[name] = total.item()
        term = 2 * float(info[name.removeprefix("lambda_")]) if name else 0
        assert values[name] == pytest.approx(float(info["bridge"]) + term, rel=1e-5)
    assert len(set(values.values())) == len(values)


def test_all_weights_are_trained_and_latents_leave_a_point():
    model = model_of(PLDM, trained=False, loss=LOSS)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    history = []
    for step in range(40):
        loss, info = model.loss(*batch(), generator(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(info["var"]))
    assert all(p.grad is not None for p in model.parameters())
    assert history[-1] < 0.3 < history[0]


def test_the_alarm_names_a_column_of_its_history_and_its_value_at_a_point():
    model = model_of(PLDM, loss=LOSS)
    column, collapsed = model.alarm(64)
    assert column in model.loss(*batch(), generator())[1]
    assert collapsed == pytest.approx(float(variance_hinge(torch.zeros(8, 2, 3), 0)))
