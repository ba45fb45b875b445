"""DINO-WM: frozen features, tokens that see no later frame, and DINOv2 under its published names."""

import pytest
import torch
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.files import file_hash, write_json
from jepa.models import dinov2
from jepa.models.dino_wm import DinoWM
from jepa.models.dinov2 import DinoV2, load
from jepa.models.sigreg import participation_ratio
from jepa.planning import cem
from jepa.training.weights import load_weights, save_weights
from small_models import DA, T, generator, recipe

RANDOM = {"kind": "random", "size": 16, "width": 4, "depth": 2, "seed": 0}
P, C = 16, 8


def settings(**sections):
    made = recipe(**sections) | {"kind": "dino_wm"}
    return made | {"encoder": RANDOM}


def model(seed=0, **sections):
    torch.manual_seed(seed)
    return DinoWM(settings(**sections), DA)


def frames(rows=8, count=T + 1, size=16):
    return torch.randint(0, 256, (rows, count, 3, size, size), generator=generator(1), dtype=torch.uint8)


def past(net, blocks, n=3):
    g = generator(2)
    z, actions = torch.randn(n, blocks + 1, net.d, generator=g), torch.randn(n, blocks, DA, generator=g)
    prefix = net.start(z[:, 0])
    for t in range(blocks):
        prefix = net.extend(prefix, actions[:, t], z[:, t + 1])
    return prefix, z, actions


# The frozen encoder


def test_latents_are_the_patches_one_after_another():
    net = model()
    z = net.encode(frames())
    assert z.shape == (8, T + 1, P * C) and net.d == P * C and not z.requires_grad
    changed = frames()
    changed[..., :3, :3] ^= 128  # one corner
    moved = (model().encode(changed) - model().encode(frames())).abs().unflatten(-1, (P, C)).amax((0, 1, 3))
    assert moved[0] > 0.1 and moved[-1] < 1e-5


def test_features_are_standardised_over_the_training_frames():
    net = model()
    z = net.encode(frames(64)).flatten(0, 1)
    std = z.std(0)  # 0 of a dead unit, below 1 of one that hardly moves
    assert (std < 1.01).all() and (std > 0.98).float().mean() > 0.5
    torch.testing.assert_close(z.mean(0), torch.zeros(net.d), atol=1e-4, rtol=0)
    torch.testing.assert_close(net.eval().encode(frames(64)).flatten(0, 1), z, atol=0.02, rtol=0.02)


def test_the_frozen_net_depends_on_its_seed_alone_and_is_neither_trained_nor_stored(tmp_path):
    net, other = model(seed=0), model(seed=1)
    torch.testing.assert_close(net.encode(frames()), other.encode(frames()))
    assert not torch.equal(net.token_in.weight, other.token_in.weight)
    assert all(p.requires_grad for p in net.parameters())
    stored = [name.removeprefix("encoder.") for name in net.state_dict() if name.startswith("encoder.")]
    assert stored == [f"standardise.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")]
    net.eval()
    write_json(tmp_path / "config.json", {})
    save_weights(net, tmp_path, "")
    other.eval()
    load_weights(other, tmp_path)
    assert torch.equal(net.encode(frames()), other.encode(frames()))


def test_training_moves_the_predictor_only():
    net = model()
    before = [p.clone() for p in net.encoder.net.net[0].parameters()]
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2, weight_decay=0.1)
    errors = []
    for step in range(40):
        loss, info = net.loss(frames(), torch.randn(8, T, DA, generator=generator(3)), generator(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(info["bridge"]))
    assert all(torch.equal(a, b) for a, b in zip(before, net.encoder.net.net[0].parameters(), strict=True))
    assert all(p.grad is not None for p in net.parameters())
    assert errors[-1] < 0.8 * errors[0]


# The predictor


def test_no_answer_depends_on_a_later_frame_and_every_patch_sees_the_whole_past():
    net = model().eval()
    z, actions = torch.randn(2, T, net.d), torch.randn(2, T, DA)
    whole = net.predict(z, actions)
    for frame in range(T):
        for part in ("latent", "action"):
            changed = z.clone(), actions.clone()
            if part == "latent":
                changed[0][:, frame, :C] += 1  # a single patch
            else:
                changed[1][:, frame] += 1
            moved = (net.predict(*changed) - whole).abs().unflatten(-1, (P, C)).amax(-1)
            assert (moved[:, :frame] == 0).all() and (moved[:, frame:] > 0).all()


@pytest.mark.parametrize("blocks", range(7))
def test_a_cached_answer_equals_the_pass_over_the_window(blocks):
    net = model().eval()
    prefix, z, actions = past(net, blocks)
    asked = torch.randn(3, DA)
    for _ in range(2):  # the second time, the keys are there
        z_hat = net.state(prefix, asked, None, 1.0, 0.0)
        window = torch.cat([actions, asked[:, None]], 1)[:, -min(T, blocks + 1) :]
        with torch.no_grad():
            reference = net.predict(z[:, -T:], window)[:, -1]
        torch.testing.assert_close(z_hat, reference, atol=1e-5, rtol=1e-5)
    with pytest.raises(JepaError, match="clean actions only"):
        net.state(prefix, asked, None, 0.5, 0.0)


def test_rows_are_repeated_with_their_keys():
    net = model().eval()
    prefix, _, _ = past(net, 2)
    actions = torch.randn(12, DA)
    wide = net.state(prefix.repeat(4), actions, None, 1.0, 0.0)
    torch.testing.assert_close(
        wide[5], net.state(prefix.select(torch.tensor([1])), actions[5:6], None, 1.0, 0.0)[0], atol=1e-5, rtol=1e-5
    )


def test_plans_are_the_same_however_many_episodes_fit(monkeypatch):
    net = model().eval()
    search = {"candidates": 6, "elites": 2, "iterations": 2, "horizon": 5, "k": 4}
    goals, plans = torch.randn(3, net.d, generator=generator()), []
    for most in (1, 10**6):
        monkeypatch.setitem(cem.ROLLOUTS, "cpu", most)
        generators = [generator(i) for i in range(3)]
        plans.append(cem.plan_all(net, past(net, 1)[0], goals, generators=generators, **search))
    torch.testing.assert_close(*plans, atol=1e-5, rtol=1e-5)


def test_the_effective_dimension_of_wide_latents_is_that_of_their_covariance():
    z = torch.randn(20, 50, generator=generator()) * torch.linspace(0.1, 3, 50)
    spectrum = torch.linalg.eigvalsh(torch.cov(z.T))
    torch.testing.assert_close(participation_ratio(z), spectrum.sum() ** 2 / spectrum.square().sum())


# DINOv2


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file like the published one, with random weights."""
    torch.manual_seed(0)
    net = DinoV2()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    path = tmp_path_factory.mktemp("weights") / "vits14.pth"
    torch.save(net.state_dict(), path)
    return path


def test_the_names_and_shapes_are_those_of_the_published_file():
    state = DinoV2().state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    of_a_block = {
        "norm1.weight": (384,), "norm1.bias": (384,), "attn.qkv.weight": (1152, 384), "attn.qkv.bias": (1152,),
        "attn.proj.weight": (384, 384), "attn.proj.bias": (384,), "ls1.gamma": (384,),
        "norm2.weight": (384,), "norm2.bias": (384,), "mlp.fc1.weight": (1536, 384), "mlp.fc1.bias": (1536,),
        "mlp.fc2.weight": (384, 1536), "mlp.fc2.bias": (384,), "ls2.gamma": (384,),
    }  # fmt: skip
    assert shapes == {
        "cls_token": (1, 1, 384), "pos_embed": (1, 1370, 384), "mask_token": (1, 384),
        "patch_embed.proj.weight": (384, 3, 14, 14), "patch_embed.proj.bias": (384,),
        "norm.weight": (384,), "norm.bias": (384,),
    } | {f"blocks.{i}.{name}": shape for i in range(12) for name, shape in of_a_block.items()}  # fmt: skip
    size = 4 * sum(tensor.numel() for tensor in state.values())
    assert 0 < 88_283_115 - size < 100_000  # the published file: these numbers in float32 and their names


def test_positions_of_another_grid_are_interpolated():
    net = DinoV2(width=2, depth=1, heads=1, grid=37)
    ramp = torch.arange(37.0).expand(37, 37)
    with torch.no_grad():
        net.pos_embed[0, 1:] = torch.stack([ramp.T.flatten(), ramp.flatten()], 1)
    assert torch.equal(net._patch_positions(37), net.pos_embed[:, 1:])
    rows, columns = net._patch_positions(14)[0].unflatten(0, (14, 14)).unbind(-1)
    expected = (torch.arange(14) + 0.5) * 37 / 14.1 - 0.5
    torch.testing.assert_close(rows[:, 5], expected, atol=0.1, rtol=0)
    torch.testing.assert_close(columns[5], expected, atol=0.1, rtol=0)


def test_a_network_without_blocks_is_its_normalised_patches():
    torch.manual_seed(0)
    net = DinoV2(width=6, depth=0, heads=1, grid=3)
    pixels = torch.randn(2, 3, 42, 42)
    patches = F.conv2d(pixels, net.patch_embed["proj"].weight, net.patch_embed["proj"].bias, 14).flatten(2)
    with torch.no_grad():
        torch.testing.assert_close(net(pixels), F.layer_norm(patches.transpose(1, 2), (6,)), atol=1e-4, rtol=1e-4)


def test_a_world_model_on_dinov2(weights, monkeypatch):
    monkeypatch.setattr(dinov2.load, "__defaults__", (file_hash(weights),))
    made = settings() | {"encoder": {"kind": "dinov2", "size": 32, "side": 2, "weights": str(weights)}}
    net = DinoWM(made, DA)
    assert net.d == 4 * 384 and not [name for name in net.state_dict() if name.startswith("encoder")]
    assert sum(p.numel() for p in net.parameters()) < 200_000
    z = net.encode(frames(2, 2, 32))
    pixels = F.interpolate(frames(2, 2, 32)[0, 1:].float() / 255, (28, 28), mode="bilinear", antialias=True)
    pixels = (pixels - torch.tensor(dinov2.MEAN).view(3, 1, 1)) / torch.tensor(dinov2.STD).view(3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(z[0, 1], load(weights)(pixels).flatten(), atol=1e-4, rtol=1e-4)
    loss, _ = net.loss(frames(2, T + 1, 32), torch.randn(2, T, DA), generator())
    loss.backward()
    assert loss.isfinite()


def test_only_the_published_weights_are_read(weights, tmp_path):
    with pytest.raises(JepaError, match="does not exist; fetch dinov2_vits14_pretrain.pth"):
        load(tmp_path / "none.pth")
    with pytest.raises(JepaError, match="is not the published file: its sha256 is"):
        load(weights)
    other, junk, code = (tmp_path / name for name in ("other.pth", "junk.pth", "code.pth"))
    torch.save({"cls_token": torch.zeros(1, 1, 384)}, other)
    junk.write_bytes(b"no weights")
    torch.save({"cls_token": print}, code)
    for path in (other, junk, code):
        with pytest.raises(JepaError, match="does not hold the weights"):
            load(path, file_hash(path))


def test_another_kind_of_encoder_is_refused():
    with pytest.raises(JepaError, match="encoder.kind is 'conv'; a dino_wm has dinov2 or random"):
        DinoWM(recipe(), DA)
