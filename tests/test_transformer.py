"""The trunk: AdaLN-zero starts as the identity, no token sees a later block, packing and caching change nothing."""

import pytest
import torch
from torch.nn import functional as F

from jepa.models.noise_square import MODES, clean_prefix, queried
from jepa.models.packing import pack
from jepa.models.transformer import (
    CachedAttention,
    PackedAttention,
    Transformer,
    block_causal_mask,
    dropout,
    time_features,
)


@pytest.fixture
def trunk():
    """Weights of every part away from their zero initialisation."""
    torch.manual_seed(0)
    trunk = Transformer(width=16, depth=2, heads=2, head_width=8, mlp=32)
    for parameter in trunk.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return trunk.requires_grad_(False)


def full(trunk, x, condition, mask):
    return trunk(x, condition, None, CachedAttention(None, mask))


def test_at_initialisation_the_blocks_are_the_identity():
    torch.manual_seed(0)
    trunk = Transformer(width=16, depth=3, heads=2, head_width=8, mlp=32)
    x = torch.randn(2, 6, 16)
    out = full(trunk, x, torch.randn(2, 6, 16), None)
    torch.testing.assert_close(out, F.layer_norm(x, (16,)))


def test_no_token_sees_a_later_block_and_partners_see_each_other(trunk):
    block = torch.arange(5).repeat_interleave(2)
    mask = block_causal_mask(block, block)
    x, condition = torch.randn(2, 1, 10, 16).unbind()
    before = full(trunk, x, condition, mask)
    for later in range(5):
        for part in ("tokens", "conditions"):
            changed = [x.clone(), condition.clone()]
            changed[part == "conditions"][:, 2 * later] = torch.randn(16)  # the action slot of block `later`
            difference = (full(trunk, *changed, mask) - before).abs().amax(-1)[0]
            assert (difference[: 2 * later] == 0).all()
            assert (difference[2 * later :] > 0).all()


@pytest.mark.parametrize("cut", [2, 4, 6, 8])
def test_cached_keys_give_the_same_outputs(trunk, cut):
    block = torch.arange(5).repeat_interleave(2)
    mask = block_causal_mask(block, block)
    x, condition = torch.randn(2, 3, 10, 16).unbind()
    whole = full(trunk, x, condition, mask)
    first = CachedAttention(None, mask[:cut, :cut])
    trunk(x[:, :cut], condition[:, :cut], None, first)
    rest = trunk(x[:, cut:], condition[:, cut:], None, CachedAttention(first.grown, mask[cut:]))
    torch.testing.assert_close(rest, whole[:, cut:], atol=1e-5, rtol=1e-5)


def test_packed_rows_do_not_see_each_other(trunk):
    x, condition = torch.randn(2, 14, 16).unbind()
    masks = [torch.ones(4, 4, dtype=torch.bool).tril(), None]
    packed = trunk(x, condition, None, PackedAttention([(2, 4, masks[0]), (1, 6, masks[1])]))
    for part, mask in ((slice(0, 4), masks[0]), (slice(4, 8), masks[0]), (slice(8, 14), masks[1])):
        alone = full(trunk, x[None, part], condition[None, part], mask)[0]
        torch.testing.assert_close(packed[part], alone, atol=1e-5, rtol=1e-5)


def test_kept_tokens_and_shared_conditions_are_only_cheaper(trunk):
    x, table = torch.randn(8, 16), torch.randn(3, 16)
    index, keep = torch.tensor([0, 1, 2, 0, 0, 2, 1, 1]), torch.tensor([6, 1])
    attention = PackedAttention([(2, 4, None)])
    whole = trunk(x, table[index], None, attention)
    torch.testing.assert_close(trunk(x, table, index, attention, keep=keep), whole[keep])


def test_a_packing_computes_the_prefix_once_and_no_block_twice():
    """2 t' clean tokens and 2 (T + 1 - t') noisy ones a copy: 30 of the 50 a row has on average at M = 5, T = 4."""
    clean = clean_prefix(64, 4, torch.Generator().manual_seed(0))
    packing = pack(clean, 5, 4, queried(list(MODES)))
    assert len(packing.tokens) == 30 * 64
    assert len(packing.tokens.unique()) == len(packing.tokens)
    noisy = int((5 - clean).sum())
    assert len(packing.asked_actions) == len(packing.asked_latents) == 4 * noisy


def test_dropout_comes_from_its_generator_and_keeps_the_mean():
    x = torch.ones(100_000)
    one, other = (dropout(x, 0.1, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(one, other)
    assert float(one.mean()) == pytest.approx(1, abs=0.01)
    assert float((one == 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert torch.equal(dropout(x, 0.1, None), x)


def test_times_have_distinct_features():
    features = time_features(torch.tensor([0.0, 0.001, 0.5, 1.0]), 64)
    assert torch.pdist(features).min() > 0.5
