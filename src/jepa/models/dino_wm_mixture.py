"""DINO-WM with a mixture for its predictor's last layer (MoP-JEPA, "Evidence Chain and Generality", DINO-WM port).

The predictor's contract stays: tokens of a few frames in, the same shape out. The world model's loss does not: the
predictor never sees the target, so that two lines of `PortedWorldModel.loss` read what the heads answered and charge
the nearest.
"""

import torch
from torch import nn

from jepa.models.assignment import half_squared_error, mop_loss
from jepa.models.dino_wm import DinoWM

ACTION_DIM = 2  # of the slot that stays empty


class MixtureHead(nn.Module):
    """DINO-WM's last layer with K projections: same input, same output, and `answer` beside it.

    forward(x): tokens (B, T, P, width) to the preferred head's tokens (B, T, P, channels). answer = (u, log_pi): all
    heads' tokens (B, T, K, P * channels) and the router's log weights (B, T, K), from the frame's mean token.
    """

    def __init__(self, K, width, channels):
        super().__init__()
        self.K = K
        self.heads, self.router = nn.Linear(width, K * channels), nn.Linear(width, K)

    def forward(self, x):
        u = self.heads(x).unflatten(-1, (self.K, -1)).transpose(2, 3)  # (B, T, K, P, channels)
        log_pi = self.router(x.mean(2)).log_softmax(-1)
        self.answer = u.flatten(3), log_pi
        best = log_pi.argmax(-1)[..., None, None, None].expand(-1, -1, 1, *u.shape[3:])
        return u.gather(2, best).squeeze(2)


class PortedWorldModel(DinoWM):
    """DINO-WM's world model with a mixture for its predictor; K = 1 is DINO-WM as it was."""

    def __init__(self, settings, K, lambda_route=1.0, lambda_bal=0.1):
        super().__init__(settings, ACTION_DIM)
        self.token_head = MixtureHead(K, settings["predictor"]["width"], self.channels)
        self.lambdas = lambda_route, lambda_bal

    def loss(self, z):
        """z: (B, T + 1, d) features. Returns (scalar, info): Eq. 6 with half the mean squared error."""
        u, log_pi = self.answers(z[:, :-1])  # line one: what did the heads say
        return assigned(u, log_pi, z[:, 1:], *self.lambdas)  # line two: the nearest pays

    def answers(self, z):
        """z: (B, T, d). Returns u: (B, T, K, d) and log_pi: (B, T, K)."""
        self.predict(z, z.new_zeros(*z.shape[:2], ACTION_DIM))
        return self.token_head.answer


class CodebookWorldModel(nn.Module):
    """The control: K frames of features that no context reaches."""

    def __init__(self, d, K, lambda_bal=0.1):
        super().__init__()
        self.codes, self.lambdas = nn.Parameter(0.1 * torch.randn(K, d)), (0.0, lambda_bal)

    def loss(self, z):
        return assigned(*self.answers(z[:, :-1]), z[:, 1:], *self.lambdas)

    def answers(self, z):
        K = len(self.codes)
        return self.codes.expand(*z.shape[:2], -1, -1), z.new_full((*z.shape[:2], K), 1 / K).log()

    def after_step(self):
        """Nothing moves beside the optimiser."""


def assigned(u, log_pi, target, lambda_route, lambda_bal):
    """MoP-JEPA Eq. 6 over all frames. u: (B, T, K, d), log_pi: (B, T, K), target: (B, T, d). Returns (scalar, info)."""
    distance = half_squared_error(u.flatten(0, 1), target.flatten(0, 1))
    loss, info = mop_loss(distance, log_pi.flatten(0, 1), lambda_route, lambda_bal)
    return loss, {name: value.detach() for name, value in info.items()}
