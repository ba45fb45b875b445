"""Queries of a model whose every answer is known."""

import pytest
import torch

from jepa.planning.dispatches import bc, drawer, forward, inverse, rollout, video, video_inverse
from linear_world import HEADING, SKIP, LinearModel, generators

N = 6


@pytest.fixture
def model():
    return LinearModel()


@pytest.fixture
def prefix(model):
    return model.start(torch.randn(N, 2, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def draw():
    return drawer(generators(range(N)))


def expert(model):
    return model.normalise(HEADING.repeat(SKIP)).expand(N, -1)


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_behaviour_cloning_recovers_the_demonstrators_action(model, prefix, draw, k):
    torch.testing.assert_close(bc(model, prefix, k, draw), expert(model))
    assert [(tau_a, tau_z) for *_, tau_a, tau_z in model.asked] == [(step / k, 0.0) for step in range(k)]
    assert all(torch.equal(slot, prefix.z) for _, _, slot, _, _ in model.asked)  # Eq. 11: the slot holds z_t


@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_inverse_edge_finds_the_action_between_two_latents(model, prefix, draw, k):
    z_next = prefix.z + torch.randn(N, 2)
    action = inverse(model, prefix, z_next, k, draw)
    torch.testing.assert_close(model.after(prefix.z, action), z_next)
    assert {tau_z for *_, tau_z in model.asked} == {1.0}


@pytest.mark.parametrize("k", [1, 2])
def test_video_inverse_is_the_exact_inverse_of_the_imagined_latent(model, prefix, draw, k):
    action = video_inverse(model, prefix, k, draw)
    imagined = model.after(prefix.z, expert(model))
    torch.testing.assert_close(action, model.to_reach(prefix.z, imagined))
    (_, noise, slot, tau_a, tau_z), *rest = model.asked
    assert (tau_a, tau_z) == (0.0, 0.0) and torch.equal(slot, prefix.z)  # the video edge comes first, once
    assert all(torch.equal(slot, rest[0][2]) for _, _, slot, _, _ in rest)
    assert not torch.equal(noise, rest[0][1])  # the two edges start from different noise
    torch.testing.assert_close(rest[0][2], imagined)


def test_the_video_edge_ignores_what_fills_the_action_slot(model, prefix):
    first, second = (video(model, prefix, drawer(generators(range(s, s + N)))) for s in (0, 100))
    torch.testing.assert_close(first, second)


def test_one_step_of_the_recursion_is_one_deterministic_call(model, prefix):
    answers = [forward(model, prefix, expert(model), 1, torch.randn(N, 1, 2)) for _ in range(2)]
    assert torch.equal(*answers) and len(model.asked) == 2
    for _, _, slot, tau_a, tau_z in model.asked:
        assert torch.equal(slot, prefix.z) and (tau_a, tau_z) == (1.0, 0.0)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_the_recursion_visits_the_training_marginal_of_the_bridge(gamma):
    n, k = 20_000, 4
    model = LinearModel(gamma=gamma)
    prefix = model.start(torch.zeros(n, 2))
    action = model.normalise(HEADING.repeat(SKIP)).expand(n, -1)
    z_next = model.after(prefix.z, action)[0]
    forward(model, prefix, action, k, torch.randn(n, k, 2, generator=torch.Generator().manual_seed(1)))
    assert [tau_z for *_, tau_z in model.asked] == [0.0, 0.25, 0.5, 0.75]
    for _, a_tilde, slot, tau_a, tau in model.asked:
        assert tau_a == 1.0 and torch.equal(a_tilde, action)
        torch.testing.assert_close(slot.mean(0), tau * z_next, atol=0.04, rtol=0)
        torch.testing.assert_close(slot.std(0), torch.full((2,), gamma * (tau * (1 - tau)) ** 0.5), atol=0.03, rtol=0)


def test_an_open_loop_adds_up_its_steps(model, prefix):
    actions = torch.randn(N, 5, model.action_dim)
    latents = rollout(model, prefix, actions, 1, torch.zeros(N, 5, 1, 2))
    z = prefix.z
    for block in range(5):
        z = model.after(z, actions[:, block])
        torch.testing.assert_close(latents[:, block], z)
    # each prediction became the clean past of the next query, with its action
    last = model.asked[-1][0]
    assert torch.equal(last.z, latents[:, 3]) and torch.equal(last.past[-1][0], actions[:, 3])


def test_noise_of_a_row_does_not_depend_on_the_rows_beside_it():
    together, alone = drawer(generators([3, 4, 5])), drawer(generators([4]))
    for shape in [(2,), (3, 5)]:
        assert torch.equal(together(*shape)[1:2], alone(*shape))
