"""A prefix and its cache change no answer: of Qantara, of LeWM, before and after the window slides."""

import math

import pytest
import torch

from jepa.errors import JepaError
from jepa.models.lewm import LeWM
from jepa.models.qantara import Qantara
from jepa.models.transformer import CachedAttention, block_causal_mask
from small_models import DA, D, T, generator, history, model_of


@pytest.mark.parametrize("blocks", range(8))
def test_a_cached_query_equals_the_uncached_forward(blocks):
    """At all prefix lengths, before and after the window slides, with a cache grown block by block."""
    model = model_of().eval()
    g = generator(7)
    z, actions = torch.randn(3, blocks + 1, D, generator=g), torch.randn(3, blocks, DA, generator=g)
    asked = torch.randn(3, DA, generator=g), torch.randn(3, D, generator=g)
    prefix = model.start(z[:, 0])
    for t in range(blocks):
        model.query(prefix, *asked, 0.5, 0.5)  # encodes what is there, so that every block enters by the cache
        prefix = model.extend(prefix, actions[:, t], z[:, t + 1])
    cached = model.query(prefix, *asked, 0.2, 0.6)
    again = model.velocity(prefix, *asked, 0.2, 0.6), model.state(prefix, *asked, 0.2, 0.6)
    # The window: the last T latents, the actions between them, the start token in front.
    z, actions = z[:, -T:], actions[:, max(0, blocks + 1 - T) :]
    length = z.shape[1]
    slots = [model.action_in(torch.cat([actions, asked[0][:, None]], 1))]
    slots = [torch.cat([model.start_token.expand(3, 1, -1), *slots], 1)]
    slots += [model.state_in(torch.cat([z, asked[1][:, None]], 1))]
    x = torch.stack(slots, 2)
    x = (x + model.positions[: length + 1]).flatten(1, 2)
    block = torch.arange(length + 1).repeat_interleave(2)
    times = torch.tensor([1.0] * (2 * length) + [0.2, 0.6])
    mask = block_causal_mask(block, block)
    with torch.no_grad():
        h = model.trunk(x, model.condition(times).expand(3, -1, -1), None, CachedAttention(None, mask))
        whole = model.action_head(h[:, -2]), model.predicted_state(z[:, -1], h[:, -1])
    for one, two, reference in zip(cached, again, whole, strict=True):
        torch.testing.assert_close(one, reference, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(two, reference, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cls", [Qantara, LeWM])
def test_repeating_and_selecting_rows_of_a_prefix_change_no_answer(cls):
    model = model_of(cls).eval()
    for blocks in (0, 2, 5):
        prefix, _, _ = history(model, blocks)
        a, z = torch.randn(12, DA), torch.randn(12, D)
        wide = model.query(prefix.repeat(4), a, z, 1.0, 0.5)[1]
        for row in range(3):
            one = prefix.select(torch.tensor([row]))
            for candidate in range(4):
                i = 4 * row + candidate
                alone = model.query(one, a[i : i + 1], z[i : i + 1], 1.0, 0.5)[1]
                torch.testing.assert_close(alone[0], wide[i], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("blocks", range(6))
def test_lewm_from_its_cache_equals_its_training_pass(blocks):
    model = model_of(LeWM).eval()
    prefix, z, actions = history(model, blocks)
    asked = torch.randn(3, DA)
    z_hat = model.query(prefix, asked, None, 1.0, 0.0)[1]
    z = z[:, -T:]
    actions = torch.cat([actions, asked[:, None]], 1)[:, -z.shape[1] :]
    length = z.shape[1]
    mask = torch.ones(length, length, dtype=torch.bool).tril()
    with torch.no_grad():
        x = model.state_in(z) + model.positions[:length]
        h = model.trunk(x, model.action_in(actions), None, CachedAttention(None, mask))
        torch.testing.assert_close(z_hat, model.state_head(h[:, -1]), atol=1e-5, rtol=1e-5)
    with pytest.raises(JepaError, match="clean actions only"):
        model.query(prefix, asked, None, 0.5, 0.0)


def test_the_state_slot_starts_at_the_previous_latent_or_at_noise_without_a_bridge():
    z_prev, z_next, noise = torch.randn(3, 5, D)
    model = model_of()
    assert torch.equal(model.state_input(z_prev, z_next, 0.0, noise), z_prev)
    assert torch.equal(model.state_input(z_prev, z_next, 1.0, noise), z_next)
    model = model_of(predictor={"bridge": False, "residual": False})
    assert torch.equal(model.state_input(z_prev, z_next, 0.0, noise), noise)
    assert torch.equal(model.state_input(z_prev, z_next, 1.0, noise), z_next)
    with pytest.raises(JepaError, match="residual needs"):
        model_of(predictor={"bridge": False})


def test_action_scores_round_trip_and_missing_actions_are_zero():
    model = model_of()
    model.actions.set([1.0, 2.0, 3.0], [2.0, 4.0, 0.0])
    raw = torch.randn(4, DA)
    torch.testing.assert_close(model.denormalise(model.normalise(raw)), raw)
    block = torch.tensor([1.0, 2.0, 3.0, 3.0, 6.0, math.nan])
    assert model.normalise(block).tolist() == [0, 0, 0, 1, 1, 0]
