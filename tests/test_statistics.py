"""Facts about the few statistics that the tables print."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.evaluation import statistics as s

rates = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def rng():
    return np.random.default_rng(0)


def test_the_standard_deviation_is_the_populations():
    assert s.mean_sd([1.0, 3.0]) == {"mean": 2.0, "sd": 1.0, "n": 2}


def test_undefined_values_are_not_counted():
    assert s.mean_sd([None, 2.0, None]) == {"mean": 2.0, "sd": 0.0, "n": 1}
    assert s.mean_sd([]) == s.mean_sd([None]) == {"mean": None, "sd": None, "n": 0}


def test_fifteen_episodes_cannot_tell_the_papers_33_from_31():
    low, high = s.wilson(5, 15)
    assert (low, high) == pytest.approx((0.152, 0.583), abs=1e-3)
    assert low < 0.31 < high


def test_wilson_is_informative_at_the_ends():
    assert s.wilson(0, 15)[0] == 0.0 and s.wilson(0, 15)[1] == pytest.approx(0.204, abs=1e-3)
    assert s.wilson(15, 15)[1] == 1.0 and s.wilson(15, 15)[0] == pytest.approx(0.796, abs=1e-3)
    assert s.wilson(0, 0) == (None, None)


@given(rates)
def test_wilson_contains_the_rate_and_mirrors_with_failures(case):
    successes, trials = case
    low, high = s.wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = s.wilson(trials - successes, trials)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


def test_more_trials_narrow_the_interval():
    widths = [high - low for low, high in (s.wilson(k, 3 * k) for k in (1, 5, 50))]
    assert widths == sorted(widths, reverse=True)


def test_bootstrap_of_equal_values_has_no_width():
    assert s.bootstrap_ci([0.2] * 5, rng()) == pytest.approx({"mean": 0.2, "low": 0.2, "high": 0.2, "n": 5})


def test_one_seed_has_no_interval():
    assert s.bootstrap_ci([0.3], rng()) == {"mean": 0.3, "low": None, "high": None, "n": 1}
    assert s.bootstrap_ci([], rng()) == {"mean": None, "low": None, "high": None, "n": 0}


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_the_interval_stays_within_the_seeds_and_is_reproducible(values):
    result = s.bootstrap_ci(values, rng(), resamples=500)
    assert min(values) - 1e-12 <= result["low"] <= result["high"] <= max(values) + 1e-12
    assert result == s.bootstrap_ci(values, rng(), resamples=500)
    assert all(math.isfinite(result[key]) for key in ("mean", "low", "high"))


def test_pairing_removes_what_the_seeds_share():
    seeds = np.array([0.1, 0.5, 0.9, 0.3, 0.7])  # seeds differ much, the arms by 0.05 everywhere
    paired = s.paired_bootstrap(seeds + 0.05, seeds, rng())
    assert (paired["low"], paired["high"]) == pytest.approx((0.05, 0.05))
    alone = s.bootstrap_ci(seeds, rng())
    assert alone["high"] - alone["low"] > 0.3


def test_swapping_the_arms_negates_the_difference():
    first, second = [0.2, 0.5, 0.3, 0.9], [0.1, 0.6, 0.2, 0.5]
    one, other = s.paired_bootstrap(first, second, rng()), s.paired_bootstrap(second, first, rng())
    mirrored = (-other["mean"], -other["high"], -other["low"])
    assert (one["mean"], one["low"], one["high"]) == pytest.approx(mirrored)


def test_a_pair_with_an_undefined_value_is_left_out():
    result = s.paired_bootstrap([0.4, None, 0.6, 0.5], [0.1, 0.2, None, 0.1], rng())
    assert result["n"] == 2 and result["mean"] == pytest.approx(0.35)


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError):
        s.paired_bootstrap([0.1, 0.2], [0.1], rng())
