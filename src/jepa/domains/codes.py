"""The best that K guesses can do without a context: K-means of the outcomes (Lloyd 1982).

The `codebook` arm is the same control, trained by gradients in a latent space of its own: its codes may die, and its
latents may lie closer together than another arm's. These codes are fitted in the very space of the arm that they stand
beside, and do not depend on luck in training (compare MoP-JEPA Prop. 3: what heads do per context, codes do once).
"""

import numpy as np

RESTARTS, ITERATIONS = 4, 25


def fit_codes(x, K, rng, sphere=False):
    """K codes for outcomes x: (n, D), n >= K. sphere: x and the codes have unit norm, distances are cosine.

    K-means++ starts and Lloyd's iterations; the best of RESTARTS. Returns (K, D) float32.
    """
    x = np.asarray(x, dtype=np.float32)
    best, least = None, np.inf
    for _ in range(RESTARTS):
        codes = _spread_start(x, K, rng)
        for _ in range(ITERATIONS):
            nearest = _squared(x, codes).argmin(axis=1)
            moved = np.stack([x[nearest == k].mean(axis=0) if (nearest == k).any() else codes[k] for k in range(K)])
            moved = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12) if sphere else moved
            if np.array_equal(moved, codes):
                break
            codes = moved
        distortion = float(_squared(x, codes).min(axis=1).mean())
        if distortion < least:
            best, least = codes, distortion
    return best


def _spread_start(x, K, rng):
    """Rows of x, each drawn by its squared distance to the nearest one drawn before (Arthur and Vassilvitskii 2007)."""
    codes = x[rng.integers(len(x))][None]
    while len(codes) < K:
        share = _squared(x, codes).min(axis=1).astype(np.float64)
        share = share / share.sum() if share.sum() > 0 else np.full(len(x), 1 / len(x))
        codes = np.concatenate([codes, x[rng.choice(len(x), p=share)][None]])
    return codes


def _squared(x, codes):
    """(n, K) squared distances."""
    return np.maximum((x**2).sum(1)[:, None] - 2 * x @ codes.T + (codes**2).sum(1), 0)
