"""The predictor's trunk: a transformer with AdaLN-zero conditioning per token and attention given from outside.

Attention is an argument, because the same weights read three arrangements of tokens: packed training rows
(`PackedAttention`), one block after a cached prefix (`CachedAttention`), and LeWM's causal rows.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


def time_features(tau, width):
    """Sinusoidal features of 1000 tau: (U,) to (U, width)."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000.0) / half * torch.arange(half, device=tau.device))
    angle = 1000 * tau.float().unsqueeze(-1) * frequencies
    return torch.cat([angle.cos(), angle.sin()], -1)


def dropout(x, p, generator):
    """Dropout whose mask comes from `generator`; without one, or at p = 0, x itself."""
    if p == 0 or generator is None:
        return x
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)


class Block(nn.Module):
    """Attention and MLP, each modulated and gated by the token's condition (AdaLN-zero).

    inner_norm: a second, affine LayerNorm after each modulation, as in LeWM.
    """

    def __init__(self, width, heads, head_width, mlp, dropout=0.0, inner_norm=False):
        super().__init__()
        inner = heads * head_width
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * inner, bias=False)
        self.out = nn.Linear(inner, width)
        self.up, self.down = nn.Linear(width, mlp), nn.Linear(mlp, width)
        self.norm1 = nn.LayerNorm(width) if inner_norm else nn.Identity()
        self.norm2 = nn.LayerNorm(width) if inner_norm else nn.Identity()
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x, condition, index, attend, generator=None, keep=None):
        """x: (..., width) tokens. condition: (U, width); token i has condition index[i] (index None: one a token).

        attend(q, k, v) with q, k, v: (..., heads, head_width) returns the same shape. keep: indices of the tokens
        (axis -2) whose output is wanted; only keys and values of the others are computed. Returns (..., width).
        """
        modulation = self.modulation(F.silu(condition))
        modulation = modulation if index is None else modulation.index_select(0, index)
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation.chunk(6, -1)
        h = self.norm1(self._modulated(x, shift1, scale1))
        attended = attend(*self.qkv(h).unflatten(-1, (3, self.heads, -1)).unbind(-3)).flatten(-2)
        if keep is not None:
            x, attended, gate1, shift2, scale2, gate2 = (
                part.index_select(-2, keep) for part in (x, attended, gate1, shift2, scale2, gate2)
            )
        x = x + gate1 * dropout(self.out(attended), self.dropout, generator)
        h = self.norm2(self._modulated(x, shift2, scale2))
        h = dropout(F.gelu(self.up(h)), self.dropout, generator)
        return x + gate2 * dropout(self.down(h), self.dropout, generator)

    @staticmethod
    def _modulated(x, shift, scale):
        return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), 1 + scale)


class Transformer(nn.Module):
    """`depth` blocks and a final LayerNorm."""

    def __init__(self, width, depth, heads, head_width, mlp, dropout=0.0, inner_norm=False):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, head_width, mlp, dropout, inner_norm) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, x, condition, index, attention, generator=None, keep=None):
        """See Block.forward; attention.layer(i) is the `attend` of block i. keep applies to the last block."""
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            x = block(x, condition, index, attention.layer(i), generator, keep if i == last else None)
        return self.norm(x)


def block_causal_mask(query_blocks, key_blocks):
    """(Q, K) bool: a token of block i sees the tokens of blocks j <= i (Qantara Eq. 1). Arguments: (Q,), (K,) int."""
    return key_blocks <= query_blocks[:, None]


class PackedAttention:
    """Attention within rows of different lengths that lie one after another on a single token axis.

    segments: list of (rows, length, mask), mask (length, length) bool or None; rows * length tokens each.
    """

    def __init__(self, segments):
        self.segments = segments
        self.sizes = [rows * length for rows, length, _ in segments]

    def layer(self, _):
        return self

    def __call__(self, q, k, v):
        parts = zip(*(x.split(self.sizes) for x in (q, k, v)), strict=True)
        out = []
        for part, (rows, length, mask) in zip(parts, self.segments, strict=True):
            q, k, v = (x.unflatten(0, (rows, length)).transpose(1, 2) for x in part)
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            out.append(attended.transpose(1, 2).flatten(0, 1))
        return torch.cat(out)


class CachedAttention:
    """Attention of new tokens (N, L, heads, head_width) to cached ones and, through `mask` (L, all), to each other.

    cache: one (k, v) pair a layer, each (N, heads, cached, head_width), or None. `grown` holds the pairs with the new
    tokens appended.
    """

    def __init__(self, cache, mask):
        self.cache, self.mask, self.grown = cache, mask, []

    def layer(self, i):
        def attend(q, k, v):
            q, k, v = (x.transpose(1, 2) for x in (q, k, v))
            if self.cache is not None:
                k, v = (torch.cat([old, new], 2) for old, new in zip(self.cache[i], (k, v), strict=True))
            self.grown.append((k, v))
            return F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask).transpose(1, 2)

        return attend
