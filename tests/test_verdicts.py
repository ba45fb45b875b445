"""When a claim counts as reproduced, contradicted, inconclusive or not testable."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from jepa.evaluation.statistics import wilson
from jepa.reporting.expressions import cells_of, parse
from jepa.reporting.qantara_grid import AT_FLOOR
from jepa.reporting.verdicts import EXACT, QUOTED, RATE, SEEDS, conclude, judge

CLAIM = SimpleNamespace(id="claim", scales=("laptop", "paper"), tags=("official", "same"))
NAN = float("nan")


def cell(value=NAN, sd=NAN, n=3, **others):
    """A tidy row of a mean over seeds, as far as the verdict reads it."""
    row = {"value": value, "sd": sd, "n": n, "lo": NAN, "hi": NAN, "wilson_lo": NAN, "wilson_hi": NAN}
    return SimpleNamespace(**row | {"tag": "same", "text": "", "published": NAN, "published_sd": NAN} | others)


def seeds(*values, **others):
    return cell(float(np.mean(values)), float(np.std(values)), len(values), **others)


def rate(successes, trials):
    low, high = wilson(successes, trials)
    return cell(successes / trials, n=trials, lo=low, hi=high)


def verdicts(text, scale="laptop", kinds=None, claim=CLAIM, **rows):
    """The parts of a claim whose cells `t.r.NAME` have these rows, means over seeds unless `kinds` says otherwise."""
    comparisons = parse(text, {"t": {"r": rows}}, "claim")
    kinds = kinds or {}
    known = {c: (kinds.get(c.column, SEEDS), rows[c.column]) for part in comparisons for c in cells_of(part)}
    return [judge(comparison, known, scale, claim, len(comparisons)) for comparison in comparisons]


def only(*arguments, **rows):
    (part,) = verdicts(*arguments, **rows)
    return part


def test_the_interval_of_a_mean_is_students(rows=(0.5, 0.6, 0.7)):
    part = only("t.r.a > 0", a=seeds(*rows))
    low, high = stats.t(2, np.mean(rows), np.std(rows, ddof=1) / np.sqrt(3)).interval(0.95)
    assert (part.lo, part.hi) == pytest.approx((low, high), abs=0.002) and (part.value, part.n) == (
        pytest.approx(0.6),
        3,
    )


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("t.r.a > 0.3", "reproduced"),
        ("t.r.a > 0.5", "inconclusive"),
        ("t.r.a > 0.9", "contradicted"),
        ("t.r.a < 0.9", "reproduced"),
        ("t.r.a < 0.7", "inconclusive"),
        ("t.r.a < 0.3", "contradicted"),
        ("abs(t.r.a - 0.6) <= 0.3", "reproduced"),
        ("abs(t.r.a - 0.6) <= 0.1", "inconclusive"),  # right on the spot, but nobody knows how near
        ("abs(t.r.a - 1) <= 0.1", "contradicted"),
    ],
)
def test_a_verdict_is_where_the_interval_lies(text, verdict):
    assert only(text, a=seeds(0.5, 0.6, 0.7)).verdict == verdict  # the interval is [.35, .85]


def test_a_difference_counts_the_spread_of_both():
    one, other = seeds(0.58, 0.6, 0.62), seeds(0.48, 0.5, 0.52)
    part = only("t.r.a > t.r.b", a=one, b=other)
    alone = only("t.r.a > 0", a=one)
    assert part.value == pytest.approx(0.1) and part.threshold == 0
    assert alone.hi - alone.lo < part.hi - part.lo < 2 * (alone.hi - alone.lo)
    assert only("t.r.a > t.r.b", a=one, b=seeds(0.38, 0.4, 0.42)).verdict == "reproduced"


def test_a_difference_paired_by_seed_can_decide_what_two_means_cannot():
    before, after = np.array([0.2, 0.5, 0.8]), np.array([0.3, 0.61, 0.9])
    assert only("t.r.a > t.r.b", a=seeds(*after), b=seeds(*before)).verdict == "inconclusive"
    assert only("t.r.d > 0", d=seeds(*(after - before))).verdict == "reproduced"


@pytest.mark.parametrize("text", ["t.r.a > 0.5", "abs(t.r.a - 0.5) <= 0.1"])
def test_a_true_boundary_is_seldom_decided(text):
    """Whatever the seeds, a value that lies on the threshold (or in the middle of the margin) is not ruled out."""
    rng, decided = np.random.default_rng(0), 0
    for _ in range(120):
        part = only(text, a=seeds(*rng.normal(0.5, 0.1, 3)))
        decided += part.verdict == "contradicted" or (part.verdict == "reproduced" and "abs" not in text)
    assert decided <= 0.05 * 120 + 6


def test_noise_alone_contradicts_no_nearness():
    assert only("abs(t.r.a - t.r.b) <= 0.001", a=seeds(0.1, 0.9), b=seeds(0.3, 0.6)).verdict == "inconclusive"


def test_one_seed_decides_nothing():
    part = only("t.r.a > 0.1", a=seeds(0.9, wilson_lo=0.8, wilson_hi=0.95))
    assert (part.verdict, part.reason, part.value, part.lo) == ("inconclusive", "one seed", 0.9, None)


def test_success_rates_carry_the_noise_of_their_pairs():
    sure = only("t.r.a > 50", a=seeds(90, 91, 92))
    pairs = only("t.r.a > 50", a=seeds(90, 91, 92, wilson_lo=80, wilson_hi=97))
    assert pairs.lo < min(sure.lo, 80.2) and pairs.hi > max(sure.hi, 96.8)


def test_all_seeds_at_the_ceiling_are_no_proof_of_it():
    assert only("t.r.a > 99", a=seeds(100, 100, 100, wilson_lo=96.3, wilson_hi=100)).verdict == "inconclusive"


def test_an_execution_rate_is_judged_by_its_wilson_interval():
    part = only("t.r.a > 0.79", kinds={"a": RATE}, a=rate(15, 15))
    assert (part.lo, part.hi) == pytest.approx(wilson(15, 15), abs=0.001) and part.verdict == "reproduced"
    assert only("t.r.a > 0.9", kinds={"a": RATE}, a=rate(15, 15)).verdict == "inconclusive"
    second = verdicts("t.r.q > t.r.a > t.r.g", kinds={"a": RATE, "q": QUOTED, "g": QUOTED}, a=rate(5, 15),
                      q=cell(published=0.84), g=cell(published=0.31))  # fmt: skip
    assert [part.verdict for part in second] == ["reproduced", "inconclusive"]  # 33 is not clearly above 31


def test_exact_numbers_need_no_seeds():
    part = only("abs(t.r.a / 1000000 - 21) <= 1", kinds={"a": EXACT}, a=cell(18_034_478, n=1))
    assert part.verdict == "contradicted" and part.value == pytest.approx(-2.97, abs=0.01)


def test_a_collapse_that_is_seen_shows_instability_and_three_good_seeds_do_not_rule_it_out():
    assert only("t.r.a.sd > 15", a=seeds(90, 20, 88)).verdict == "reproduced"
    calm = only("t.r.a.sd > 15", a=seeds(90, 89, 90))
    assert calm.verdict == "inconclusive" and np.isinf(calm.hi)
    assert only("t.r.a.sd > 15", a=seeds(100, 100, 100)).verdict == "inconclusive"
    assert only("t.r.a.sd > 15", a=seeds(*[90, 89, 90, 88] * 3)).verdict == "contradicted"


def test_a_deviation_of_twelve_seeds_has_the_interval_of_chi_square():
    values = np.random.default_rng(1).normal(0, 1, 12)
    part = only("t.r.a.sd > 0", a=seeds(*values))
    bounds = values.std(ddof=1) * np.sqrt(11 / stats.chi2(11).ppf([0.975, 0.025]))
    assert (part.lo, part.hi) == pytest.approx(bounds, rel=0.01)


@pytest.mark.parametrize(
    ("row", "scale", "reason"),
    [
        (seeds(0.5, 0.6), "smoke", "for scale laptop or paper"),
        (seeds(0.5, 0.6, tag="kind"), "laptop", "for data official or same, these are kind"),
        (cell(text="not run"), "laptop", "t.r.a: not run"),
        (cell(text="undefined"), "laptop", "t.r.a: undefined"),
        (cell(), "laptop", "t.r.a: undefined"),
        (None, "laptop", "t.r.a: not measured"),
    ],
)
def test_what_cannot_be_tested_says_why(row, scale, reason):
    part = only("t.r.a > 0", scale, a=row)
    assert (part.verdict, part.reason, part.value) == ("not testable", reason, None)


def test_the_spread_of_one_seed_is_not_testable():
    assert only("t.r.a.sd > 15", a=seeds(90)).verdict == "not testable"


def test_methods_that_are_all_at_the_floor_are_not_compared():
    floored = {"a": seeds(1, 2, 1, text=AT_FLOOR), "b": seeds(2, 1, 1, text=AT_FLOOR)}
    for text in ("abs(t.r.a - t.r.b) <= 5", "t.r.a > t.r.b", "t.r.a.sd > 15"):
        assert only(text, **floored).reason == "all at the floor of random actions"
    assert only("t.r.a < t.r.b", a=floored["a"], b=seeds(90, 91, 92)).verdict == "reproduced"
    assert (
        only("t.r.a - t.r.random <= 20", kinds={"random": RATE}, random=rate(1, 100), **floored).verdict
        != "not testable"
    )


def test_dividing_by_a_measured_zero_is_not_testable():
    assert only("t.r.a / t.r.b > 1", a=seeds(1, 2), b=seeds(0, 0)).reason == "a measured zero in a denominator"


def test_the_papers_value_is_of_the_same_expression():
    rows = {"a": seeds(0.5, 0.6, published=0.851), "b": seeds(0.1, 0.2, published=0.566)}
    assert only("t.r.a > t.r.b", **rows).published == pytest.approx(0.285)
    assert only("t.r.a > t.r.b", a=rows["a"], b=seeds(0.1, 0.2)).published is None
    assert only("t.r.a.sd > 15", a=seeds(1, 2, published_sd=32.5)).published == 32.5


WIDE, HIGH, LOW = seeds(0.2, 0.5, 0.8), seeds(0.79, 0.8, 0.81), seeds(0.19, 0.2, 0.21)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((HIGH, HIGH, HIGH), "reproduced"),
        ((HIGH, WIDE, HIGH), "inconclusive"),
        ((HIGH, WIDE, LOW), "contradicted"),  # one part that fails refutes "on all mazes"
        ((HIGH, None, HIGH), "inconclusive"),
        ((HIGH, None, LOW), "contradicted"),
        ((None, None, None), "not testable"),
    ],
)
def test_a_claim_is_the_conjunction_of_its_parts(rows, verdict):
    parts = verdicts("t.r.a > 0.5 and t.r.b > 0.5 and t.r.c > 0.5", **dict(zip("abc", rows, strict=True)))
    assert conclude(parts)[0] == verdict


def test_many_parts_do_not_make_a_contradiction():
    """A part that fails at 95 % but not at 1 - 5 %/m is what chance gives to one of m true parts."""
    low = seeds(0.30, 0.36, 0.42)  # [.21, .51] at 95 % is below .52, at 99.2 % it is not
    assert only("t.r.a > 0.52", a=low).verdict == "contradicted"
    many = verdicts(" and ".join(f"t.r.{name} > 0.52" for name in "abcdef"), a=low, **dict.fromkeys("bcdef", HIGH))
    verdict, reason, decided = conclude(many)
    assert verdict == "inconclusive" and decided is many[0] and "chance among 6 parts" in reason


def test_the_part_that_decided_is_named():
    parts = verdicts("t.r.a > 0.5 and t.r.b > 0.5", a=HIGH, b=seeds(0.6, 0.61, 0.62))
    assert conclude(parts)[2] is parts[1]  # the one nearest to its threshold


def test_verdicts_do_not_depend_on_the_order_of_claims():
    once, again = (only("t.r.a > t.r.b", a=WIDE, b=HIGH) for _ in range(2))
    assert once == again
