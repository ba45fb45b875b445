"""Every mode of every row in one forward pass, without a token that nobody reads.

The copies of a row share its clean prefix, and a clean block sees no later block: so its tokens are computed once
a row, followed by the noisy blocks of all M copies. Copies see the prefix and themselves, never each other. This is
the replication of Sec. 2.3, at 3/5 of its tokens for M = 5 and T = 4.
"""

from dataclasses import dataclass

import torch

from jepa.models.transformer import block_causal_mask


@dataclass(frozen=True)
class Packing:
    """tokens: (L,) indices into the pool of tokens, which holds the clean ones (B, T, 2) for blocks 0..T-1, then the
    noisy ones (B, M, T, 2) for blocks 1..T; slot 0 is the action, slot 1 the latent.
    segments: as jepa.models.transformer.PackedAttention takes them; one per prefix length.
    asked_actions, asked_latents: positions in `tokens` that carry a loss. *_targets: their indices in (B, M, T);
    *_blocks: their indices in (B, T), where the clean data are.
    """

    tokens: torch.Tensor
    segments: list
    asked_actions: torch.Tensor
    asked_latents: torch.Tensor
    action_targets: torch.Tensor
    latent_targets: torch.Tensor
    action_blocks: torch.Tensor
    latent_blocks: torch.Tensor


def pack(clean, copies, T, asked, device="cpu"):
    """Packing of rows with clean (B,) clean blocks each. asked: pair of (copies,) bool, for actions and latents."""
    clean = clean.cpu()
    tokens, segments, positions, targets = [], [], ([], []), ([], [])
    noisy_pool = len(clean) * T * 2
    copy, slot = torch.arange(copies)[:, None], torch.arange(2)
    first = 0
    for prefix in clean.unique().tolist():
        rows = torch.nonzero(clean == prefix)[:, 0]
        step = torch.arange(prefix - 1, T)
        target = (rows[:, None, None] * copies + copy) * T + step  # (R, M, n)
        clean_tokens = rows[:, None] * (2 * T) + torch.arange(2 * prefix)
        noisy_tokens = noisy_pool + target[..., None] * 2 + slot
        tokens.append(torch.cat([clean_tokens, noisy_tokens.flatten(1)], 1).flatten())
        length = 2 * prefix + copies * len(step) * 2
        segments.append((len(rows), length, _mask(prefix, copies, T).to(device)))
        position = torch.arange(len(rows))[:, None] * length + torch.arange(2 * prefix, length) + first
        position = position.view(*target.shape, 2)
        for s in (0, 1):
            positions[s].append(position[:, asked[s], :, s].flatten())
            targets[s].append(target[:, asked[s]].flatten())
        first += len(rows) * length
    targets = [torch.cat(part) for part in targets]
    blocks = [index // (copies * T) * T + index % T for index in targets]
    indices = [torch.cat(tokens), *(torch.cat(part) for part in positions), *targets, *blocks]
    tokens, *rest = (index.to(device) for index in indices)
    return Packing(tokens, segments, *rest)


def _mask(prefix, copies, T):
    """(L, L) bool for one row: 2 * prefix clean tokens, then `copies` times the noisy blocks prefix..T."""
    suffix = torch.arange(prefix, T + 1).repeat_interleave(2)
    block = torch.cat([torch.arange(2 * prefix) // 2, suffix.repeat(copies)])
    copy = torch.cat([torch.full((2 * prefix,), -1), torch.arange(copies).repeat_interleave(len(suffix))])
    return block_causal_mask(block, block) & ((copy == copy[:, None]) | (copy == -1))
