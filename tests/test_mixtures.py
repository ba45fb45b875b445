"""Facts about the predictor arms of MoP-JEPA."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models.assignment import (
    balance_penalty,
    cosine_distance,
    half_squared_error,
    hard_assignment,
    kl_to_uniform,
    mdn_loss,
    mop_loss,
    separation_penalty,
)
from jepa.models.encoders import CoordinateEncoder, EMATarget
from jepa.models.jepa import PREDICTORS, WorldModel
from jepa.models.mixtures import M3, MDN, Codebook, Ensemble, Heads, MoP, Var

D, K, B = 12, 5, 33


@pytest.fixture
def latents():
    torch.manual_seed(0)
    z = F.normalize(torch.randn(B, D), dim=-1)
    return z, F.normalize(torch.randn(B, D), dim=-1), torch.rand(B) < 0.3


def arm(kind, **extra):
    torch.manual_seed(1)
    return PREDICTORS[kind](K=K, d=D, width=16, depth=2, **extra)


@pytest.mark.parametrize("kind", PREDICTORS)
def test_every_arm_emits_unit_candidates_and_a_distribution(kind, latents):
    u, pi = arm(kind)(latents[0])
    assert u.shape[:1] == pi.shape[:1] and u.shape[1] == pi.shape[1] and u.shape[2] == D
    torch.testing.assert_close(u.norm(dim=-1), torch.ones(u.shape[:2]))
    torch.testing.assert_close(pi.sum(-1), torch.ones(B))


@pytest.mark.parametrize("kind", PREDICTORS)
def test_every_arm_predicts_plain_numbers_in_flat_space(kind, latents):
    """Targets of another size, and not of unit norm: a regression by the same arms."""
    z, target, teleport = latents[0], 3 * torch.randn(B, 7), latents[2]
    model = arm(kind, out=7, space="flat")
    loss, _ = model.loss(z, target, teleport)
    loss.backward()
    u, pi = model(z)
    assert loss.isfinite() and u.shape == (*pi.shape, 7)
    assert (u.norm(dim=-1) - 1).abs().min() > 1e-4
    torch.testing.assert_close(pi.sum(-1), torch.ones(B))


def test_the_two_distances_agree_on_unit_vectors_up_to_their_number(latents):
    """|u - v|^2 = 2 (1 - u.v) on the sphere."""
    u = F.normalize(torch.randn(B, K, D), dim=-1)
    torch.testing.assert_close(half_squared_error(u, latents[1]) * D, cosine_distance(u, latents[1]))


def test_an_unknown_space_is_a_sentence():
    with pytest.raises(JepaError, match="'round'; choose one of sphere, flat"):
        arm("mop", space="round")


def test_heads_are_independent_mlps(latents):
    heads = Heads(K, D, 16, 2, D)
    together = heads(latents[0])
    for k in range(K):
        x = latents[0]
        for i in range(3):
            x = x @ heads.weights[i][k] + heads.biases[i][k]
            x = F.gelu(x) if i < 2 else x
        torch.testing.assert_close(together[:, k], x)


def test_mop_with_one_head_is_dense(latents):
    """Eq. 6 reduces to Eq. 2 when K = 1: same loss, same gradient (the two regularisers are exactly zero)."""
    torch.manual_seed(2)
    mop = MoP(1, D, 16, 2, lambda_route=1.0, lambda_bal=1.0)
    dense = Ensemble(1, D, 16, 2)
    dense.heads.load_state_dict(mop.heads.state_dict())
    z, target, teleport = latents
    losses = [model.loss(z, target, teleport)[0] for model in (mop, dense)]
    torch.testing.assert_close(*losses)
    gradients = [
        torch.autograd.grad(loss, list(model.heads.parameters()))
        for loss, model in zip(losses, (mop, dense), strict=True)
    ]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_only_the_winning_head_learns_from_a_target(latents):
    """Eq. 5: with the regularisers off, a head that wins no target gets exactly no gradient."""
    z, target, _ = latents
    u = F.normalize(torch.randn(B, K, D), dim=-1)
    u[:, 3] = -target  # the farthest possible: never wins
    u.requires_grad_(True)
    log_pi = torch.zeros(B, K).log_softmax(-1)
    mop_loss(cosine_distance(u, target), log_pi, 0.0, 0.0)[0].backward()
    winners = F.one_hot(hard_assignment(cosine_distance(u, target)), K).bool()
    assert (u.grad[~winners] == 0).all()
    assert (u.grad[winners].abs().sum(-1) > 0).all()


def test_the_router_never_sees_the_target(latents):
    """Eq. 4: pi depends on the context alone."""
    model = arm("mop")
    assert torch.equal(model(latents[0])[1], model(latents[0].clone())[1])
    moved = torch.autograd.functional.jacobian(lambda target: model(latents[0])[1].sum() + 0 * target.sum(), latents[1])
    assert (moved == 0).all()


def test_literal_balance_has_no_gradient_and_the_surrogate_does(latents):
    """The balance term as written in Eq. 6 is constant in the parameters; the soft surrogate is not."""
    distance = torch.rand(B, K, requires_grad=True)
    assert not balance_penalty(distance, literal=True).requires_grad
    (gradient,) = torch.autograd.grad(balance_penalty(distance), distance)
    assert gradient.abs().sum() > 0


def test_soft_assignment_becomes_hard_as_it_cools_and_equal_as_it_heats():
    distance, log_pi = torch.rand(B, K), torch.randn(B, K).log_softmax(-1)
    hard, cold, hot = (mop_loss(distance, log_pi, 1.0, 0.0, temperature=T)[1] for T in (None, 1e-6, 1e6))
    torch.testing.assert_close(cold["distance"], hard["distance"])
    torch.testing.assert_close(cold["route"], hard["route"])
    torch.testing.assert_close(hot["distance"], distance.mean())  # every head regresses every target: an ensemble


def test_annealing_cools_by_training_steps_alone(latents):
    model = arm("mop", anneal_steps=10)
    temperatures = []
    for _ in range(12):
        temperatures.append(float(model.temperature()))
        model.loss(*latents)
    assert temperatures[0] == MoP.HOT and all(after < before for before, after in itertools.pairwise(temperatures[:10]))
    assert temperatures[10] == temperatures[11] <= 1e-5
    model.eval().loss(*latents)
    assert int(model.step) == 12
    resumed = arm("mop", anneal_steps=10)
    resumed.load_state_dict(model.state_dict())
    assert resumed.temperature() == model.temperature()
    assert "step" not in arm("mop").state_dict()  # arms that do not anneal keep their checkpoints


def test_separation_is_one_for_equal_heads_small_for_distant_ones_and_pushes_apart():
    one = F.normalize(torch.ones(B, 1, D), dim=-1)
    torch.testing.assert_close(separation_penalty(one.expand(B, K, D), cosine_distance), torch.tensor(1.0))
    basis = torch.eye(D)[:K].expand(B, K, D)
    assert separation_penalty(basis, cosine_distance) < 1e-4
    assert separation_penalty(one, cosine_distance) == 0  # one head has no other
    near = F.normalize(one + 0.1 * torch.randn(B, K, D), dim=-1).requires_grad_(True)
    penalty = separation_penalty(near, cosine_distance)
    (gradient,) = torch.autograd.grad(penalty, near)
    moved = F.normalize(near - gradient, dim=-1)
    assert separation_penalty(moved, cosine_distance) < penalty


def test_balance_is_zero_when_uniform_log_k_when_collapsed_and_finite_for_a_dead_head():
    assert kl_to_uniform(torch.full((K,), 1 / K)).abs() < 1e-6
    collapsed = F.one_hot(torch.tensor(0), K).float().requires_grad_(True)
    penalty = kl_to_uniform(collapsed)
    torch.testing.assert_close(penalty, torch.tensor(float(K)).log())
    penalty.backward()
    assert collapsed.grad.isfinite().all()


def test_mdn_with_fixed_equal_sigma_and_one_head_is_scaled_dense(latents):
    z, target, _ = latents
    u = F.normalize(torch.randn(B, 1, D), dim=-1)
    distance = cosine_distance(u, target)
    loss, _ = mdn_loss(distance, torch.zeros(B, 1), torch.zeros(B, 1), d_eff=3.0, lambda_bal=0.0)
    torch.testing.assert_close(loss, distance.mean())


def test_mdn_prefers_the_sigma_of_its_residual(latents):
    """-ll = d / sigma^2 + d_eff log sigma is least at sigma^2 = 2 d / d_eff."""
    target = latents[1]
    u = target.unsqueeze(1).roll(1, -1)
    distance = cosine_distance(u, target)
    best = 0.5 * (2 * distance / 4.0).log()
    at = [mdn_loss(distance, torch.zeros(B, 1), best + shift, 4.0, 0.0)[0] for shift in (-0.1, 0.0, 0.1)]
    assert at[1] < at[0] and at[1] < at[2]


def test_m3_emits_one_vector_however_many_experts(latents):
    """Prop. 2: fusion changes which single vector is reachable, not how many are output."""
    u, pi = arm("m3")(latents[0])
    assert u.shape == (B, 1, D) and (pi == 1).all()


def test_var_samples_spread_with_rho_and_repeat_exactly(latents):
    model = arm("var")
    first, second = model(latents[0])[0], model(latents[0])[0]
    assert torch.equal(first, second)
    with torch.no_grad():
        model.log_rho2[-1].weight.zero_()
        model.log_rho2[-1].bias.fill_(-12.0)
        tight = model(latents[0])[0]
        model.log_rho2[-1].bias.fill_(0.0)
        wide = model(latents[0])[0]
    spread = [1 - (u @ u.transpose(1, 2)).mean() for u in (tight, wide)]
    assert spread[0] < 1e-4 < spread[1]


def test_var_calibration_does_not_bend_the_mean(latents):
    model = arm("var")
    dense = Ensemble(1, D, 16, 2)
    dense.heads.load_state_dict(model.heads.state_dict())
    gradients = [torch.autograd.grad(m.loss(*latents)[0], list(m.heads.parameters())) for m in (model, dense)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_codebook_ignores_its_context(latents):
    z, _, _ = latents
    u, _ = arm("codebook")(z)
    assert torch.equal(u[0], u[-1])


def test_teleport_codebook_learns_codes_from_teleport_rows_only(latents):
    z, target, teleport = latents
    model = arm("codebook", targets="teleport")
    moved = target.clone()
    moved[~teleport] = moved[~teleport].roll(1, -1)
    gradients = [torch.autograd.grad(model.loss(z, t, teleport)[0], model.codes)[0] for t in (target, moved)]
    torch.testing.assert_close(*gradients)
    loss, _ = model.loss(z, target, torch.zeros_like(teleport))
    assert loss.isfinite()


def test_hard_assignment_splits_two_modes_and_one_head_averages_them():
    """Props. 1 and 3 on the smallest case: one context, two equally likely, orthogonal successors."""
    torch.manual_seed(0)
    z = F.normalize(torch.ones(64, D), dim=-1)
    modes = torch.eye(D)[:2]
    target = modes[torch.arange(64) % 2]
    none = torch.zeros(64, dtype=torch.bool)
    cosines = {}
    for name, model in (("mop", MoP(2, D, 16, 1)), ("dense", Ensemble(1, D, 16, 1))):
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(300):
            optimizer.zero_grad()
            model.loss(z, target, none)[0].backward()
            optimizer.step()
        u, pi = model(z[:1])
        cosines[name] = (u[0] @ modes.T).detach()
    best = cosines["mop"].max(0).values
    assert (best > 0.99).all()
    torch.testing.assert_close(cosines["dense"], torch.full((1, 2), 0.5**0.5), atol=0.02, rtol=0)


def test_ema_target_is_the_stated_average():
    torch.manual_seed(0)
    encoder = CoordinateEncoder(2, 8, 1, D)
    target = EMATarget(encoder, tau=0.9)
    before = [p.clone() for p in target.copy.parameters()]
    with torch.no_grad():
        for p in encoder.parameters():
            p.add_(1.0)
    target.follow(encoder)
    for old, new in zip(before, target.copy.parameters(), strict=True):
        torch.testing.assert_close(new, 0.9 * old + 0.1 * (old + 1.0))
    assert not any(p.requires_grad for p in target.parameters())


def test_an_unknown_kind_and_a_foreign_setting_are_sentences():
    encoder = {"features": 2, "width": 8, "depth": 1, "d": D}
    with pytest.raises(JepaError, match="'mopp' is unknown; choose one of ensemble"):
        WorldModel(encoder, {"kind": "mopp", "K": 2, "width": 8, "depth": 1})
    with pytest.raises(JepaError, match="d_eff"):
        WorldModel(encoder, {"kind": "mop", "K": 2, "width": 8, "depth": 1, "d_eff": 1.0})


def test_classes_are_those_of_the_registry():
    assert set(PREDICTORS.values()) == {Ensemble, M3, Var, MDN, MoP, Codebook}
