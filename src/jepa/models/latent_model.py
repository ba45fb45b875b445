"""What latent world models share: encoder, action scale, SIGReg and the clean prefix of inference."""

import torch
from torch import nn

from jepa.models.bridge import bridge, noise_bridge
from jepa.models.prefix import Prefix
from jepa.models.sigreg import collapsed_value, participation_ratio, random_directions, sigreg
from jepa.models.vision import Encoder


class ActionScale(nn.Module):
    """z-scores of action blocks (..., da): the statistics of the training split, one per raw dimension."""

    def __init__(self, action_dim):
        super().__init__()
        self.register_buffer("mean", torch.zeros(action_dim))
        self.register_buffer("std", torch.ones(action_dim))

    def set(self, mean, std):
        """mean, std: (raw,) with da a multiple of raw. A constant dimension keeps the scale 1."""
        mean, std = (torch.as_tensor(x, dtype=torch.float32) for x in (mean, std))
        repeats = len(self.mean) // len(mean)
        self.mean.copy_(mean.repeat(repeats))
        self.std.copy_(torch.where(std > 0, std, 1.0).repeat(repeats))


class LatentModel(nn.Module):
    """What every latent world model shares: encoder, action scale, SIGReg, the clean prefix.

    settings: a resolved recipe {encoder, predictor, sampling, loss, training, ...}. action_dim: raw x frame skip.

    A kind of model says of itself: make_encoder, a function of settings["encoder"]; dispatches, those it can answer;
    tokens_a_frame, how many tokens its predictor reads for one latent, which bounds how many it imagines at once.
    """

    make_encoder = Encoder
    dispatches = ("cem",)
    tokens_a_frame = 1

    def __init__(self, settings, action_dim):
        super().__init__()
        self.settings, self.action_dim = settings, action_dim
        self.encoder = self.make_encoder(settings["encoder"])
        self.d, self.T = self.encoder.d, settings["predictor"]["T"]
        self.actions = ActionScale(action_dim)

    @property
    def device(self):
        return self.actions.mean.device

    def encode(self, frames):
        """frames: (B, F, 3, H, W) uint8. Returns z: (B, F, d)."""
        return self.encoder(frames)

    def normalise(self, actions):
        """Raw action blocks (..., da) to z-scores; NaN (no successor) becomes 0."""
        return ((actions - self.actions.mean) / self.actions.std).nan_to_num()

    def denormalise(self, actions):
        return actions * self.actions.std + self.actions.mean

    def regularise(self, z, generator):
        """SIGReg of clean latents z: (B, F, d), and what to log."""
        directions = random_directions(self.d, self.settings["loss"]["projections"], generator)
        value = sigreg(z.transpose(0, 1), directions)
        with torch.no_grad():
            info = {"sigreg": value.detach(), "participation_ratio": participation_ratio(z.flatten(0, 1))}
        return value, info

    def alarm(self, batch_size):
        """(column of the history, its value when all latents are one point), or None where nothing can collapse."""
        return "sigreg", collapsed_value(batch_size)

    def after_step(self):
        """Nothing moves beside the optimiser: no EMA (Sec. 2.1)."""

    @torch.no_grad()
    def start(self, z0):
        """A history of one latent z0: (N, d)."""
        return Prefix(self, z0.unsqueeze(1), z0.new_zeros(len(z0), 0, self.action_dim))

    @torch.no_grad()
    def extend(self, prefix, action, z):
        """The history after the block (action (N, da), z (N, d)). The window holds at most T blocks."""
        return prefix.extended(action, z, self.T)

    def state_input(self, z_prev, z_next, tau, noise):
        """What the state slot holds at time tau: Eq. 4, or Gaussian noise to latent without a bridge (App. E).

        z_prev, z_next, noise: (..., d); tau: (...,) or a float. At tau = 0 z_next does not matter.
        """
        predictor = self.settings["predictor"]
        tau = torch.as_tensor(tau, dtype=z_prev.dtype, device=z_prev.device)
        if predictor["bridge"]:
            return bridge(z_prev, z_next, tau, predictor["gamma"], noise)
        return noise_bridge(z_next, tau, noise)
