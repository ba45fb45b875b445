"""V-JEPA 2-AC, the architecture alone: one next latent for each state and action (MoP-JEPA, "Related work").

The paper loads the released 305M predictor (Assran et al. 2025) and finds a single prediction per input. How many
predictions there are follows from the architecture, not from the weights, so no weights are read here: the predictor
is laid out with its published sizes on torch's meta device, where parameters have shapes and no memory, and counted;
and a small instance on the CPU is asked twice.

One frame is one action token, one state token and the patches of its latent, in this order. A token sees every token
of its frame and of the frames before; queries and keys are rotated by the frame's number and, patches only, by row and
column. The latent of frame t at the output is the prediction of frame t + 1.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from jepa.files import atomic_path
from jepa.models.transformer import block_causal_mask
from jepa.models.vision import ViTBlock
from jepa.random import seed_of

# facebookresearch/vjepa2: the encoder is ViT-g (1408 wide) on 256 pixels in patches of 16, the robot's pose and action
# have 7 numbers; camera extrinsics (6) have a layer that is part of the count and is not used.
RELEASED = {"latent": 1408, "width": 1024, "depth": 24, "heads": 16, "side": 16, "action": 7, "extrinsics": 6}
SMALL = {"latent": 12, "width": 32, "depth": 2, "heads": 2, "side": 3, "action": 7, "extrinsics": 6}
CONDITIONS = 2  # tokens before the patches of a frame
BASE = 10000.0  # of the rotations' frequencies
ARRAYS = {name: ("i",) for name in RELEASED}


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Write the sizes of the released predictor to the npz `out`; nothing is fetched. Returns facts for provenance."""
    with atomic_path(out) as temporary:
        np.savez(temporary, **{name: np.array(size) for name, size in RELEASED.items()})
    return {
        "dataset": "V-JEPA 2-AC",
        "source": "generate",
        "tag": "mechanism",
        "message": "The published sizes of the predictor; no weights are loaded.",
    }


def audit(arrays, settings, seed, work, progress=True):
    """Count the parameters of the released sizes and ask a small instance. arrays: of `prepare`. Returns the record."""
    sizes = {name: int(size) for name, size in arrays.items()}
    with torch.device("meta"):
        parameters = sum(p.numel() for p in ActionPredictor(**sizes).parameters())
    asked = ask(SMALL, seed)
    return {
        "domain": settings["domain"],
        "kind": settings["kind"],
        "seed": seed,
        "metric": "predictions_per_input",
        "better": "higher",
        "space": "latent",
        "n_train": 0,
        "n_test": asked.pop("inputs"),
        "arms": {
            "vjepa2-ac": {
                "raw": {"parameters": parameters, **asked},
                "gated": None,
                "shuffled": {},
                "active": asked["predictions_per_input"],
                "parameters": parameters,
                "final": {},
            }
        },
        "references": {},
        "extra": {"sizes": sizes, "asked": SMALL, "weights": "none: architecture only"},
    }


def ask(sizes, seed, inputs=4, frames=3):
    """Ask one predictor, freshly initialised, twice for the same `inputs` sequences of states and actions.

    Returns {inputs, predictions_per_input: next latents for each one that is given, difference: the largest between
    the two answers, in training mode too; future: the largest change of an answer when later frames change}.
    """
    torch.manual_seed(seed_of("vjepa2-ac", seed))
    net = ActionPredictor(**sizes)
    generator = torch.Generator().manual_seed(seed_of("vjepa2-ac", seed, "inputs"))
    z = torch.randn(inputs, frames, sizes["side"] ** 2, sizes["latent"], generator=generator)
    actions, states = torch.randn(2, inputs, frames, sizes["action"], generator=generator)
    with torch.no_grad():
        first, again, evaluated = net(z, actions, states), net(z, actions, states), net.eval()(z, actions, states)
        z[:, 1:] += 1
        changed = net(z, actions, states)
    return {
        "inputs": inputs,
        "predictions_per_input": first.numel() / z.numel(),
        "difference": float(max((first - again).abs().max(), (first - evaluated).abs().max())),
        "future": float((changed[:, 0] - first[:, 0]).abs().max()),
    }


class ActionPredictor(nn.Module):
    """V-JEPA 2-AC's predictor. side: patches of a frame's side; the other arguments are widths and counts."""

    def __init__(self, latent, width, depth, heads, side, action, extrinsics):
        super().__init__()
        self.side = side
        self.latent_in = nn.Linear(latent, width)
        self.action_in, self.state_in = nn.Linear(action, width), nn.Linear(action, width)
        self.extrinsics_in = nn.Linear(extrinsics, width)
        self.blocks = nn.ModuleList(ViTBlock(width, heads) for _ in range(depth))
        self.norm, self.latent_out = nn.LayerNorm(width), nn.Linear(width, latent)

    def forward(self, z, actions, states):
        """z: (B, T, side * side, latent). actions, states: (B, T, action). Returns the next latents, shaped as z."""
        conditions = torch.stack([self.action_in(actions), self.state_in(states)], dim=2)
        x = torch.cat([conditions, self.latent_in(z)], dim=2)
        tokens = x.shape[2]
        attend = self._attention(z.shape[1], tokens)
        x = x.flatten(1, 2)
        for block in self.blocks:
            x = block(x, attend)
        return self.latent_out(self.norm(x.unflatten(1, (-1, tokens))[:, :, CONDITIONS:]))

    def _attention(self, frames, tokens):
        """The `attend` of every block for so many frames of so many tokens."""
        frame = torch.arange(frames).repeat_interleave(tokens)
        patch = (torch.arange(tokens) - CONDITIONS).repeat(frames)
        row, column = (torch.where(patch < 0, 0, p) for p in (patch // self.side, patch % self.side))
        positions, mask = torch.stack([frame, row, column]), block_causal_mask(frame, frame)

        def attend(q, k, v):
            q, k, v = (part.transpose(1, 2) for part in (rotated(q, positions), rotated(k, positions), v))
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)

        return attend


def rotated(x, positions):
    """Rotary positions on several axes. x: (B, L, heads, w). positions: (axes, L). Returns the same shape.

    Each axis turns an equal, even share of the w numbers, pair by pair, by position * BASE^(-pair / pairs); what is
    left over stays. (The released code pairs the frequencies differently, which moves no count and no shape.)
    """
    pairs = x.shape[-1] // len(positions) // 2
    frequencies = BASE ** (-torch.arange(pairs) / max(pairs, 1))
    parts = list(x.split([2 * pairs] * len(positions) + [x.shape[-1] - 2 * pairs * len(positions)], dim=-1))
    for axis, position in enumerate(positions):
        angle = (position[:, None] * frequencies)[:, None]  # (L, 1, pairs)
        a, b = parts[axis].unflatten(-1, (pairs, 2)).unbind(-1)
        turned = torch.stack([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], dim=-1)
        parts[axis] = turned.flatten(-2)
    return torch.cat(parts, dim=-1)
