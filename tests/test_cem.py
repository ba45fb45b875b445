"""Latent planning, on a model without error and on a real network."""

import pytest
import torch

from jepa.errors import JepaError
from jepa.models.qantara import Qantara
from jepa.planning import cem
from linear_world import LinearModel, generators

SEARCH = {"candidates": 64, "elites": 8, "iterations": 8, "horizon": 5, "k": 1}
N = 7


@pytest.fixture
def model():
    return LinearModel()


@pytest.fixture
def goals():
    return torch.randn(N, 2, generator=torch.Generator().manual_seed(1)) * 4


def imagine(model, z, plan):
    for block in range(plan.shape[1]):
        z = model.after(z, plan[:, block])
    return z


def test_the_plan_leads_to_the_goal(model, goals):
    plan = cem.plan(model, model.start(torch.zeros(N, 2)), goals, **SEARCH, generators=generators(range(N)))
    assert plan.shape == (N, 5, model.action_dim) and plan.dtype == torch.float32
    distance = (imagine(model, torch.zeros(N, 2), plan) - goals).norm(dim=1)
    assert (distance < 0.5).all()  # 5 units of the plane; success is 16


def test_the_first_candidates_are_the_mean_and_standard_normal_actions(model, goals):
    first = {"candidates": 4000, "elites": 4, "iterations": 1, "horizon": 1, "k": 1}
    cem.plan(model, model.start(torch.zeros(N, 2)), goals, **first, generators=generators(range(N)))
    proposals = model.asked[0][1].view(N, 4000, -1)
    assert (proposals[:, 0] == 0).all()
    torch.testing.assert_close(proposals.mean(), torch.tensor(0.0), atol=0.01, rtol=0)
    torch.testing.assert_close(proposals.std(), torch.tensor(1.0), atol=0.01, rtol=0)
    assert proposals.abs().max() > 3.5  # nothing is clipped


def test_the_next_candidates_follow_the_elites(model, goals):
    two = {"candidates": 2000, "elites": 2, "iterations": 2, "horizon": 1, "k": 1}
    start = torch.zeros(N, 2)
    plan = cem.plan(model, model.start(start), goals, **two, generators=generators(range(N)))
    first, second = (query[1].view(N, 2000, -1) for query in model.asked)

    def elites(proposals):
        cost = torch.stack(
            [(imagine(model, start, p[:, None]) - goals).square().sum(1) for p in proposals.unbind(1)], 1
        )
        best = cost.argsort(1)[:, :2]
        return torch.stack([proposals[i, best[i]] for i in range(N)])

    chosen = elites(first)
    torch.testing.assert_close(second[:, 0], chosen.mean(1))
    spread = (chosen[:, 0] - chosen[:, 1]).abs() / 2  # population std of two
    torch.testing.assert_close(second[:, 1:].std(1), spread, rtol=0.1, atol=0.01)
    torch.testing.assert_close(plan[:, 0], elites(second).mean(1))


def test_a_plan_does_not_depend_on_the_episodes_beside_it(model, goals):
    search = SEARCH | {"k": 4}
    z = torch.randn(N, 2, generator=torch.Generator().manual_seed(2))

    def plan(rows):
        return cem.plan(model, model.start(z[rows]), goals[rows], **search, generators=generators(rows))

    together = plan(list(range(N)))
    order = [4, 0, 6, 2, 5, 1, 3]
    assert torch.equal(plan(order), together[order])
    assert torch.equal(torch.cat([plan([0, 1, 2]), plan([3, 4, 5, 6])]), together)


def test_a_networks_plan_does_not_depend_on_the_episodes_beside_it():
    settings = {
        "encoder": {"kind": "conv", "size": 16, "width": 4, "depth": 2, "projector": 16, "d": 8},
        "predictor": {
            "width": 32, "depth": 2, "heads": 2, "mlp": 64, "T": 4,
            "dropout": 0.0, "residual": True, "bridge": True, "gamma": 1.0,
        },
        "sampling": {"modes": ["forward"], "sampler": "edges", "copies": 5, "tau": "chain"},
    }  # fmt: skip
    random = torch.Generator().manual_seed(0)
    network = Qantara(settings, action_dim=10).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=random)
    z, goal = torch.randn(2, N, 8, generator=random)

    def plan(rows):
        history = network.extend(network.start(z[rows] + 1), torch.ones(len(rows), 10), z[rows])
        search = SEARCH | {"iterations": 3, "k": 4}  # the window slides in every rollout
        return cem.plan(network, history, goal[rows], **search, generators=generators(rows))

    together, order = plan(list(range(N))), [4, 0, 6, 2, 5, 1, 3]
    assert torch.equal(plan(order), together[order])
    assert torch.equal(torch.cat([plan([0]), plan([1, 2]), plan([3, 4, 5, 6])]), together)
    assert together.std() > 0.1


def test_the_bound_on_memory_changes_no_plan(model, goals, monkeypatch):
    def plan():
        return cem.plan_all(model, model.start(torch.zeros(N, 2)), goals, **SEARCH, generators=generators(range(N)))

    at_once = plan()
    for most, episodes in ((2 * SEARCH["candidates"], 2), (1, 1)):  # one episode runs, however little fits
        model.asked.clear()
        monkeypatch.setitem(cem.ROLLOUTS, "cpu", most)
        assert torch.equal(plan(), at_once)
        assert max(len(query[1]) for query in model.asked) == episodes * SEARCH["candidates"]


def test_more_elites_than_candidates_are_refused(model, goals):
    with pytest.raises(JepaError, match="cannot keep 9 elites of 8"):
        cem.plan(model, model.start(goals), goals, candidates=8, elites=9, generators=generators(range(N)))


def test_an_outside_planner_can_ask_for_the_cost_of_candidates(model):
    samples, frames = 3, torch.zeros(2, 3, 1, 3, 8, 8, dtype=torch.uint8)  # everything at the origin
    info = {"pixels": frames, "goal": frames}
    still = model.normalise(torch.zeros(2, samples, 5, model.action_dim))
    cost = cem.Cost(model)
    assert torch.allclose(cost.get_cost(info, still), torch.zeros(2, samples), atol=1e-9)
    moved = still.clone()
    moved[1, 2, 4] += 1
    expected = torch.zeros(2, samples)
    expected[1, 2] = model.after(torch.zeros(1, 2), moved[1, 2, 4:]).square().sum()
    torch.testing.assert_close(cost.get_cost(info, moved), expected)
    last = {name: entry.movedim(-3, -1) for name, entry in info.items()}  # channels last
    assert cost.get_cost(last, moved).shape == (2, samples)
    with pytest.raises(JepaError, match="needs goal"):
        cost.get_cost({"pixels": frames}, still)
