"""SIGReg tells a Gaussian from a point, a line and a cube; the participation ratio counts dimensions."""

import pytest
import torch

from jepa.models.sigreg import collapsed_value, participation_ratio, random_directions, sigreg


@pytest.fixture
def g():
    return torch.Generator().manual_seed(0)


def statistic(z, g):
    return float(sigreg(z, random_directions(z.shape[-1], 256, g)))


def test_on_gaussian_latents_it_is_near_its_null_whatever_the_batch(g):
    """Under the null, B x |phi_hat - phi|^2 has mean 1 - phi(t)^2 at each knot, so the statistic does not see B.

    The expectation below is the weighted integral of 1 - exp(-t^2), by a fine Riemann sum.
    """
    t = torch.linspace(0, 3, 30_001, dtype=torch.float64)
    null = float(2 * torch.trapezoid((1 - (-t.square()).exp()) * (-0.5 * t.square()).exp(), t))
    for batch in (64, 256):
        values = [statistic(torch.randn(5, batch, 16, generator=g), g) for _ in range(20)]
        assert sum(values) / 20 == pytest.approx(null, rel=0.1)


def test_on_collapsed_latents_it_is_0_40_times_the_batch(g):
    for batch in (64, 128):
        assert collapsed_value(batch) == pytest.approx(0.40 * batch, rel=0.02)
        assert statistic(torch.zeros(5, batch, 16), g) == pytest.approx(collapsed_value(batch))


def test_a_line_and_a_wrong_scale_are_worse_than_a_gaussian(g):
    gaussian = torch.randn(5, 256, 16, generator=g)
    normal = statistic(gaussian, g)
    line = torch.randn(5, 256, 1, generator=g) * torch.ones(16)
    assert min(statistic(line, g), statistic(2 * gaussian, g), statistic(gaussian + 1, g)) > 3 * normal


def test_its_gradient_vanishes_at_a_point():
    """Why collapse must be stopped and not waited out."""
    z = torch.zeros(1, 64, 4, requires_grad=True)
    sigreg(z, random_directions(4, 64, torch.Generator().manual_seed(0))).backward()
    assert z.grad.abs().max() < 1e-6


def test_directions_are_unit_and_fresh(g):
    first, second = (random_directions(8, 100, g) for _ in range(2))
    assert first.norm(dim=0).tolist() == pytest.approx([1.0] * 100)
    assert not torch.equal(first, second)


def test_participation_ratio_counts_dimensions(g):
    z = torch.randn(20_000, 6, generator=g)
    assert float(participation_ratio(z)) == pytest.approx(6, rel=0.02)
    assert float(participation_ratio(z * torch.tensor([1.0, 1, 1, 0, 0, 0]))) == pytest.approx(3, rel=0.02)
