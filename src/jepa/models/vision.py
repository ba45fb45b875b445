"""Encoders of frames: a ViT for paper scale, a small convolutional net for a laptop; one projector for both.

The projector's BatchNorm is load-bearing: SIGReg has no gradient at a collapsed latent, and the batch statistics
are what moves latents apart from there; with a LayerNorm training stays collapsed.
"""

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models.transformer import dropout


class Projector(nn.Sequential):
    """Linear, BatchNorm, GELU, Linear: (N, features) to (N, d)."""

    def __init__(self, features, hidden, d):
        super().__init__(nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.GELU(), nn.Linear(hidden, d))


class ConvNet(nn.Module):
    """`depth` convolutions 4 x 4 of stride 2, the first `width` wide, each twice as wide as the one before.

    (N, 3, size, size) to (N, features).
    """

    def __init__(self, size, width, depth):
        super().__init__()
        if size % 2**depth:
            raise JepaError(f"encoder.size is {size}; {depth} convolutions of stride 2 need a multiple of {2**depth}.")
        widths = [3, *(width * 2**i for i in range(depth))]
        layers = []
        for fan_in, fan_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(fan_in, fan_out, 4, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.features = widths[-1] * (size // 2**depth) ** 2

    def forward(self, x):
        return self.layers(x).flatten(1)


def attention(q, k, v):
    """Every token sees every token of its row. q, k, v: (N, L, heads, head_width). Returns the same shape."""
    return F.scaled_dot_product_attention(*(part.transpose(1, 2) for part in (q, k, v))).transpose(1, 2)


class ViTBlock(nn.Module):
    """A pre-norm transformer block. By default the heads share the width and the MLP is four times as wide."""

    def __init__(self, width, heads, head_width=None, mlp=None, dropout=0.0):
        super().__init__()
        inner, mlp = heads * (head_width or width // heads), mlp or 4 * width
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * inner), nn.Linear(inner, width)
        self.up, self.down = nn.Linear(width, mlp), nn.Linear(mlp, width)

    def forward(self, x, attend=attention, generator=None):
        """x: (N, L, width). attend: as `attention`, which it may restrict. generator: of dropout, None for none."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        x = x + dropout(self.out(attend(q, k, v).flatten(-2)), self.dropout, generator)
        h = dropout(F.gelu(self.up(self.norm2(x))), self.dropout, generator)
        return x + dropout(self.down(h), self.dropout, generator)


class ViT(nn.Module):
    """Vision transformer that returns its [CLS] token: (N, 3, size, size) to (N, width).

    ViT-tiny is width 192, depth 12, 3 heads; LeWM uses patch 14 at 224 px.
    """

    def __init__(self, size, patch, width, depth, heads):
        super().__init__()
        if size % patch:
            raise JepaError(f"encoder.size is {size}; it must be a multiple of encoder.patch, {patch}.")
        self.features = width
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + (size // patch) ** 2, width))
        self.blocks = nn.Sequential(*(ViTBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.positions
        return self.norm(self.blocks(x)[:, 0])


class Encoder(nn.Module):
    """E_phi: frames to latents.

    settings: {kind: conv | vit, size, width, depth (conv: 3 by default), (vit: heads, patch,) projector, d}.
    """

    def __init__(self, settings):
        super().__init__()
        kind = settings["kind"]
        if kind == "conv":
            self.net = ConvNet(settings["size"], settings["width"], settings.get("depth", 3))
        elif kind == "vit":
            self.net = ViT(*(settings[name] for name in ("size", "patch", "width", "depth", "heads")))
        else:
            raise JepaError(f"encoder.kind is {kind!r}; choose conv or vit.")
        self.d = settings["d"]
        self.projector = Projector(self.net.features, settings["projector"], self.d)

    def forward(self, frames):
        """frames: (B, F, 3, size, size) uint8. Every frame is encoded once. Returns z: (B, F, d) float32."""
        pixels = frames.flatten(0, 1).to(torch.float32, memory_format=torch.channels_last)
        z = self.projector(self.net(pixels.div_(127.5).sub_(1)))
        return z.float().unflatten(0, frames.shape[:2])
