"""Masked digits: which digits half an image may become, and whether completions show them."""

import numpy as np
import pytest
import torch

from jepa.domains import digits
from jepa.domains.digits import build, conditional_modes, realisation
from jepa.domains.judge import Classifier, probabilities, train_classifier
from jepa.errors import JepaError

SETTINGS = {"judge": {"width": 8, "steps": 200, "batch_size": 32, "lr": 3e-3}, "neighbours": 8, "threshold": 0.1}


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    out = tmp_path_factory.mktemp("glyphs") / "glyphs.npz"
    settings = {"size": 12, "images": 1500}
    digits.prepare(out, source="generate", mirror=None, seed=0, settings=settings, progress=False)
    with np.load(out, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def domain(arrays, tmp_path_factory):
    return build(arrays, SETTINGS, 0, tmp_path_factory.mktemp("work"), progress=False)


def test_only_shown_modes_of_active_heads_count():
    modes = np.zeros((1, 10), bool)
    modes[0, [3, 5, 8]] = True
    seen = np.array([[3, 3, 5, 1]])

    def of(*active):
        scores = realisation(seen, np.array([active], bool), modes)
        return scores["realised"][0], scores["precision"][0]

    assert of(1, 1, 1, 1) == (pytest.approx(2 / 3), pytest.approx(3 / 4))
    assert of(1, 1, 0, 0) == (pytest.approx(1 / 3), 1.0)
    assert of(0, 0, 0, 1) == (0.0, 0.0)
    assert of(0, 0, 0, 0) == (0.0, 0.0)


def test_realisation_does_not_depend_on_the_order_of_heads():
    rng = np.random.default_rng(0)
    seen, active, modes = rng.integers(10, size=(50, 8)), rng.random((50, 8)) < 0.5, rng.random((50, 10)) < 0.4
    modes[:, 0] = True
    order = rng.permutation(8)
    first, again = realisation(seen, active, modes), realisation(seen[:, order], active[:, order], modes)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])


def test_more_heads_never_realise_less():
    rng = np.random.default_rng(1)
    seen, modes = rng.integers(10, size=(50, 8)), np.ones((50, 10), bool)
    shares = [realisation(seen, np.arange(8) < k + np.zeros((50, 1)), modes)["realised"] for k in range(9)]
    assert all((more >= fewer).all() for fewer, more in zip(shares, shares[1:], strict=False))


def test_modes_are_digits_above_the_threshold():
    assert (
        conditional_modes(np.array([[0.5, 0.1, 0.4] + [0.0] * 7]), 0.1)[0].tolist() == [True, False, True] + [False] * 7
    )


def test_contexts_are_upper_halves_with_two_modes_or_more(domain, arrays):
    assert domain.contexts.shape[1:] == (1, 6, 12) and domain.targets.shape[1:] == (1, 6, 12)
    assert not arrays["test"][domain.train].any() and arrays["test"][domain.test].all()
    assert len(domain.test) + domain.extra["single_mode_contexts"] == arrays["test"].sum()
    assert domain.extra["modes"] >= 2
    # 1 and 4 stand alone in the upper half; 0, 8 and 9, as 2, 3 and 7 and 5 and 6, do not.
    share = [np.isin(np.flatnonzero(arrays["labels"] == digit), domain.test).sum() for digit in range(10)]
    assert min(share[8], share[2], share[5]) > 5 * max(share[1], 1)


def test_the_judge_knows_whole_digits_and_half_a_digit_says_less(domain):
    assert domain.extra["judge_accuracy"] > 0.95 > domain.extra["upper_half_accuracy"] + 0.1
    assert abs(domain.extra["upper_half_confidence"] - domain.extra["upper_half_accuracy"]) < 0.15


def test_what_was_there_is_one_mode_and_neighbours_show_more(domain):
    there = {name: scores.mean() for name, scores in domain.references["what was there"].items()}
    near = {name: scores.mean() for name, scores in domain.references["lower halves of 8 neighbours"].items()}
    assert there["mse"] == 0 and there["precision"] > 0.9
    assert abs(there["realised"] - 1 / domain.extra["modes"]) < 0.1
    assert near["realised"] > there["realised"] + 0.2


def test_a_head_for_every_mode_realises_all(domain, arrays):
    """Ten heads that each draw the mean lower half of one digit leave no mode out, though some show no mode."""
    labels = arrays["labels"][domain.train]
    halves = np.stack([domain.targets[domain.train][labels == digit].mean(0) for digit in range(10)])
    u = np.broadcast_to(halves, (len(domain.test), *halves.shape))
    every = np.ones(u.shape[:2], bool)
    scores = domain.score(u, every, domain.test, None)
    assert scores["realised"].mean() > 0.9 > scores["precision"].mean()
    none = domain.score(u, ~every, domain.test, None)
    assert (none["realised"] == 0).all() and np.isfinite(none["mse"]).all() and (none["mse"] >= scores["mse"]).all()


def test_scores_go_by_row(domain):
    u = domain.targets[domain.test][:, None]
    active = np.ones((len(domain.test), 1), bool)
    whole = domain.score(u, active, domain.test, None)
    part = domain.score(u[5:9], active[5:9], domain.test[5:9], None)
    for name in whole:
        np.testing.assert_array_equal(part[name], whole[name][5:9])


def test_audit_fills_a_record(arrays, tmp_path):
    settings = SETTINGS | {
        "domain": "svhn",
        "kind": "digits",
        "space": "raw",
        "arms": {
            "dense": {"kind": "ensemble", "K": 1, "width": 32, "depth": 1},
            "mop": {"kind": "mop", "K": 4, "width": 32, "depth": 1},
            "codebook": {"kind": "codebook", "K": 4, "width": 32, "depth": 1},
        },
        "encoder": {"kind": "mlp", "width": 32, "depth": 1},
        "d": 16,
        "training": {"steps": 20, "batch_size": 16, "lr": 2e-3, "lr_floor": 0.05, "weight_decay": 1e-4, "ema": 0.99},
        "gate": 0.5,
    }
    record = digits.audit(arrays, settings, 0, tmp_path / "work", progress=False)
    assert record["metric"] == "realised" and record["better"] == "higher"
    assert record["arms"]["codebook"]["raw"]["mse"] == record["arms"]["codebook"]["shuffled"]["mse"]
    for arm in record["arms"].values():
        assert 0 <= arm["raw"]["realised"] <= 1 and arm["raw"]["mse"] > 0
    assert set(record["references"]) == {"what was there", "lower halves of 8 neighbours"}
    assert not list((tmp_path / "work").iterdir())


def test_odd_sizes_and_lone_modes_are_refused(arrays, tmp_path):
    odd = arrays | {"images": arrays["images"][:, :11, :11]}
    with pytest.raises(JepaError, match="size is 11"):
        build(odd, SETTINGS, 0, tmp_path, progress=False)
    with pytest.raises(JepaError, match="fewer than two test images"):
        build(arrays, SETTINGS | {"threshold": 0.5}, 0, tmp_path, progress=False)


@pytest.mark.parametrize("shape", [(6, 12), (7, 9), (16, 16)])
def test_a_classifier_learns_and_its_seed_decides(shape, tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    images = (rng.normal(size=(300, *shape)) + 2 * labels[:, None, None]).astype(np.float32)
    settings = {"width": 4, "steps": 60, "batch_size": 32, "lr": 1e-2}

    def trained(*name):
        return train_classifier(images, labels, settings, name, tmp_path / "c.safetensors")

    first = probabilities(trained("a", 0), images)
    np.testing.assert_allclose(first.sum(1), 1)
    assert (first.argmax(1) == labels).mean() > 0.95
    np.testing.assert_array_equal(first, probabilities(trained("a", 0), images))
    assert not np.allclose(first, probabilities(trained("a", 1), images))


def test_a_classifier_gives_ten_logits():
    assert Classifier(9, 16, 2)(torch.zeros(5, 1, 9, 16)).shape == (5, 10)
