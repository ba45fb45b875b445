"""Qantara: one world-action model, trained by bridge and flow matching, read as planner, policy or inverse dynamics."""

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models import noise_square
from jepa.models.bridge import flow_interpolant
from jepa.models.latent_model import LatentModel
from jepa.models.packing import pack
from jepa.models.transformer import (
    CachedAttention,
    PackedAttention,
    Transformer,
    block_causal_mask,
    time_features,
)


class Qantara(LatentModel):
    """Block-causal predictor on (action, latent) tokens (Qantara Sec. 2)."""

    denoises = True  # latents are refined along tau_z
    dispatches = ("cem", "bc", "video-inverse")

    def __init__(self, settings, action_dim):
        super().__init__(settings, action_dim)
        p = settings["predictor"]
        if p["residual"] and not p["bridge"]:
            raise JepaError("predictor.residual needs predictor.bridge: the paper's ablation removes both (App. E).")
        width = p["width"]
        head_width = p.get("head_width", width // p["heads"])
        self.modes = _modes(settings["sampling"])
        self.action_in, self.state_in = nn.Linear(action_dim, width), nn.Linear(self.d, width)
        self.start_token = nn.Parameter(0.02 * torch.randn(width))
        self.positions = nn.Parameter(0.02 * torch.randn(self.T + 1, 2, width))
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.trunk = Transformer(width, p["depth"], p["heads"], head_width, p["mlp"], p["dropout"])
        self.action_head, self.state_head = nn.Linear(width, action_dim), nn.Linear(width, self.d)
        zeroed = [self.action_head, self.state_head] if p["residual"] else [self.action_head]
        for head in zeroed:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self._packings = {}

    # Training

    def loss(self, frames, actions, generator):
        """Eq. 10 with every mode of every row. frames: (B, T + 1, 3, H, W) uint8; actions: (B, T, da) z-scored.

        Returns (scalar, info of scalars).
        """
        z = self.encode(frames)
        flow, bridge_loss = self.flow_and_bridge(z, actions, generator)
        regulariser, info = self.regularise(z, generator)
        weights = self.settings["loss"]
        total = weights["lambda_z"] * bridge_loss + weights["lambda_a"] * flow + weights["lambda_sig"] * regulariser
        return total, {"bridge": bridge_loss.detach(), "flow": flow.detach()} | info

    def flow_and_bridge(self, z, actions, generator):
        """The action loss Eq. 9 and the latent loss Eq. 8, means over the asked tokens and dimensions.

        z: (B, T + 1, d); actions: (B, T, da).
        """
        clean = noise_square.clean_prefix(len(z), self.T, generator)
        tau_a, tau_z = self.draw_times(clean, generator)
        noise_a, noise_z = (
            torch.randn(*tau_a.shape, dim, generator=generator, device=z.device) for dim in (self.action_dim, self.d)
        )
        v, z_hat, packing = self.denoise(z, actions, clean, tau_a, tau_z, noise_a, noise_z, generator)
        flow = bridge_loss = z.new_zeros(())
        if len(v):
            flow = F.mse_loss(v, rows(actions, packing.action_blocks) - rows(noise_a, packing.action_targets))
        if len(z_hat):
            bridge_loss = F.mse_loss(z_hat, rows(z[:, 1:], packing.latent_blocks))
        return flow, bridge_loss

    def draw_times(self, clean, generator):
        """tau_a, tau_z: (B, M, T) by the recipe's sampler."""
        sampling = self.settings["sampling"]
        if sampling["sampler"] == "uniform":
            return noise_square.uniform_times(len(self.modes), clean, self.T, generator)
        return noise_square.edge_times(self.modes, clean, self.T, sampling["tau"], generator)

    def denoise(self, z, actions, clean, tau_a, tau_z, noise_a, noise_z, generator=None):
        """Heads at every asked token of the noisy blocks.

        z: (B, T + 1, d); actions: (B, T, da); clean: (B,); tau_*: (B, M, T); noise_*: (B, M, T, dim).
        Returns v: (asked actions, da), z_hat: (asked latents, d) and the Packing that says which they are.
        """
        packing = self._packing(clean, z.device)
        T, z_prev = self.T, z[:, :-1]
        a_tilde = flow_interpolant(actions.unsqueeze(1), tau_a, noise_a)
        z_tilde = self.state_input(z_prev.unsqueeze(1), z[:, 1:].unsqueeze(1), tau_z, noise_z)
        start = self.start_token.expand(len(z), 1, -1)
        clean_tokens = torch.stack([torch.cat([start, self.action_in(actions[:, :-1])], 1), self.state_in(z_prev)], 2)
        noisy_tokens = torch.stack([self.action_in(a_tilde), self.state_in(z_tilde)], 3)
        pool = [clean_tokens + self.positions[:T], noisy_tokens + self.positions[1:]]
        x = rows(torch.cat([part.flatten(0, -2) for part in pool]), packing.tokens)
        tau = torch.stack([tau_a, tau_z], -1).flatten()
        tau = torch.cat([tau.new_ones(len(z) * T * 2), tau])[packing.tokens]
        times, index = tau.unique(return_inverse=True)
        keep = torch.cat([packing.asked_actions, packing.asked_latents])
        h = self.trunk(x, self.condition(times), index, PackedAttention(packing.segments), generator, keep)
        h_a, h_z = h.split([len(packing.asked_actions), len(packing.asked_latents)])
        v = self.action_head(h_a).float() if len(h_a) else h_a
        z_hat = self.predicted_state(rows(z_prev, packing.latent_blocks), h_z) if len(h_z) else h_z
        return v, z_hat, packing

    def condition(self, times):
        """Times (U,) to AdaLN conditions (U, width)."""
        return self.time(time_features(times, self.time[0].in_features))

    def predicted_state(self, z_prev, h):
        """Eq. 6: a residual on the previous clean latent, or the head alone (App. E)."""
        out = self.state_head(h).float()
        return z_prev + out if self.settings["predictor"]["residual"] else out

    def _packing(self, clean, device):
        key = (tuple(clean.tolist()), str(device))
        if key not in self._packings:
            if self.settings["sampling"]["sampler"] == "uniform":
                asked = (torch.ones(len(self.modes), dtype=torch.bool),) * 2
            else:
                asked = noise_square.queried(self.modes)
            self._packings[key] = pack(clean, len(self.modes), self.T, asked, device)
        return self._packings[key]

    # Inference

    @torch.no_grad()
    def query(self, prefix, a_tilde, z_tilde, tau_a, tau_z):
        """Both heads of the block after the prefix: a_tilde (N, da), z_tilde (N, d), tau_a and tau_z floats.

        Returns the action velocity v: (N, da) and the predicted latent z_hat: (N, d).
        """
        h = self._advance(prefix, self._block(prefix, a_tilde, z_tilde), (tau_a, tau_z), (0, 1))
        return self.action_head(h[:, 0]).float(), self.predicted_state(prefix.last, h[:, 1])

    @torch.no_grad()
    def velocity(self, prefix, a_tilde, z_tilde, tau_a, tau_z):
        """The first half of `query`, v: (N, da), at less cost."""
        h = self._advance(prefix, self._block(prefix, a_tilde, z_tilde), (tau_a, tau_z), (0,))
        return self.action_head(h[:, 0]).float()

    @torch.no_grad()
    def state(self, prefix, a_tilde, z_tilde, tau_a, tau_z):
        """The second half of `query`, z_hat: (N, d), at less cost."""
        h = self._advance(prefix, self._block(prefix, a_tilde, z_tilde), (tau_a, tau_z), (1,))
        return self.predicted_state(prefix.last, h[:, 0])

    @torch.no_grad()
    def settle(self, prefix):
        """Compute the keys and values of the prefix that are not there yet."""
        if prefix.encoded < len(prefix):
            self._advance(prefix)

    def _block(self, prefix, a_tilde, z_tilde):
        """Tokens of the block after the prefix: (N, 2, width)."""
        return torch.stack([self.action_in(a_tilde), self.state_in(z_tilde)], 1) + self.positions[len(prefix)]

    def _advance(self, prefix, block=None, taus=(), slots=()):
        """One pass over the prefix's new blocks and the noisy `block` (N, 2, width), if any, at times `taus`.

        Keys and values of the clean blocks are kept in the prefix. Returns the outputs of the block's `slots`
        (0 action, 1 latent): (N, len(slots), width).
        """
        done, length = prefix.encoded, len(prefix)
        fresh = 2 * (length - done)
        parts = [self._clean_tokens(prefix, done)] if fresh else []
        x = torch.cat(parts if block is None else [*parts, block], 1)
        times = torch.tensor([1.0, *taus], device=x.device)
        index = torch.tensor([0] * fresh + [1, 2][: len(taus)], device=x.device)
        mask = None  # a block that stands alone sees everything
        if fresh:
            blocks = torch.arange(2 * done + x.shape[1], device=x.device) // 2
            mask = block_causal_mask(blocks[2 * done :], blocks)
        attention = CachedAttention(prefix.cache, mask)
        keep = torch.tensor([fresh + slot for slot in slots], dtype=torch.long, device=x.device)
        h = self.trunk(x, self.condition(times), index, attention, keep=keep)
        if fresh:
            prefix.cache = [tuple(part[:, :, : 2 * length] for part in pair) for pair in attention.grown]
            prefix.encoded = length
        return h

    def _clean_tokens(self, prefix, first):
        """Tokens of the prefix's blocks from `first` on: (N, 2 * blocks, width)."""
        actions = self.action_in(prefix.actions)
        actions = torch.cat([self.start_token.expand(len(prefix.z), 1, -1), actions], 1)[:, first:]
        tokens = torch.stack([actions, self.state_in(prefix.z[:, first:])], 2)
        return (tokens + self.positions[first : len(prefix)]).flatten(1, 2)


def rows(x, index):
    """Rows `index` of x: (..., dim), its leading axes flattened. (index_select: its gradient is the fast one.)"""
    return x.flatten(0, -2).index_select(0, index)


def _modes(sampling):
    """The copies of a row: the edges' names, or as many copies of the uniform sampler."""
    if sampling["sampler"] == "uniform":
        return ["uniform"] * sampling["copies"]
    if sampling["sampler"] != "edges" or sampling["tau"] not in ("chain", "iid"):
        raise JepaError("sampling.sampler must be edges or uniform, and sampling.tau chain or iid.")
    noise_square.check_modes(sampling["modes"])
    return list(sampling["modes"])
