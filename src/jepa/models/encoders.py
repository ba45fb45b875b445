"""Encoders: observations to unit-norm latents, and their exponential-moving-average copies."""

import copy
import itertools

import torch
from torch import nn
from torch.nn import functional as F


def mlp(widths):
    """Linear layers of the given widths with GELU between them (none after the last)."""
    layers = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class CoordinateEncoder(nn.Module):
    """f_theta of MoP-JEPA Eq. 1: coordinate features (B, features) to unit-norm latents (B, d)."""

    def __init__(self, features, width, depth, d):
        super().__init__()
        self.net = mlp([features, *[width] * depth, d])

    def forward(self, s):
        return F.normalize(self.net(s), dim=-1)


class EMATarget(nn.Module):
    """f_xi: a frozen copy of an encoder that follows it by xi <- tau xi + (1 - tau) theta (MoP-JEPA Eq. 3)."""

    def __init__(self, encoder, tau=0.996):
        super().__init__()
        self.copy = copy.deepcopy(encoder).requires_grad_(False)
        self.tau = tau
        self._pair = None

    @torch.no_grad()
    def follow(self, encoder):
        """Move one step towards `encoder`; call after every optimiser step."""
        if self._pair is None:
            self._pair = list(self.copy.parameters()), list(encoder.parameters())
        torch._foreach_lerp_(*self._pair, 1 - self.tau)

    @torch.no_grad()
    def forward(self, s):
        return self.copy(s)
