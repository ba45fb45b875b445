"""The sampling square: each mode stays on its edge, the chain falls, prefixes are uniform."""

import pytest
import torch
from scipy import stats

from jepa.errors import JepaError
from jepa.models.noise_square import (
    MODES,
    check_modes,
    clean_prefix,
    edge_times,
    queried,
    swept_times,
    uniform_times,
)

T, B = 4, 20_000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noisy_of(clean):
    return torch.arange(1, T + 1) >= clean[:, None]


def test_each_mode_draws_from_its_own_edge_only():
    clean = clean_prefix(B, T, generator())
    tau_a, tau_z = edge_times(list(MODES), clean, T, "chain", generator(1))
    noisy = noisy_of(clean)
    a = {mode: tau_a[:, m][noisy] for m, mode in enumerate(MODES)}
    z = {mode: tau_z[:, m][noisy] for m, mode in enumerate(MODES)}
    assert (a["forward"] == 1).all()
    assert (z["policy"] == 0).all()
    assert (z["inverse"] == 1).all()
    assert (a["video"] == 0).all()
    assert torch.equal(a["joint"], z["joint"])
    for swept in (z["forward"], a["policy"], a["inverse"], z["video"], a["joint"]):
        assert 0 <= swept.min() < 0.01 and 0.99 < swept.max() < 1


def test_clean_blocks_are_at_tau_1_on_both_axes_in_every_mode():
    clean = clean_prefix(B, T, generator())
    for taus in (
        edge_times(list(MODES), clean, T, "chain", generator(1)),
        edge_times(list(MODES), clean, T, "iid", generator(1)),
        uniform_times(5, clean, T, generator(1)),
    ):
        for tau in taus:
            assert (tau.transpose(1, 2)[~noisy_of(clean)] == 1).all()


def test_the_clean_prefix_is_uniform_and_leaves_a_noisy_block():
    """t' ~ U{1..T}: block 0 is always clean, at least one block is noisy; uniform for a single row too."""
    counts = torch.bincount(clean_prefix(B, T, generator()))
    assert counts.tolist() == [0, B // T, B // T, B // T, B // T]
    g = generator(3)
    alone = torch.cat([clean_prefix(1, T, g) for _ in range(4000)])
    assert stats.chisquare(torch.bincount(alone)[1:]).pvalue > 1e-3


def test_the_chain_never_rises_and_its_first_element_is_uniform():
    """Eq. 13: the first noisy block's tau ~ U[0, 1], the s-th one's -log tau ~ Gamma(s, 1)."""
    clean = clean_prefix(B, T, generator())
    tau = swept_times((B, 1, T), clean, "chain", generator(1))[:, 0]
    assert (tau.diff(dim=1) <= 0).all()
    first = tau.gather(1, clean[:, None] - 1)[:, 0]
    assert stats.kstest(first.numpy(), "uniform").pvalue > 1e-3
    third = tau[clean == 1, 2]
    assert stats.kstest(-third.log().numpy(), stats.gamma(3).cdf).pvalue > 1e-3


def test_the_iid_ablation_is_uniform_on_every_block_and_uncorrelated():
    tau = swept_times((B, 1, T), torch.ones(B, dtype=torch.long), "iid", generator())[:, 0]
    for t in range(T):
        assert stats.kstest(tau[:, t].numpy(), "uniform").pvalue > 1e-3
    assert torch.corrcoef(tau.T).fill_diagonal_(0).abs().max() < 0.03


def test_the_uniform_sampler_fills_the_square():
    tau_a, tau_z = uniform_times(1, torch.ones(B, dtype=torch.long), T, generator())
    a, z = tau_a.flatten().numpy(), tau_z.flatten().numpy()
    assert stats.kstest(a, "uniform").pvalue > 1e-3 and stats.kstest(z, "uniform").pvalue > 1e-3
    assert abs(stats.pearsonr(a, z).statistic) < 0.02


def test_a_slot_that_shows_the_answer_is_not_asked():
    actions, latents = queried(list(MODES))
    assert dict(zip(MODES, actions.tolist(), strict=True)) == dict.fromkeys(MODES, True) | {"forward": False}
    assert dict(zip(MODES, latents.tolist(), strict=True)) == dict.fromkeys(MODES, True) | {"inverse": False}


def test_unknown_repeated_and_missing_modes_are_refused():
    for modes in (["forward", "backward"], ["policy", "policy"], []):
        with pytest.raises(JepaError, match="list one or more of forward, policy"):
            check_modes(modes)
