"""LeWM, the baseline retrained in the same pipeline: next-latent regression with actions as AdaLN conditions."""

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models.latent_model import LatentModel
from jepa.models.transformer import CachedAttention, Transformer
from jepa.models.vision import Projector


class ActionEncoder(nn.Module):
    """Action blocks (..., da) to conditions (..., width), as in LeWM."""

    def __init__(self, action_dim, width):
        super().__init__()
        self.mix = nn.Linear(action_dim, action_dim)
        self.net = nn.Sequential(nn.Linear(action_dim, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))

    def forward(self, actions):
        return self.net(self.mix(actions))


class LeWM(LatentModel):
    """A causal transformer over latents; the token of z_t is modulated by a_t and answers z_{t+1}.

    With the paper's sizes, T = 3 and 10 action dimensions it has 18,034,478 parameters, as the original.
    """

    denoises = False

    def __init__(self, settings, action_dim):
        super().__init__(settings, action_dim)
        p = settings["predictor"]
        head_width = p.get("head_width", p["width"] // p["heads"])
        self.action_in = ActionEncoder(action_dim, p["width"])
        same = p["width"] == self.d
        self.state_in = nn.Identity() if same else nn.Linear(self.d, p["width"])
        self.positions = nn.Parameter(torch.randn(self.T, p["width"]))
        self.trunk = Transformer(
            p["width"], p["depth"], p["heads"], head_width, p["mlp"], p["dropout"], inner_norm=True
        )
        self.state_head = Projector(p["width"], settings["encoder"]["projector"], self.d)

    def loss(self, frames, actions, generator):
        """Squared error of every next latent, plus SIGReg. The arguments are as in Qantara.loss."""
        z = self.encode(frames)
        x = self.state_in(z[:, :-1]) + self.positions
        mask = torch.ones(self.T, self.T, dtype=torch.bool, device=z.device).tril()
        h = self.trunk(x, self.action_in(actions), None, CachedAttention(None, mask), generator)
        error = F.mse_loss(self._head(h), z[:, 1:])
        regulariser, info = self.regularise(z, generator)
        weight = self.settings["loss"]["lambda_sig"]
        return error + weight * regulariser, {"bridge": error.detach(), "flow": error.new_zeros(()).detach()} | info

    @torch.no_grad()
    def state(self, prefix, a_tilde, z_tilde, tau_a, tau_z):
        """The next latent z_hat (N, d) after a clean action; z_tilde and tau_z have no slot here and are not read.

        Raises JepaError when the action is not clean.
        """
        if tau_a != 1:
            raise JepaError("LeWM predicts latents from clean actions only; evaluate it with the dispatch cem.")
        return self._head(self._advance(prefix, torch.cat([prefix.actions, a_tilde.unsqueeze(1)], 1)))[:, 0]

    def velocity(self, *arguments):
        """LeWM has no action head. Raises JepaError."""
        raise JepaError("LeWM predicts latents from clean actions only; evaluate it with the dispatch cem.")

    def query(self, *arguments):
        """As Qantara.query; there is no velocity: (None, z_hat)."""
        return None, self.state(*arguments)

    @torch.no_grad()
    def settle(self, prefix):
        """Compute the keys and values of the prefix that are not there yet: of all latents but the last."""
        if prefix.encoded < len(prefix) - 1:
            self._advance(prefix, prefix.actions)

    def _advance(self, prefix, actions):
        """One pass over the tokens (z_i, a_i) that are new, i < actions.shape[1]; returns the last one's output."""
        done, length = prefix.encoded, actions.shape[1]
        x = self.state_in(prefix.z[:, done:length]) + self.positions[done:length]
        mask = torch.ones(length - done, length, dtype=torch.bool, device=x.device).tril(done)
        attention = CachedAttention(prefix.cache, mask)
        keep = torch.tensor([length - done - 1], device=x.device)
        h = self.trunk(x, self.action_in(actions[:, done:]), None, attention, keep=keep)
        clean = len(prefix) - 1
        prefix.cache = [tuple(part[:, :, :clean] for part in pair) for pair in attention.grown]
        prefix.encoded = clean
        return h

    def _head(self, h):
        return self.state_head(h.flatten(0, -2)).float().unflatten(0, h.shape[:-1])
