"""The validation likelihood by which a mixture density network is tuned."""

import math

import numpy as np
import pytest

from jepa.data import crossings as crossing_data
from jepa.envs.point_maze import maze_graph
from jepa.evaluation import likelihood
from jepa.random import rng_of

N, K, D = 300, 3, 6


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture
def answer():
    rng = np.random.default_rng(0)
    log_pi = np.log(rng.dirichlet(np.ones(K), N))
    return unit(rng.normal(size=(N, K, D))), log_pi, rng.normal(0, 0.3, (N, K)), unit(rng.normal(size=(N, D)))


def test_a_model_that_spreads_over_all_targets_has_zero_nats(answer):
    u, log_pi, _, targets = answer
    assert likelihood.relative_nll(u, log_pi, np.full((N, K), 8.0), targets) == pytest.approx(0, abs=1e-4)


def test_a_sharp_model_of_the_right_target_has_the_least_possible_and_of_a_wrong_one_a_high_nll(answer):
    _, log_pi, _, targets = answer
    right = np.repeat(targets[:, None], K, axis=1)
    sharp = np.full((N, K), -3.0)
    assert likelihood.relative_nll(right, log_pi, sharp, targets) == pytest.approx(-math.log(N), abs=1e-3)
    assert likelihood.relative_nll(-right, log_pi, sharp, targets) > 100


def test_two_targets_share_the_density():
    """One head before two targets at distances 0 and 2: p is logistic in their difference, and averages 1."""
    u, targets = np.array([[[1.0, 0.0]], [[1.0, 0.0]]]), np.array([[1.0, 0.0], [-1.0, 0.0]])
    for log_sigma in (-0.5, 0.0, 0.7):
        near = 2 / (1 + math.exp(-2 * math.exp(-2 * log_sigma)))
        nll = likelihood.relative_nll(u, np.zeros((2, 1)), np.full((2, 1), log_sigma), targets)
        assert nll == pytest.approx(-(math.log(near) + math.log(2 - near)) / 2)


def test_turning_the_latent_space_or_doubling_the_heads_changes_nothing(answer):
    u, log_pi, log_sigma, targets = answer
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))[0]
    twice = [np.concatenate([part, part], axis=1) for part in (u, log_pi - math.log(2), log_sigma)]
    for nll in (likelihood.relative_nll, likelihood.gaussian_nll):
        plain = nll(*answer)
        assert nll(u @ turn, log_pi, log_sigma, targets @ turn) == pytest.approx(plain)
        assert nll(*twice, targets) == pytest.approx(plain)


def test_the_gaussian_likelihood_is_that_of_scipys_normal(answer):
    from scipy.stats import multivariate_normal

    u, log_pi, log_sigma, targets = (part[:5] for part in answer)
    expected = []
    for i in range(5):
        p = [
            np.exp(log_pi[i, k]) * multivariate_normal(u[i, k], np.exp(2 * log_sigma[i, k])).pdf(targets[i])
            for k in range(K)
        ]
        expected.append(-np.log(sum(p)))
    assert likelihood.gaussian_nll(u, log_pi, log_sigma, targets) == pytest.approx(np.mean(expected))


def test_crossings_of_held_out_edges_are_never_asked():
    graph = maze_graph("medium-stitch")
    centres = graph.centres.astype(np.float32)
    source, target = np.nonzero(graph.edges)
    rows = np.arange(len(source))
    observations = np.concatenate([centres[source], centres[target]])
    ones = np.ones_like(rows)
    crossings = crossing_data.Crossings(observations, rows, ones, rows + len(rows), ones, source, target)
    heldout = crossing_data.holdout(graph, 0)
    asked = []

    def mixture(xy):
        asked.append(xy)
        return np.ones((len(xy), 1, 2)) / math.sqrt(2), np.zeros((len(xy), 1)), np.zeros((len(xy), 1))

    def embed(xy):
        asked.append(xy)
        return np.ones((len(xy), 2)) / math.sqrt(2)

    found = likelihood.validation(mixture, embed, crossings, heldout, rng_of("test"))
    assert found["crossings"] == len(source) - heldout.sum() and found["nll"] == pytest.approx(0)
    pairs = {(tuple(s), tuple(t)) for s, t in zip(*asked, strict=True)}
    assert not pairs & {(tuple(centres[c]), tuple(centres[n])) for c, n in zip(*np.nonzero(heldout), strict=True)}
    assert likelihood.validation(None, embed, crossings, heldout, rng_of("test")) is None
    assert likelihood.validation(mixture, embed, crossings, graph.edges, rng_of("test")) is None
