"""Inpainting: the block is hidden, the rest is not, and the best head counts."""

import numpy as np
import pytest

from jepa.domains import inpainting
from jepa.domains.inpainting import build, window
from jepa.errors import JepaError

SETTINGS = {"block": 4, "place": "centre", "neighbours": 3}


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(60, 10, 10), dtype=np.uint8)
    return {"images": images, "labels": np.full(60, -1), "test": np.arange(60) >= 40}


@pytest.mark.parametrize("place, start", [("centre", 3), ("lower-right", 6)])
def test_the_context_lacks_the_block_and_nothing_else(arrays, place, start):
    domain = build(arrays, SETTINGS | {"place": place})
    other = arrays["images"].copy()
    other[:, start : start + 4, start : start + 4] = 0
    blank = build(arrays | {"images": other}, SETTINGS | {"place": place})
    hidden = domain.contexts[:, 0, start : start + 4, start : start + 4]
    assert (hidden == 0).all() and (domain.contexts == 0).mean() < 0.2
    # Up to the scale, which the block's pixels take part in, the context does not depend on them.
    correlation = np.corrcoef(domain.contexts[0].ravel(), blank.contexts[0].ravel())[0, 1]
    assert correlation > 0.95
    assert domain.targets.shape == (60, 1, 4, 4)


def test_the_scale_does_not_see_the_test_images(arrays):
    changed = arrays["images"].copy()
    changed[arrays["test"]] = 255
    first, again = build(arrays, SETTINGS), build(arrays | {"images": changed}, SETTINGS)
    np.testing.assert_array_equal(first.contexts[first.train], again.contexts[first.train])


def test_errors_are_in_units_of_the_whole_range_of_grey(arrays):
    domain = build(arrays, SETTINGS)
    black_and_white = np.zeros((60, 10, 10), np.uint8)
    black_and_white[::2] = 255
    extreme = build(arrays | {"images": black_and_white}, SETTINGS)
    rows = extreme.test
    wrong = -extreme.targets[rows, None] * 1.0
    assert extreme.score(wrong, np.ones((20, 1), bool), rows, None)["mse"] == pytest.approx(1, rel=1e-5)
    own = domain.score(domain.targets[rows, None], np.ones((20, 1), bool), rows, None)
    assert (own["mse"] == 0).all()


def test_the_best_active_head_counts(arrays):
    domain = build(arrays, SETTINGS)
    rows, target = domain.test, domain.targets[domain.test]
    u = np.stack([target + 3, target + 1, target], axis=1)

    def of(*active):
        return domain.score(u, np.tile(np.array(active, bool), (20, 1)), rows, None)

    assert (of(1, 1, 1)["mse"] == 0).all() and (of(1, 1, 0)["mse"] < of(1, 0, 0)["mse"]).all()
    np.testing.assert_allclose(of(0, 0, 0)["mse"], of(1, 0, 0)["mse"])
    np.testing.assert_allclose(of(1, 1, 1)["mean_mse"], (of(1, 0, 0)["mse"] + of(0, 1, 0)["mse"]) / 3)
    np.testing.assert_allclose(of(0, 0, 0)["mean_mse"], of(1, 0, 0)["mse"])


def test_more_neighbours_err_less_at_best(arrays):
    references = build(arrays, SETTINGS).references
    nearest, best = references["nearest neighbour"]["mse"], references["best of 3 neighbours"]["mse"]
    assert (best <= nearest).all() and set(references) == {"mean block", "nearest neighbour", "best of 3 neighbours"}


@pytest.mark.parametrize("change, word", [({"place": "left"}, "place is 'left'"), ({"block": 10}, "block is 10")])
def test_impossible_blocks_are_refused(arrays, change, word):
    with pytest.raises(JepaError, match=word):
        build(arrays, SETTINGS | change)


def test_blocks_lie_inside():
    for place in inpainting.PLACES:
        for size in (8, 9, 28):
            for block in range(1, size):
                where = window(size, block, place)
                assert 0 <= where.start < where.stop <= size and where.stop - where.start == block


def test_audit_fills_a_record(arrays, tmp_path):
    settings = SETTINGS | {
        "domain": "inpainting",
        "kind": "inpainting",
        "space": "raw",
        "arms": {
            "dense": {"kind": "ensemble", "K": 1, "width": 16, "depth": 1},
            "mop": {"kind": "mop", "K": 3, "width": 16, "depth": 1},
            "codebook": {"kind": "codebook", "K": 3, "width": 16, "depth": 1},
        },
        "encoder": {"kind": "conv", "width": 4, "depth": 2},
        "d": 8,
        "training": {"steps": 10, "batch_size": 8, "lr": 2e-3, "lr_floor": 0.05, "weight_decay": 1e-4, "ema": 0.99},
        "gate": 0.5,
    }
    record = inpainting.audit(arrays, settings, 0, tmp_path / "work", progress=False)
    assert record["better"] == "lower" and record["n_test"] == 20
    assert record["arms"]["codebook"]["raw"]["mse"] == record["arms"]["codebook"]["shuffled"]["mse"]
    assert record["arms"]["mop"]["raw"]["mse"] <= record["arms"]["mop"]["raw"]["mean_mse"]
