"""Qantara's equations as facts: identity at the start, masked heads, one encoding a frame, exact caching."""

import pytest
import torch

from jepa.errors import JepaError
from jepa.models.lewm import LeWM
from jepa.models.noise_square import MODES, clean_prefix
from jepa.models.qantara import Qantara
from jepa.models.transformer import CachedAttention, block_causal_mask
from jepa.models.vision import Encoder
from small_models import DA, D, T, generator, history, model_of, recipe


@pytest.fixture
def batch():
    g = generator(1)
    frames = torch.randint(0, 256, (8, T + 1, 3, 16, 16), generator=g, dtype=torch.uint8)
    return frames, torch.randn(8, T, DA, generator=g)


# The predictor


def test_at_initialisation_the_next_latent_is_this_latent_and_the_velocity_is_zero():
    """Eq. 6 with a zero-initialised head, at every tau and prefix length."""
    model = model_of(trained=False).eval()
    for blocks in range(6):
        prefix, z, _ = history(model, blocks)
        v, z_hat = model.query(prefix, torch.randn(3, DA), torch.randn(3, D), 0.3, 0.7)
        assert torch.equal(z_hat, z[:, -1])
        assert (v == 0).all()


def test_without_the_residual_the_head_starts_away_from_the_identity():
    model = model_of(trained=False, predictor={"residual": False}).eval()
    prefix, z, _ = history(model, 1)
    _, z_hat = model.query(prefix, torch.randn(3, DA), prefix.last, 1.0, 0.0)
    assert (z_hat - z[:, -1]).abs().max() > 0.1


def test_no_output_depends_on_a_later_block(batch):
    """Perturb block b of the noisy continuation: asked tokens of earlier blocks do not change, those of b do."""
    model = model_of()
    z, actions = torch.randn(8, T + 1, D), batch[1]
    clean = torch.ones(8, dtype=torch.long)
    tau_a, tau_z = model.draw_times(clean, generator())
    noise = [torch.randn(8, 5, T, dim) for dim in (DA, D)]
    v, z_hat, packing = model.denoise(z, actions, clean, tau_a, tau_z, *noise)
    for block in range(T):
        later = [part.clone() for part in noise]
        for part in later:
            part[:, :, block] += 1
        for before, after, targets in zip(
            (v, z_hat),
            model.denoise(z, actions, clean, tau_a, tau_z, *later)[:2],
            (packing.action_targets, packing.latent_targets),
            strict=True,
        ):
            changed = (after - before).abs().amax(-1)
            assert (changed[targets % T < block] == 0).all()
            assert (changed[targets % T == block] > 0).float().mean() > 0.9


def test_the_packed_pass_equals_one_masked_sequence_a_mode(batch):
    """Each row is replicated over the modes (Sec. 2.3): the packed pass gives what 5 x B dense sequences give."""
    model = model_of()
    z, actions = torch.randn(8, T + 1, D), batch[1]
    clean = clean_prefix(8, T, generator(5))
    tau_a, tau_z = model.draw_times(clean, generator(6))
    noise_a, noise_z = torch.randn(8, 5, T, DA), torch.randn(8, 5, T, D)
    v, z_hat, packing = model.denoise(z, actions, clean, tau_a, tau_z, noise_a, noise_z)
    block = torch.arange(T + 1).repeat_interleave(2)
    mask = block_causal_mask(block, block)
    for row in range(8):
        for mode in range(5):
            a_tilde = tau_a[row, mode, :, None] * actions[row] + (1 - tau_a[row, mode, :, None]) * noise_a[row, mode]
            z_tilde = model.state_input(z[row, :-1], z[row, 1:], tau_z[row, mode], noise_z[row, mode])
            x = torch.stack(
                [
                    torch.cat([model.start_token[None], model.action_in(a_tilde)]),
                    model.state_in(torch.cat([z[row, :1], z_tilde])),
                ],
                1,
            )
            tau = torch.stack([torch.cat([torch.ones(1), t[row, mode]]) for t in (tau_a, tau_z)], 1)
            x = (x + model.positions).flatten(0, 1)
            h = model.trunk(x[None], model.condition(tau.flatten())[None], None, CachedAttention(None, mask))[0]
            for slot, out, targets in ((0, v, packing.action_targets), (1, z_hat, packing.latent_targets)):
                for t in range(int(clean[row]) - 1, T):
                    found = torch.nonzero(targets == (row * 5 + mode) * T + t)[:, 0]
                    assert len(found) == (list(MODES)[mode] != ("forward", "inverse")[slot])
                    if len(found):
                        own = h[2 * (t + 1) + slot]
                        expected = model.predicted_state(z[row, t], own) if slot else model.action_head(own)
                        torch.testing.assert_close(out[found[0]], expected, atol=1e-4, rtol=1e-4)


# The losses


def gradients(model, batch):
    model.zero_grad()
    loss, info = model.loss(*batch, generator())
    loss.backward()
    return info


def test_an_unqueried_head_gets_exactly_no_gradient(batch):
    """{forward} never asks for an action, {inverse} never for a latent (Table 3)."""
    model = model_of(sampling={"modes": ["forward"]})
    assert gradients(model, batch)["flow"] == 0
    assert model.action_head.weight.grad is None and model.action_head.bias.grad is None
    assert model.state_head.weight.grad.abs().sum() > 0
    model = model_of(sampling={"modes": ["inverse"]})
    assert gradients(model, batch)["bridge"] == 0
    assert model.state_head.weight.grad is None
    assert model.action_head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("mode", ["policy", "video", "joint"])
def test_the_other_modes_train_both_heads(batch, mode):
    model = model_of(sampling={"modes": [mode]})
    gradients(model, batch)
    assert model.action_head.weight.grad.abs().sum() > 0 and model.state_head.weight.grad.abs().sum() > 0


def test_the_total_is_equation_10(batch):
    model = model_of()
    loss, info = model.loss(*batch, generator())
    expected = 3 * info["bridge"] + info["flow"] + 0.09 * info["sigreg"]
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    assert model.loss(*batch, generator())[0].item() == loss.item()
    assert model.loss(*batch, generator(1))[0].item() != loss.item()


def test_at_initialisation_the_losses_are_those_of_staying_and_of_zero_velocity(batch):
    """z_hat = z_t and v = 0: the bridge loss is E|z_t - z_{t+1}|^2, the flow loss about Var(a) + Var(noise) = 2."""
    model = model_of(trained=False)
    z = torch.randn(512, T + 1, D)
    flow, bridge_loss = model.flow_and_bridge(z, torch.randn(512, T, DA), generator())
    assert bridge_loss.item() == pytest.approx(2, rel=0.05)
    assert flow.item() == pytest.approx(2, rel=0.05)


def test_gradient_reaches_both_ends_of_the_bridge(batch):
    """No stop-gradient (Sec. 2.1): a target latent and the latent before it both move."""
    model = model_of()
    z = torch.randn(8, T + 1, D, requires_grad=True)
    _, bridge_loss = model.flow_and_bridge(z, batch[1], generator())
    bridge_loss.backward()
    assert (z.grad.abs().sum((0, 2)) > 0).all()


@pytest.mark.parametrize("cls", [Qantara, LeWM])
def test_every_frame_is_encoded_once(batch, cls, monkeypatch):
    seen = []
    forward = Encoder.forward
    monkeypatch.setattr(Encoder, "forward", lambda self, frames: seen.append(frames.shape) or forward(self, frames))
    model = model_of(cls)
    model.loss(*batch, generator())
    assert seen == [batch[0].shape]


def test_uniform_copies_ask_both_heads_everywhere(batch):
    for copies in (1, 5):
        model = model_of(sampling={"sampler": "uniform", "copies": copies})
        clean = torch.ones(8, dtype=torch.long)
        tau_a, tau_z = model.draw_times(clean, generator())
        noise = [torch.randn(8, copies, T, dim) for dim in (DA, D)]
        v, z_hat, _ = model.denoise(torch.randn(8, T + 1, D), batch[1], clean, tau_a, tau_z, *noise)
        assert len(v) == len(z_hat) == 8 * copies * T


def test_dropout_depends_on_the_generator_alone(batch):
    model = model_of(predictor={"dropout": 0.5})
    first, second = (model.loss(*batch, generator(3))[0].item() for _ in range(2))
    assert first == second
    assert first != model_of().loss(*batch, generator(3))[0].item()


# Sizes


def test_lewm_rebuilt_at_the_papers_sizes_has_its_parameters():
    tiny = {"width": 192, "depth": 12, "heads": 3}
    paper = recipe(
        encoder=tiny | {"kind": "vit", "size": 224, "patch": 14, "projector": 2048, "d": 192},
        predictor={"width": 192, "depth": 6, "heads": 16, "head_width": 64, "mlp": 2048, "T": 3},
    )
    with torch.device("meta"):
        assert sum(p.numel() for p in LeWM(paper, 10).parameters()) == 18_034_478


def test_a_vision_transformer_encodes_frames_of_any_size():
    vit = {"kind": "vit", "size": 28, "patch": 7, "width": 12, "depth": 2, "heads": 3, "projector": 16, "d": D}
    z = Encoder(vit)(torch.randint(0, 256, (2, 5, 3, 28, 28), dtype=torch.uint8))
    assert z.shape == (2, 5, D) and z.dtype == torch.float32
    for wrong, message in (({"patch": 5}, "multiple of encoder.patch"), ({"kind": "mlp"}, "choose conv or vit")):
        with pytest.raises(JepaError, match=message):
            Encoder(vit | wrong)
