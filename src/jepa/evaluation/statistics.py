"""Statistics over seeds and over episodes. A None (an undefined metric) is left out and not counted."""

import math
from statistics import NormalDist

import numpy as np


def mean_sd(values):
    """Mean and population standard deviation over seeds (the paper's "mean +- std").

    values: numbers or None. Returns {"mean", "sd", "n"}; mean and sd are None for n = 0, sd is 0 for n = 1.
    """
    known = np.array([value for value in values if value is not None], dtype=float)
    if not len(known):
        return {"mean": None, "sd": None, "n": 0}
    return {"mean": float(known.mean()), "sd": float(known.std()), "n": len(known)}


def wilson(successes, trials, confidence=0.95):
    """Wilson score interval of a rate.

    (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n), with p = successes / trials, n = trials and
    z the two-sided normal quantile. Returns (low, high) in [0, 1], (None, None) for no trials.
    """
    if trials == 0:
        return None, None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / trials
    middle = rate + z**2 / (2 * trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    # rounding can leave 1e-17 where the exact bound is 0 (or 1)
    low = 0.0 if successes == 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if successes == trials else min(1.0, (middle + half) / scale)
    return low, high


def bootstrap_ci(values, rng, confidence=0.95, resamples=10_000):
    """Percentile bootstrap interval of the mean over seeds.

    values: numbers or None. rng: numpy Generator. Returns {"mean", "low", "high", "n"}; the bounds are None
    below two values, because one seed says nothing of the spread.
    """
    known = np.array([value for value in values if value is not None], dtype=float)
    mean = float(known.mean()) if len(known) else None
    if len(known) < 2:
        return {"mean": mean, "low": None, "high": None, "n": len(known)}
    means = known[rng.integers(len(known), size=(resamples, len(known)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"mean": mean, "low": float(low), "high": float(high), "n": len(known)}


def paired_bootstrap(first, second, rng, confidence=0.95, resamples=10_000):
    """Bootstrap interval of the mean per-seed difference first - second ("Adjudication": paired advantage).

    first, second: equally long, the same seed and hold-out split at the same place; a pair with a None is
    left out. Returns the dict of `bootstrap_ci`.
    """
    pairs = zip(first, second, strict=True)
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    return bootstrap_ci(differences, rng, confidence, resamples)
