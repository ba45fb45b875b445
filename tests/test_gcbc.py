"""GCBC: it reads here and goal, learns to reach, and does not plan."""

import pytest
import torch

from jepa.errors import JepaError
from jepa.models.gcbc import GCBC
from jepa.planning import cem
from jepa.planning.control import policy_of
from jepa.planning.dispatches import forward, gcbc
from small_models import DA, D, T, generator, history, model_of, recipe

SEARCH = {"candidates": 4, "elites": 2, "iterations": 1, "horizon": 2}


def model():
    torch.manual_seed(0)
    return GCBC(recipe() | {"kind": "gcbc"}, DA)


def batch(rows=8):
    g = generator(1)
    frames = torch.randint(0, 256, (rows, T + 1, 3, 16, 16), generator=g, dtype=torch.uint8)
    return frames, torch.randn(rows, T, DA, generator=g)


def test_the_action_depends_on_here_and_on_the_goal_and_on_no_past():
    net = model()
    prefix, z, actions = history(net, 2)
    goal = torch.randn(3, D)
    action = gcbc(net, prefix, goal)
    assert action.shape == (3, DA)
    torch.testing.assert_close(action, gcbc(net, net.start(z[:, -1]), goal))
    assert not torch.allclose(action, gcbc(net, prefix, goal + 1))
    assert not torch.allclose(action, gcbc(net, net.start(z[:, 0]), goal))


def test_every_distance_to_the_goal_weighs_the_same():
    """A policy that is wrong by 1 only where the goal is k blocks ahead costs 1 / T, for each k."""
    frames, _ = batch()
    for wrong in range(1, T + 1):
        net = model()
        net.encode = lambda frames: torch.arange(T + 1.0).view(1, -1, 1).expand(len(frames), -1, D)
        net.action = lambda z, goal, _, wrong=wrong: (goal - z)[..., :1].eq(wrong).float().expand(-1, -1, DA)
        error, info = net.loss(frames, torch.zeros(8, T, DA), generator())
        assert error.item() == pytest.approx(1 / T) == info["flow"].item()


def test_encoder_and_head_are_trained_and_it_learns():
    net = model()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    errors = []
    for step in range(60):
        loss, _ = net.loss(*batch(), generator(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.encoder.net.parameters())
    assert errors[-1] < 0.3 * errors[0]


def test_a_decision_is_one_block():
    net = model().eval()
    decide = policy_of(net, "gcbc", 1, {})
    assert decide(net.start(torch.randn(3, D)), torch.randn(3, D), None).shape == (3, 1, DA)


def test_it_cannot_plan():
    net = model().eval()
    z = torch.randn(2, D)
    with pytest.raises(JepaError, match="a gcbc cannot be evaluated with the dispatch cem; choose gcbc"):
        policy_of(net, "cem", 1, SEARCH)
    for ask in (
        lambda: cem.plan(net, net.start(z), z, **SEARCH, generators=[generator(i) for i in range(2)]),
        lambda: forward(net, net.start(z), torch.randn(2, DA), 1, None),
    ):
        with pytest.raises(JepaError, match="cannot plan; evaluate it with the dispatch gcbc"):
            ask()


def test_nothing_but_gcbc_answers_its_dispatch():
    with pytest.raises(JepaError, match="choose cem or bc or video-inverse"):
        policy_of(model_of(), "gcbc", 1, {})
