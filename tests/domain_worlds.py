"""Small domains whose outcomes are known: how many modes there are, and what they depend on."""

import numpy as np

from jepa.domains.base import Domain

SIGMA = 0.1  # standard deviation within a mode, of every number of a target
ARMS = {
    "dense": {"kind": "ensemble", "K": 1, "width": 32, "depth": 1},
    "mop": {"kind": "mop", "K": 4, "width": 32, "depth": 1},
    "codebook": {"kind": "codebook", "K": 4, "width": 32, "depth": 1},
}


def settings(space="raw", steps=1000, arms=("dense", "mop", "codebook"), **changes):
    """Settings of jepa.domains.compare for these domains."""
    training = {"steps": steps, "batch_size": 64, "lr": 5e-3, "lr_floor": 0.01, "weight_decay": 1e-4, "ema": 0.99}
    shared = {"encoder": {"kind": "mlp", "width": 32, "depth": 1}, "d": 16, "training": training, "gate": 0.5}
    chosen = {arm: ARMS[arm] for arm in arms}
    return {"domain": "synthetic", "kind": "fixture", "space": space, "arms": chosen} | shared | changes


def domain(outcome, n=1500, context=4, seed=0, **changes):
    """n pairs, two thirds to train on. outcome(contexts, rng) -> targets (n, *t)."""
    rng = np.random.default_rng(seed)
    contexts = rng.uniform(-1, 1, (n, context)).astype(np.float32)
    fields = {
        "contexts": contexts,
        "targets": outcome(contexts, rng).astype(np.float32),
        "train": np.arange(2 * n // 3),
        "test": np.arange(2 * n // 3, n),
        "metric": "error",
    }
    return Domain(**fields | changes)


def rotations(size, count, seed=1):
    """(count, size, size) orthogonal matrices."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(count, size, size)))[0]


def three_modes(x, rng):
    """The context, turned in one of three ways: three modes at every context, elsewhere at each."""
    turned = np.einsum("mij,nj->nmi", rotations(x.shape[1], 3), x)
    return turned[np.arange(len(x)), rng.integers(3, size=len(x))] + SIGMA * rng.normal(size=x.shape)


def three_places(x, rng):
    """One of three places, whatever the context."""
    places = 1.5 * rotations(x.shape[1], 1)[0, :3]
    return places[rng.integers(3, size=len(x))] + SIGMA * rng.normal(size=x.shape)


def one_outcome(x, rng):
    """The context, turned in one way and repeated, with noise in so many numbers that few guesses do not help."""
    return np.tile(x @ rotations(x.shape[1], 1)[0], 16) + SIGMA * rng.normal(size=(len(x), 16 * x.shape[1]))


def one_outcome_of_four_numbers(x, rng):
    """The context, turned in one way, with noise: one mode, in so few dimensions that four guesses share the noise."""
    return x @ rotations(x.shape[1], 1)[0] + SIGMA * rng.normal(size=x.shape)
