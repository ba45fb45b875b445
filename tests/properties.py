"""How the property tests draw their examples: the same ones on every machine, small, without a clock."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

# Derandomised: a run of CI either passes always or never.
few = settings(max_examples=50, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


def unit(rng, *shape):
    """Random float32 vectors of unit norm: (*shape)."""
    x = rng.normal(size=shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def simplex(rng, *shape):
    """Random weights >= 0 whose rows sum to 1, some of them exactly 0: (*shape) float64."""
    x = rng.exponential(size=shape) * (rng.random(shape) < 0.7)
    x[..., 0] += 1e-3
    return x / x.sum(axis=-1, keepdims=True)
