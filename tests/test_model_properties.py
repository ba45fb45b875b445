"""What holds for tensors of every size: shapes, permutations, bounds, no NaN, the same numbers again."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jepa.models import assignment, noise_square, packing, sigreg
from jepa.models.bridge import bridge, flow_interpolant, noise_bridge
from jepa.models.jepa import PREDICTORS
from jepa.models.transformer import block_causal_mask, time_features
from jepa.planning import cem
from jepa.training.loop import cosine_rate
from linear_world import LinearModel, generators
from properties import few, seeds, sizes, unit

WIDE = st.floats(-100, 100, width=32)
SHARES = st.floats(0, 1, width=32)


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@few
@given(seeds, sizes, sizes, SHARES, st.floats(0, 3))
def test_a_bridge_is_pinned_at_both_ends_and_never_far_from_its_line(seed, n, d, tau, gamma):
    before, after, noise = normal(seed, 3, n, d)
    times = torch.full((n,), tau)
    z = bridge(before, after, times, gamma, noise)
    line = before + tau * (after - before)
    assert z.shape == (n, d) and z.isfinite().all()
    assert ((z - line).abs() <= 0.5 * gamma * noise.abs() + 1e-4).all()  # sqrt(tau (1 - tau)) is 1/2 at most
    torch.testing.assert_close(bridge(before, after, torch.zeros(n), gamma, noise), before)
    torch.testing.assert_close(bridge(before, after, torch.ones(n), gamma, noise), after)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    permuted = bridge(before[order], after[order], times[order], gamma, noise[order])
    torch.testing.assert_close(permuted, z[order])


@few
@given(seeds, sizes, sizes, SHARES)
def test_flow_lies_between_noise_and_data(seed, n, d, tau):
    action, noise = normal(seed, 2, n, d)
    for interpolant in (flow_interpolant, noise_bridge):
        x = interpolant(action, torch.full((n,), tau), noise)
        low, high = torch.minimum(action, noise), torch.maximum(action, noise)
        assert ((low - 1e-5 <= x) & (x <= high + 1e-5)).all()


@few
@given(seeds, sizes, sizes, st.integers(2, 6), st.sampled_from(sorted(assignment.SPACES)))
def test_assignment_takes_the_nearest_head_whatever_the_order_of_heads_and_rows(seed, batch, K, d, space):
    project, distance_of = assignment.SPACES[space]
    u, target = project(normal(seed, batch, K, d)), project(normal(seed + 1, batch, d))
    distance = distance_of(u, target)
    assert distance.shape == (batch, K) and (distance >= -1e-6).all()
    if space == "sphere":
        assert (distance <= 2 + 1e-6).all()
    winner = assignment.hard_assignment(distance)
    assert ((winner >= 0) & (winner < K)).all()
    torch.testing.assert_close(distance.gather(1, winner[:, None])[:, 0], distance.min(1).values)
    rng = np.random.default_rng(seed)
    rows, heads = (torch.from_numpy(rng.permutation(n)) for n in (batch, K))
    permuted = distance_of(u[rows][:, heads], target[rows])
    torch.testing.assert_close(permuted, distance[rows][:, heads])
    assert torch.equal(heads[assignment.hard_assignment(permuted)], winner[rows]) or K > 1 and _tied(distance)


def _tied(distance):
    two = distance.sort(1).values[:, :2]
    return bool((two.diff() < 1e-6).any())


@few
@given(seeds, sizes, sizes, st.booleans())
def test_balance_is_a_divergence_from_equal_use(seed, batch, K, literal):
    distance = normal(seed, batch, K).abs()
    penalty = float(assignment.balance_penalty(distance, literal=literal))
    assert -1e-6 <= penalty <= np.log(K) + 1e-5
    assert float(assignment.kl_to_uniform(torch.full((K,), 1 / K))) == pytest.approx(0, abs=1e-6)


@few
@given(seeds, sizes, sizes, st.integers(2, 6), st.floats(0, 10), st.floats(0, 1))
def test_mixture_losses_are_finite_and_blind_to_the_order_of_heads_and_rows(seed, batch, K, d, route, balance):
    rng = np.random.default_rng(seed)
    distance = torch.from_numpy(rng.random((batch, K)).astype(np.float32))
    log_pi = normal(seed, batch, K).log_softmax(-1)
    log_sigma = normal(seed + 1, batch, K).clamp(-5, 1)
    rows, heads = (torch.from_numpy(rng.permutation(n)) for n in (batch, K))
    for loss in (
        lambda d_, p, s: assignment.mop_loss(d_, p, route, balance)[0],
        lambda d_, p, s: assignment.mop_loss(d_, p, route, balance, temperature=torch.tensor(0.1))[0],
        lambda d_, p, s: assignment.mdn_loss(d_, p, s, d, balance)[0],
    ):
        value = loss(distance, log_pi, log_sigma)
        assert value.ndim == 0 and value.isfinite()
        permuted = loss(*(x[rows][:, heads] for x in (distance, log_pi, log_sigma)))
        torch.testing.assert_close(permuted, value, rtol=1e-4, atol=1e-4)


@few
@given(seeds, st.sampled_from(sorted(PREDICTORS)), st.sampled_from(sorted(assignment.SPACES)), sizes, sizes)
def test_every_arm_proposes_heads_with_weights_on_the_simplex(seed, kind, space, batch, K):
    torch.manual_seed(seed)
    d = 4
    arm = PREDICTORS[kind](K=K, d=d, width=5, depth=1, space=space)
    z, target = torch.from_numpy(unit(np.random.default_rng(seed), 2, batch, d))
    loss, info = arm.loss(z, target, torch.zeros(batch, dtype=torch.bool))
    assert loss.isfinite() and all(torch.as_tensor(value).isfinite().all() for value in info.values())
    loss.backward()
    assert all(p.grad.isfinite().all() for p in arm.parameters() if p.grad is not None)
    with torch.no_grad():
        (u, pi), (again, _) = arm(z), arm(z)
        alone, _ = arm(z[:1])
    assert u.shape[0] == batch and u.shape[2] == d and pi.shape == u.shape[:2]
    assert (pi >= 0).all() and torch.equal(u, again)
    torch.testing.assert_close(pi.sum(1), torch.ones(batch))
    if space == "sphere":
        torch.testing.assert_close(u.norm(dim=-1), torch.ones(u.shape[:2]))
    if kind != "var":  # whose samples are drawn for the batch
        torch.testing.assert_close(alone[0], u[0], rtol=1e-4, atol=1e-5)


@few
@given(seeds, sizes, st.integers(2, 20), sizes, sizes)
def test_sigreg_is_bounded_and_blind_to_the_order_of_rows(seed, frames, batch, d, projections):
    directions = sigreg.random_directions(d, projections, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(projections))
    z = 3 * normal(seed, frames, batch, d)
    value = float(sigreg.sigreg(z, directions))
    # Nothing is farther from a Gaussian than characteristic functions of modulus 1 on the wrong side.
    assert 0 <= value <= batch * 4 * sigreg.RADIUS
    order = torch.from_numpy(np.random.default_rng(seed).permutation(batch))
    assert float(sigreg.sigreg(z[:, order], directions)) == pytest.approx(value, rel=1e-4, abs=1e-5)
    assert 1 - 1e-3 <= float(sigreg.participation_ratio(z[0])) <= d + 1e-3


@few
@given(seeds, sizes, st.integers(1, 5), st.sampled_from(["chain", "iid"]))
def test_times_lie_on_the_square_and_are_clean_on_the_prefix(seed, batch, T, kind):
    modes = list(noise_square.MODES)
    generator = torch.Generator().manual_seed(seed)
    clean = noise_square.clean_prefix(batch, T, generator)
    assert ((clean >= 1) & (clean <= T)).all()
    for tau in noise_square.edge_times(modes, clean, T, kind, generator):
        assert tau.shape == (batch, len(modes), T) and ((tau >= 0) & (tau <= 1)).all()
        prefix = torch.arange(1, T + 1) < clean[:, None, None]
        assert (tau[prefix.expand_as(tau)] == 1).all()


@few
@given(seeds, sizes, st.integers(1, 3), st.integers(1, 4))
def test_a_packing_asks_every_noisy_block_once_and_sees_no_future(seed, batch, copies, T):
    clean = torch.from_numpy(np.random.default_rng(seed).integers(1, T + 1, batch))
    asked = (torch.ones(copies, dtype=torch.bool),) * 2
    packed = packing.pack(clean, copies, T, asked)
    assert len(packed.tokens) == sum(rows * length for rows, length, _ in packed.segments)
    noisy = int((T + 1 - clean).sum()) * copies
    for targets, positions in (
        (packed.action_targets, packed.asked_actions),
        (packed.latent_targets, packed.asked_latents),
    ):
        assert len(targets) == noisy == len(set(targets.tolist())) == len(set(positions.tolist()))
        assert (targets < batch * copies * T).all() and (positions < len(packed.tokens)).all()
    for _, length, mask in packed.segments:
        assert mask.shape == (length, length) and mask.diagonal().all()


@few
@given(seeds, sizes, sizes)
def test_the_mask_lets_no_block_see_a_later_one(seed, queries, keys):
    rng = np.random.default_rng(seed)
    query, key = (torch.from_numpy(rng.integers(0, 5, n)) for n in (queries, keys))
    mask = block_causal_mask(query, key)
    assert mask.shape == (queries, keys)
    assert all(bool(mask[i, j]) == (int(key[j]) <= int(query[i])) for i in range(queries) for j in range(keys))


@few
@given(st.lists(SHARES, min_size=1, max_size=5), st.integers(1, 8))
def test_features_of_time_are_waves(tau, half):
    features = time_features(torch.tensor(tau), 2 * half)
    assert features.shape == (len(tau), 2 * half) and (features.abs() <= 1).all()


@few
@given(st.integers(1, 200), st.floats(1e-6, 1), SHARES, SHARES)
def test_the_learning_rate_stays_between_nothing_and_its_peak(steps, peak, floor, warmup):
    rates = [cosine_rate(step, steps, peak, floor, warmup) for step in range(steps)]
    assert all(0 <= rate <= peak * (1 + 1e-9) for rate in rates)


@few
@given(seeds, st.integers(1, 4), st.integers(1, 12), st.data())
def test_a_plan_is_finite_and_does_not_depend_on_the_episodes_beside_it(seed, episodes, candidates, data):
    elites = data.draw(st.integers(1, candidates))
    how = {"candidates": candidates, "elites": elites, "iterations": 2, "horizon": 2, "k": 1}
    goals, start = normal(seed, 2, episodes, 2)
    model = LinearModel()
    plan = cem.plan(model, model.start(start), goals, **how, generators=generators(range(episodes)))
    assert plan.shape == (episodes, 2, model.action_dim) and plan.isfinite().all()
    alone = cem.plan(model, model.start(start[-1:]), goals[-1:], **how, generators=generators([episodes - 1]))
    torch.testing.assert_close(alone[0], plan[-1], rtol=1e-3, atol=1e-3)


@few
@given(seeds, sizes, sizes)
def test_the_cost_of_a_goal_is_a_square(seed, n, d):
    z, goal = normal(seed, 2, n, d)
    cost = cem.goal_cost(z, goal)
    assert cost.shape == (n,) and (cost >= 0).all() and (cem.goal_cost(z, z) == 0).all()
    torch.testing.assert_close(cost, cem.goal_cost(goal, z))
