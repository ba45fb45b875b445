"""Validation likelihood of a mixture density, by which a mixture density network is tuned (MoP-JEPA, "Is the MDN
under-tuned?": the paper tells the grid, but not what chose on it; this is our choice).

A density of latents in R^d is no judge between models: each has a latent space of its own, whose scale it chose, and
the number of dimensions that its sigma counts (`d_eff`) is what the grid varies. So every head is normalised over the
same empirical measure, the targets of all validation crossings:

    p_k(z_i | c) = exp(-l(u_k(c), z_i) / sigma_k(c)^2) / mean_j exp(-l(u_k(c), z_j) / sigma_k(c)^2)

and p = sum_k pi_k p_k is a density with respect to that measure: no dimension, no unit, the same for every K and
`d_eff`. A model that ignores its context and spreads over all targets has 0 nats, and -log N is the least possible.
"""

import math

import numpy as np

from jepa.data.crossings import sample_pairs

ROWS = 250  # contexts at once: 250 x K x N numbers stay within some 30 MB


def validation(mixture, embed, crossings, heldout, rng, rows=1000):
    """Validation likelihood of a model on crossings that it could have learned.

    mixture: xy (N, 2) to (u, log_pi, log_sigma); None for an arm that is no density. embed: xy (N, 2) to (N, d) unit
    target latents. crossings: Crossings of the validation file. heldout: (n, n) bool, edges to leave out. rng: numpy
    Generator, which draws at most `rows` of the others. Returns {"nll": relative_nll, "nll_gaussian": gaussian_nll,
    "crossings": how many}, in nats, or None without a density or without a crossing.
    """
    seen = np.flatnonzero(~heldout[crossings.source, crossings.target])
    if mixture is None or len(seen) == 0:
        return None
    chosen = rng.choice(seen, min(rows, len(seen)), replace=False)
    s, s_next = sample_pairs(crossings, chosen, rng)
    answer = (*mixture(s), embed(s_next))
    return {"nll": relative_nll(*answer), "nll_gaussian": gaussian_nll(*answer), "crossings": len(chosen)}


def relative_nll(u, log_pi, log_sigma, targets):
    """Mean of -log p(z_i | c_i), in nats, with respect to the empirical measure of `targets` (see the module).

    u: (N, K, d) unit norm. log_pi, log_sigma: (N, K). targets: (N, d) unit norm, row i being what followed context i.
    """
    nats = []
    for start in range(0, len(u), ROWS):
        rows = slice(start, start + ROWS)
        sharpness = np.exp(-2 * log_sigma[rows])[:, :, None]
        energy = (u[rows] @ targets.T - 1) * sharpness  # (rows, K, N)
        own = np.einsum("nkd,nd->nk", u[rows], targets[rows]) - 1
        log_p = own * sharpness[:, :, 0] - _logsumexp(energy) + math.log(len(targets))
        nats.append(-_logsumexp(log_pi[rows] + log_p))
    return float(np.concatenate(nats).mean())


def gaussian_nll(u, log_pi, log_sigma, targets):
    """Mean of -log p(z_i | c_i) of the mixture of isotropic Gaussians in R^d that the same heads are, in nats.

    |u - z|^2 = 2 l(u, z), so exp(-l / sigma^2) is such a Gaussian. Comparable within one latent space only, and
    in favour of `d_eff` = d, which is trained on it; printed beside the other, since the two choose differently.
    Shapes as for `relative_nll`.
    """
    d = targets.shape[1]
    own = np.einsum("nkd,nd->nk", u, targets) - 1
    log_p = own * np.exp(-2 * log_sigma) - d * log_sigma - 0.5 * d * math.log(2 * math.pi)
    return float(-_logsumexp(log_pi + log_p).mean())


def _logsumexp(x):
    top = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0]
