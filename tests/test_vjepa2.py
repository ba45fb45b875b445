"""V-JEPA 2-AC's architecture: the published count, one answer per input, and rotations that see distances only."""

import numpy as np
import torch

from jepa.domains.base import load_arrays
from jepa.domains.vjepa2 import ARRAYS, SMALL, ActionPredictor, ask, audit, prepare, rotated


def record(tmp_path, seed=0):
    out = tmp_path / "vjepa2-ac.npz"
    facts = prepare(out, source="auto", mirror=None, seed=0, settings={})
    assert (facts["source"], facts["tag"]) == ("generate", "mechanism")
    return audit(load_arrays(out, ARRAYS), {"domain": "vjepa2-ac", "kind": "vjepa2"}, seed, tmp_path / "work")


def test_the_released_predictor_has_305_million_parameters(tmp_path):
    raw = record(tmp_path)["arms"]["vjepa2-ac"]["raw"]
    block = 4 * 1024 + (1024 * 3072 + 3072) + (1024**2 + 1024) + (1024 * 4096 + 4096) + (4096 * 1024 + 1024)
    ends = (1408 * 1024 + 1024) + (1024 * 1408 + 1408) + 2 * (7 * 1024 + 1024) + (6 * 1024 + 1024) + 2 * 1024
    assert raw["parameters"] == 24 * block + ends == 305_220_992


def test_one_state_and_action_give_one_next_latent(tmp_path):
    raw = record(tmp_path)["arms"]["vjepa2-ac"]["raw"]
    assert raw["predictions_per_input"] == 1
    assert raw["difference"] == 0
    assert raw["future"] == 0


def test_another_seed_is_another_network_with_the_same_answer():
    assert ask(SMALL, 1) == ask(SMALL, 2)


def test_action_and_state_are_read():
    torch.manual_seed(0)
    net = ActionPredictor(**SMALL).eval()
    z, actions, states = torch.randn(1, 2, 9, 12), torch.randn(1, 2, 7), torch.randn(1, 2, 7)
    with torch.no_grad():
        before = net(z, actions, states)
        assert not torch.allclose(before, net(z, actions + 1, states))
        assert not torch.allclose(before, net(z, actions, states + 1))


def test_rotated_products_depend_on_distances():
    x, y = torch.randn(2, 1, 1, 1, 14).unbind(0)

    def product(p, q):
        return float((rotated(x, torch.tensor(p)[:, None]) * rotated(y, torch.tensor(q)[:, None])).sum())

    assert np.isclose(product([1, 2, 5], [3, 2, 1]), product([6, 0, 6], [8, 0, 2]), atol=1e-5)
    assert not np.isclose(product([1, 2, 5], [3, 2, 1]), product([1, 2, 5], [4, 2, 1]), atol=1e-3)
    assert torch.allclose(rotated(x, torch.zeros(3, 1)), x)
