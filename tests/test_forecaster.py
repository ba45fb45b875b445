"""The forecaster of the other domains: Eq. 1-7 in latent space, plain regression in raw space, on any shape."""

import numpy as np
import pytest
import torch

from jepa.errors import JepaError
from jepa.models.forecaster import Forecaster, encoder_of

MLP = {"kind": "mlp", "width": 16, "depth": 1}
CONV = {"kind": "conv", "width": 4, "depth": 2}
MOP = {"kind": "mop", "K": 3, "width": 8, "depth": 1}
DENSE = {"kind": "ensemble", "K": 1, "width": 8, "depth": 1}


def build(context=(5,), target=(5,), predictor=MOP, space="latent", encoder=MLP, ema=0.9):
    torch.manual_seed(0)
    return Forecaster(context, target, encoder=encoder, d=6, predictor=predictor, space=space, ema=ema)


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_latents_and_predictions_lie_on_the_sphere():
    model = build()
    u, pi = model.predict(noise(7, 5))
    assert u.shape == (7, 3, 6) and pi.shape == (7, 3)
    assert torch.allclose(u.norm(dim=-1), torch.ones(7, 3)) and torch.allclose(pi.sum(-1), torch.ones(7))
    assert torch.allclose(model.embed(noise(7, 5)).norm(dim=-1), torch.ones(7))


def test_targets_send_no_gradient_and_follow_the_encoder():
    model = build(ema=0.9)
    loss, _ = model.loss(noise(7, 5), noise(7, 5, seed=2))
    loss.backward()
    assert all(p.grad is None for p in model.target.parameters())
    assert all(p.grad is not None and p.grad.any() for p in model.encoder.parameters())
    before = [p.clone() for p in model.target.parameters()]
    with torch.no_grad():
        for p in model.encoder.parameters():
            p += 1
    model.after_step()
    for now, was, online in zip(model.target.parameters(), before, model.encoder.parameters(), strict=True):
        assert torch.allclose(now, 0.9 * was + 0.1 * online, atol=1e-6)


def test_raw_space_predicts_the_numbers_of_any_shape():
    model = build(context=(2, 3), target=(4, 2), space="raw")
    u, _ = model.predict(noise(7, 2, 3))
    assert u.shape == (7, 3, 4, 2) and u.norm(dim=-1).std() > 0


def test_the_raw_dense_loss_is_half_the_mean_squared_error():
    model = build(context=(5,), target=(4, 2), predictor=DENSE, space="raw")
    context, target = noise(7, 5), noise(7, 4, 2)
    loss, _ = model.loss(context, target)
    assert torch.allclose(loss, 0.5 * (model.predict(context)[0][:, 0] - target).square().mean())
    assert model.target is None
    model.after_step()


def test_every_arm_of_a_seed_starts_from_the_same_encoder():
    kinds = ("mop", "mdn", "m3", "var", "ensemble", "codebook")
    models = [build(predictor={"kind": kind, "K": 3, "width": 8, "depth": 1}) for kind in kinds]
    for model in models[1:]:
        for p, q in zip(models[0].encoder.parameters(), model.encoder.parameters(), strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize("kind", ["mop", "mdn", "m3", "var", "ensemble", "codebook"])
@pytest.mark.parametrize("space", ["latent", "raw"])
def test_every_arm_trains_in_both_spaces(kind, space):
    model = build(predictor={"kind": kind, "K": 3, "width": 8, "depth": 1}, space=space)
    loss, info = model.loss(noise(7, 5), noise(7, 5, seed=2))
    loss.backward()
    assert loss.isfinite() and all(not value.requires_grad for value in info.values())


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 7), (1, 14, 28)])
def test_convolutions_take_images_of_any_size(shape):
    assert encoder_of(shape, 6, **CONV)(noise(2, *shape)).shape == (2, 6)


def test_bytes_are_read_as_their_share_of_255():
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8)).astype(np.uint8))
    for space in ("latent", "raw"):
        model = build((1, 8, 8), (1, 8, 8), space=space, encoder=CONV)
        assert torch.equal(model.predict(image)[0], model.predict(image.float() / 255)[0])
        assert torch.equal(model.loss(image, image)[0], model.loss(image.float() / 255, image.float() / 255)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": (4,)}, "bring them to one shape .* or use space raw"),
        ({"space": "flat"}, "must be one of latent, raw"),
        ({"encoder": CONV}, "needs contexts .channels, height, width."),
        ({"encoder": MLP | {"kind": "vit"}}, "must be mlp or conv"),
        ({"predictor": MOP | {"kind": "moe"}}, "'moe' is unknown; choose one of"),
        ({"predictor": MOP | {"heads": 3}}, "does not take these settings"),
    ],
)
def test_settings_that_do_not_exist_are_refused_with_a_sentence(changes, message):
    with pytest.raises(JepaError, match=message):
        build(**changes)
