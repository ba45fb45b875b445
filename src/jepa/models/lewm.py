"""LeWM, the baseline retrained in the same pipeline: next-latent regression with actions as AdaLN conditions."""

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models.latent_model import LatentModel
from jepa.models.transformer import CachedAttention, Transformer, block_causal_mask
from jepa.models.vision import Projector


class NextLatent(LatentModel):
    """What regressions of the next latent share: the frame of z_t, with a_t, answers z_{t+1} and sees no later frame.

    A subclass defines next_latents(z, actions, first, attention, generator=None, last=False): the answers (N, L, d) of
    frames z (N, L, d) with actions (N, L, da) at the positions first, first + 1, ... of the window; `last` asks for the
    last frame's answer alone, (N, 1, d).
    """

    denoises = False

    def predict(self, z, actions, generator=None):
        """Every next latent from the true past (teacher forcing). z: (B, T, d), actions: (B, T, da). As z."""
        attention = CachedAttention(None, self._mask(0, z.shape[1]))
        return self.next_latents(z, actions, 0, attention, generator)

    @torch.no_grad()
    def state(self, prefix, a_tilde, z_tilde, tau_a, tau_z):
        """The next latent z_hat (N, d) after a clean action; z_tilde and tau_z have no slot here and are not read.

        Raises JepaError when the action is not clean.
        """
        if tau_a != 1:
            self.velocity()
        return self._advance(prefix, torch.cat([prefix.actions, a_tilde.unsqueeze(1)], 1))[:, 0]

    def velocity(self, *arguments):
        """There is no action head. Raises JepaError."""
        kind = self.settings["kind"]
        raise JepaError(f"A {kind} predicts latents from clean actions only; evaluate it with the dispatch cem.")

    def query(self, *arguments):
        """As Qantara.query; there is no velocity: (None, z_hat)."""
        return None, self.state(*arguments)

    @torch.no_grad()
    def settle(self, prefix):
        """Compute the keys and values of the prefix that are not there yet: of all latents but the last."""
        if prefix.encoded < len(prefix) - 1:
            self._advance(prefix, prefix.actions)

    def _advance(self, prefix, actions):
        """One pass over the frames (z_i, a_i) that are new, i < actions.shape[1]; returns the last one's answer."""
        done, length = prefix.encoded, actions.shape[1]
        attention = CachedAttention(prefix.cache, self._mask(done, length))
        z_hat = self.next_latents(prefix.z[:, done:length], actions[:, done:], done, attention, last=True)
        prefix.encoded = len(prefix) - 1
        clean = prefix.encoded * self.tokens_a_frame
        prefix.cache = [tuple(part[:, :, :clean] for part in pair) for pair in attention.grown]
        return z_hat

    def _mask(self, done, length):
        """Frames done, ..., length - 1 see themselves and the frames before them: (new tokens, all tokens) bool."""
        frames = torch.arange(length, device=self.device).repeat_interleave(self.tokens_a_frame)
        return block_causal_mask(frames[done * self.tokens_a_frame :], frames)


class ActionEncoder(nn.Module):
    """Action blocks (..., da) to conditions (..., width), as in LeWM."""

    def __init__(self, action_dim, width):
        super().__init__()
        self.mix = nn.Linear(action_dim, action_dim)
        self.net = nn.Sequential(nn.Linear(action_dim, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))

    def forward(self, actions):
        return self.net(self.mix(actions))


class LeWM(NextLatent):
    """A causal transformer over latents; the token of z_t is modulated by a_t and answers z_{t+1}.

    With the paper's sizes, T = 3 and 10 action dimensions it has 18,034,478 parameters, as the original.
    """

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
        error = F.mse_loss(self.predict(z[:, :-1], actions, generator), z[:, 1:])
        regulariser, info = self.regularise(z, generator)
        weight = self.settings["loss"]["lambda_sig"]
        return error + weight * regulariser, {"bridge": error.detach(), "flow": error.new_zeros(()).detach()} | info

    def next_latents(self, z, actions, first, attention, generator=None, last=False):
        length = z.shape[1]
        x = self.state_in(z) + self.positions[first : first + length]
        keep = torch.tensor([length - 1], device=x.device) if last else None
        h = self.trunk(x, self.action_in(actions), None, attention, generator, keep)
        return self.state_head(h.flatten(0, 1)).float().unflatten(0, h.shape[:2])
