"""Verdicts: the paper's own two cases fall on their sides, and only a gain that needs its context is accepted."""

import math

import pytest

from jepa.domains.verdict import CODEBOOK, CONDITIONAL, CRITERIA, NO_GAIN, verdict


def case(gain, share, ratio, dense=1.0):
    """Errors of one seed with this gain over dense, codebook's share of it and shuffle ratio."""
    mop = dense * (1 - gain)
    return {"dense": [dense], "mop": [mop], "codebook": [dense - share * (dense - mop)], "shuffled": [ratio * mop]}


def test_the_papers_taxis_are_rejected_and_its_pedestrians_accepted():
    taxi = verdict(**case(0.36, 0.84, 1.23))
    assert taxi["verdict"] == CODEBOOK
    assert (taxi["gain"], taxi["share"], taxi["ratio"]) == pytest.approx((0.36, 0.84, 1.23))
    pedestrians = verdict(dense=[0.118], mop=[0.053], codebook=[0.070], shuffled=[0.106])
    assert pedestrians["verdict"] == CONDITIONAL
    assert pedestrians["share"] == pytest.approx(0.74, abs=0.005) and pedestrians["ratio"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("gain", "share", "ratio", "word"),
    [
        (0.049, 0.0, 9.0, NO_GAIN),
        (0.051, 0.0, 9.0, CONDITIONAL),
        (0.5, 0.79, 9.0, CONDITIONAL),
        (0.5, 0.81, 9.0, CODEBOOK),
        (0.5, 0.0, 1.49, CODEBOOK),
        (0.5, -3.0, 1.51, CONDITIONAL),
        (-0.5, 0.0, 9.0, NO_GAIN),
    ],
)
def test_each_threshold_decides(gain, share, ratio, word):
    assert verdict(**case(gain, share, ratio))["verdict"] == word


@pytest.mark.parametrize("unit", [0.001, 1000.0])
def test_the_unit_of_an_error_does_not_matter(unit):
    assert verdict(**case(0.36, 0.5, 2.0, dense=unit)) == pytest.approx(verdict(**case(0.36, 0.5, 2.0)))


def test_a_gain_that_one_seed_lacks_is_none():
    scores = {"codebook": [0.9, 0.9, 0.9], "shuffled": [2.0, 2.0, 2.0]}
    assert verdict(dense=[1.0, 1.0, 1.0], mop=[0.5, 0.5, 0.9], **scores)["verdict"] == CONDITIONAL
    lacking = verdict(dense=[1.0, 1.0, 1.0], mop=[0.5, 0.5, 1.1], **scores)
    assert lacking["verdict"] == NO_GAIN and lacking["gain"] == pytest.approx(0.3)


def test_coverage_counts_the_other_way_round():
    covered = verdict(dense=[0.31], mop=[0.78], codebook=[0.4], shuffled=[0.39], better="higher")
    assert covered["verdict"] == CONDITIONAL
    assert covered["gain"] == pytest.approx(0.47 / 0.31) and covered["ratio"] == pytest.approx(2.0)
    free = verdict(dense=[0.31], mop=[0.78], codebook=[1.0], shuffled=[0.78], better="higher")
    assert free["verdict"] == CODEBOOK and free["share"] > 1 and free["ratio"] == 1


def test_a_dense_head_that_covers_nothing_is_no_division_by_zero():
    found = verdict(dense=[0.0], mop=[0.5], codebook=[0.0], shuffled=[0.0], better="higher")
    assert found == {"verdict": CONDITIONAL, "gain": math.inf, "share": 0.0, "ratio": math.inf}
    nothing = verdict(dense=[0.0], mop=[0.0], codebook=[0.0], shuffled=[0.0], better="higher")
    assert nothing == {"verdict": NO_GAIN, "gain": 0.0, "share": None, "ratio": 1.0}


def test_the_criteria_name_their_thresholds():
    assert all(text in CRITERIA for text in ("5%", "0.8", "1.5", NO_GAIN, CODEBOOK, CONDITIONAL))
