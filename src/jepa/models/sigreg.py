"""SIGReg: the sketched test of an isotropic Gaussian that keeps latents from collapsing (Qantara Eq. 10)."""

import torch

KNOTS, RADIUS = 17, 3.0


def sigreg(z, directions):
    """Epps-Pulley statistic of the projections of z, as LeWM computes it.

    z: (F, B, d), one distribution per time index. directions: (d, P), unit columns, fresh at every step.
    Returns a scalar, mean over projections and times: about 1 on Gaussian latents whatever B, 0.40 x B on
    collapsed ones. Always in float32: under autocast the projections would lose the digits it tests.
    """
    t = torch.linspace(0, RADIUS, KNOTS, device=z.device)
    window = (-0.5 * t.square()).exp()
    weights = torch.full_like(t, 2 * RADIUS / (KNOTS - 1))
    weights[[0, -1]] /= 2
    with torch.autocast(z.device.type, enabled=False):
        angle = (z.float() @ directions).unsqueeze(-1) * t
        error = (angle.cos().mean(1) - window).square() + angle.sin().mean(1).square()
        return z.shape[1] * (error @ (weights * window)).mean()


def collapsed_value(batch):
    """SIGReg of latents that are all zero: 0.40 x batch."""
    return float(sigreg(torch.zeros(1, batch, 1), torch.ones(1, 1)))


def random_directions(d, projections, generator):
    """(d, projections) unit columns, uniform on the sphere."""
    directions = torch.randn(d, projections, generator=generator, device=generator.device)
    return directions / directions.norm(dim=0)


def participation_ratio(z):
    """Effective dimension (sum e)^2 / sum e^2 of the covariance spectrum e of z: (N, d). A tensor in [1, d]."""
    with torch.autocast(z.device.type, enabled=False):
        z = z.float() - z.float().mean(0)
        covariance = (z.T @ z if z.shape[0] > z.shape[1] else z @ z.T) / (
            len(z) - 1
        )  # the same spectrum, but for zeros
        trace = covariance.diagonal().sum()
        return trace**2 / covariance.square().sum().clamp_min(1e-30)
