"""The interpolants of Eq. 3 and Eq. 4: their ends, their spread, and that their velocity is the one we regress."""

import pytest
import torch

from jepa.models.bridge import bridge, flow_interpolant, noise_bridge


@pytest.fixture
def draws():
    return torch.randn(3, 50_000, 2, generator=torch.Generator().manual_seed(0))


def test_at_tau_0_the_bridge_is_the_previous_latent_and_at_tau_1_the_next(draws):
    z_prev, z_next, noise = draws
    for gamma in (0.0, 1.0, 2.0):
        assert torch.equal(bridge(z_prev, z_next, torch.zeros(50_000), gamma, noise), z_prev)
        assert torch.equal(bridge(z_prev, z_next, torch.ones(50_000), gamma, noise), z_next)


def test_the_bridge_has_the_mean_and_variance_of_a_brownian_bridge(draws):
    ones = torch.ones(50_000, 2)
    for tau, gamma in ((0.25, 1.0), (0.5, 2.0), (0.9, 0.5)):
        x = bridge(-ones, 3 * ones, torch.full((50_000,), tau), gamma, draws[2])
        assert x.mean(0).tolist() == pytest.approx([4 * tau - 1] * 2, abs=0.02)
        assert x.var(0).tolist() == pytest.approx([gamma**2 * tau * (1 - tau)] * 2, rel=0.03)


def test_actions_go_from_noise_to_data_and_so_do_latents_without_a_bridge(draws):
    data, _, noise = draws
    for interpolant in (flow_interpolant, noise_bridge):
        assert torch.equal(interpolant(data, torch.zeros(50_000), noise), noise)
        assert torch.equal(interpolant(data, torch.ones(50_000), noise), data)


def test_the_velocity_of_the_action_path_is_data_minus_noise(draws):
    action, _, noise = draws.double()
    tau = torch.full((50_000,), 0.3, dtype=torch.float64)
    slope = (flow_interpolant(action, tau + 0.1, noise) - flow_interpolant(action, tau, noise)) / 0.1
    torch.testing.assert_close(slope, action - noise)


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_euler_steps_along_an_exact_velocity_arrive_at_the_action(draws, k):
    """Eq. 11 with a perfect head: any number of steps recovers the action, because the path is straight."""
    action, _, noise = draws
    x = noise
    for _ in range(k):
        x = x + (action - noise) / k
    torch.testing.assert_close(x, action, atol=1e-5, rtol=1e-5)
