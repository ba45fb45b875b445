"""Any domain: what the controls say where the truth is known, paired seeds, audits that survive a kill."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch

from domain_worlds import SIGMA, domain, one_outcome, one_outcome_of_four_numbers, settings, three_modes, three_places
from jepa.domains import compare as comparing
from jepa.domains.base import best_of, load_arrays
from jepa.domains.codes import fit_codes
from jepa.domains.compare import batches, compare, elsewhere
from jepa.domains.verdict import CODEBOOK, CONDITIONAL, NO_GAIN, verdict
from jepa.errors import JepaError
from jepa.random import rng_of


def judged(record, metric="error"):
    arms = record["arms"]
    raw = {arm: [arms[arm]["raw"][metric]] for arm in ("dense", "mop", "codebook")}
    return verdict(**raw, shuffled=[arms["mop"]["shuffled"][metric]])


def run(outcome, folder, steps=600, seed=0, world=None, **changes):
    return compare(world or domain(outcome), settings(steps=steps, **changes), seed, folder, progress=False)


# ---- what the controls say ----


def test_where_outcomes_branch_by_context_only_the_mixture_finds_the_modes(tmp_path):
    record = run(three_modes, tmp_path)
    arms = record["arms"]
    within, between = SIGMA**2, np.var(domain(three_modes).targets) * 2 / 3
    assert arms["mop"]["raw"]["error"] < 4 * within  # Prop. 3: the distortion goes to the within-mode variance
    assert arms["dense"]["raw"]["error"] > between  # Prop. 1: bounded below by the between-mode variance
    assert arms["codebook"]["raw"]["error"] > 5 * arms["mop"]["raw"]["error"]
    assert arms["dense"]["displaced"]["error"] > 4 * arms["mop"]["raw"]["error"]  # modes differ between contexts
    assert arms["mop"]["displaced"] is None
    assert judged(record)["verdict"] == CONDITIONAL
    assert 2.5 < arms["mop"]["active"] <= 4 and arms["dense"]["active"] == 1
    assert arms["mop"]["gated"]["error"] >= arms["mop"]["raw"]["error"]
    assert arms["dense"]["gated"] == arms["dense"]["raw"]
    assert arms["codebook"]["gated"] is None and arms["mop"]["spread"] is None
    json.dumps(record, allow_nan=False)


def test_where_the_context_says_nothing_a_codebook_does_as_well(tmp_path):
    record = run(three_places, tmp_path)
    arms = record["arms"]
    assert arms["mop"]["raw"]["error"] < 0.1 * arms["dense"]["raw"]["error"]
    assert judged(record)["verdict"] == CODEBOOK
    assert judged(record)["ratio"] == pytest.approx(1, abs=0.1)
    assert arms["mop"]["codes"]["error"] < 1.2 * SIGMA**2


def test_where_there_is_one_outcome_there_is_no_gain(tmp_path):
    record = run(one_outcome, tmp_path)
    assert record["arms"]["dense"]["raw"]["error"] < 1.2 * SIGMA**2
    assert judged(record)["verdict"] == NO_GAIN


@pytest.mark.parametrize("space", ["raw", "latent"])
def test_a_codebook_scores_the_same_off_context_to_the_last_bit(tmp_path, space):
    arms = run(three_modes, tmp_path, steps=50, space=space)["arms"]
    assert arms["codebook"]["raw"] == arms["codebook"]["shuffled"]
    assert arms["mop"]["raw"] != arms["mop"]["shuffled"]


def test_off_context_rows_that_are_the_rows_themselves_change_nothing(tmp_path):
    world = domain(three_modes)
    world = dataclasses.replace(world, off=world.test)
    for arm in run(None, tmp_path, steps=50, world=world)["arms"].values():
        assert arm["raw"] == arm["shuffled"]


def test_the_codes_of_an_arms_own_latents_are_a_codebook_that_training_cannot_cripple(tmp_path):
    arms = run(three_places, tmp_path, steps=300, space="latent")["arms"]
    for arm in ("mop", "codebook"):
        assert arms[arm]["codes"]["relative"] < 0.1  # three places, four codes
        assert arms[arm]["raw"]["error"] == pytest.approx(arms[arm]["raw"]["relative"] * arms[arm]["spread"])
        assert arms[arm]["codes"]["error"] <= 1.05 * arms[arm]["raw"]["error"]
    assert arms["dense"]["codes"]["relative"] > 0.3  # one code


def test_noise_in_few_dimensions_looks_like_modes_until_one_prediction_is_displaced(tmp_path):
    record = run(one_outcome_of_four_numbers, tmp_path)
    assert judged(record)["verdict"] == CONDITIONAL  # there is one mode, but four heads share its noise
    arms = record["arms"]
    assert arms["dense"]["displaced"]["error"] < arms["mop"]["raw"]["error"]


def test_codes_are_fitted_to_the_outcomes_that_the_score_is_about(tmp_path):
    known = domain(three_places)
    some = np.flatnonzero((known.targets[known.train] @ known.targets[0]) > 0.5)  # those of one place
    few = domain(three_places, code_rows=known.train[some])
    scores = [
        compare(one, settings(steps=5, arms=("mop",)), 0, tmp_path, progress=False)["arms"]["mop"]["codes"]["error"]
        for one in (known, few)
    ]
    assert scores[1] > 5 * scores[0]


# ---- codes ----


def test_codes_find_the_places_and_the_mean():
    rng = np.random.default_rng(0)
    places = np.array([[0, 0], [4, 0], [0, 4]])
    x = places[rng.integers(3, size=300)] + 0.1 * rng.normal(size=(300, 2))
    found = fit_codes(x, 3, rng)
    assert np.abs(found[:, None] - places).sum(-1).min(0).max() < 0.1
    np.testing.assert_allclose(fit_codes(x, 1, rng)[0], x.mean(0), atol=1e-5)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(fit_codes(unit, 3, rng, sphere=True), axis=1), 1, rtol=1e-5)
    assert np.isfinite(fit_codes(np.ones((5, 2)), 3, rng)).all()


# ---- scores ----


def test_a_row_without_an_active_head_scores_its_worst():
    errors = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    active = np.array([[True, True, True], [False, True, True], [False, False, False]])
    assert best_of(errors, active).tolist() == [1, 2, 3]


def test_a_domains_own_score_sees_predictions_of_its_shape(tmp_path):
    seen = []

    def score(u, active, rows, embed):
        seen.append((u.shape, active.shape, rows, embed))
        return {"mine": rows.astype(float)}

    world = domain(three_modes)
    changes = {"targets": world.targets.reshape(-1, 2, 2), "score": score, "metric": "mine"}
    world = dataclasses.replace(world, **changes, references={"oracle": {"mine": np.zeros(len(world.test))}})
    record = run(None, tmp_path, steps=10, world=world, arms=("mop",))
    assert all(u == (len(rows), 4, 2, 2) and embed is None for u, _, rows, embed in seen)
    expected = {"mine": float(world.test.mean())}
    assert record["arms"]["mop"]["raw"] == record["arms"]["mop"]["gated"] == expected
    assert record["references"] == {"oracle": {"mine": 0.0}} and record["metric"] == "mine"


def test_in_latent_space_a_score_may_embed_any_target(tmp_path):
    def score(u, active, rows, embed):
        z = embed(world.targets)
        assert z.shape == (len(world.targets), 16) and np.allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)
        return {"error": best_of(1 - u @ z[0], active)}

    world = dataclasses.replace(domain(three_modes), score=score)
    run(None, tmp_path, steps=10, world=world, arms=("dense",), space="latent")


# ---- paired seeds ----


def test_all_arms_of_a_seed_meet_the_same_batches_and_start_from_the_same_encoder(tmp_path, monkeypatch):
    met = []

    def watched(model, draw, **options):
        rows = [batch[0].clone() for chunk in range(2) for batch in draw(chunk, 3)]
        met.append((torch.cat(rows), torch.cat([p.detach().flatten().clone() for p in model.encoder.parameters()])))
        return real(model, draw, **options)

    real = comparing.fit
    monkeypatch.setattr(comparing, "fit", watched)
    run(three_modes, tmp_path, steps=5)
    run(three_modes, tmp_path, steps=5, seed=1, arms=("dense",))
    (first, *same), other = met[:3], met[3]
    assert all(torch.equal(a, b) for arm in same for a, b in zip(first, arm, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_train_rows_are_drawn_by_their_weights():
    world = domain(three_modes)
    weights = np.zeros(len(world.train))
    weights[:2] = 1, 3
    draw = batches(dataclasses.replace(world, weights=weights), "x", 0, 100)
    drawn = torch.cat([contexts for contexts, _ in draw(0, 40)]).numpy()
    is_first = (drawn == world.contexts[0]).all(1)
    assert (is_first | (drawn == world.contexts[1]).all(1)).all()
    assert is_first.mean() == pytest.approx(0.25, abs=0.03)


def test_no_row_of_the_shuffle_test_keeps_its_context():
    rows = np.arange(50, 90)
    for seed in range(20):
        off = elsewhere(rows, rng_of(seed))
        assert sorted(off) == rows.tolist() and (off != rows).all()


# ---- a killed audit ----


def test_a_killed_audit_goes_on_and_ends_the_same(tmp_path, monkeypatch, capsys):
    whole = run(three_modes, tmp_path / "whole", steps=300)
    assert not list((tmp_path / "whole").iterdir())
    real, trained = comparing.fit, []

    def killed(model, draw, **options):
        trained.append(options["checkpoint"].stem)

        def watch(row):
            if trained == ["dense", "mop"] and row["step"] == 200:
                raise KeyboardInterrupt

        return real(model, draw, **options, every_seconds=0.0, watch=watch)

    monkeypatch.setattr(comparing, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        run(three_modes, tmp_path / "killed", steps=300)
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["dense.json", "mop.safetensors"]
    trained.clear()
    assert run(three_modes, tmp_path / "killed", steps=300) == whole
    assert trained == ["mop", "codebook"]  # the dense arm was finished
    assert "resumed from" in capsys.readouterr().out
    assert not list((tmp_path / "killed").iterdir())


def test_an_arm_of_other_settings_or_data_is_trained_again(tmp_path, monkeypatch):
    def stop_at_mop(model, draw, **options):
        if options["checkpoint"].stem == "mop":
            raise KeyboardInterrupt
        trained.append(options["checkpoint"].stem)
        return real(model, draw, **options)

    real, trained = comparing.fit, []
    monkeypatch.setattr(comparing, "fit", stop_at_mop)
    for world, changes in (
        (domain(three_modes), {}),
        (domain(three_modes), {}),
        (domain(three_modes), {"gate": 0.4}),
        (domain(three_modes, seed=1), {"gate": 0.4}),
    ):
        with pytest.raises(KeyboardInterrupt):
            run(None, tmp_path, steps=5, world=world, **changes)
    assert trained == ["dense"] * 3


# ---- domains that cannot be audited ----


def changed(name, row, value):
    array = getattr(domain(three_modes), name).copy()
    array[row] = value
    return {name: array}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            changed("contexts", 7, np.nan),
            "1 of 1500 contexts hold values that are not finite, the first in row 7; leave",
        ),
        (
            changed("targets", slice(3, 5), np.inf),
            "2 of 1500 targets hold values that are not finite, the first in row 3",
        ),
        (changed("train", 0, 1200), "none of which it also trains on"),
        (changed("test", 0, 1500), "The test rows .* below its 1500 pairs"),
        ({"targets": np.zeros((3, 4), np.float32)}, "1500 contexts but 3 targets"),
        ({"contexts": np.zeros((1500, 4))}, "are float64, but must be float32"),
        ({"test": np.array([], int)}, "The test rows"),
        ({"off": np.array([1, 2])}, "2 rows off context for 500 test rows"),
        ({"weights": np.zeros(1000)}, "one number >= 0 for each train row, not all 0"),
        ({"weights": np.ones(3)}, "one number >= 0 for each train row"),
        ({"better": "greater"}, "must be lower or higher"),
    ],
)
def test_a_domain_that_cannot_be_audited_is_refused_with_a_sentence(changes, message):
    with pytest.raises(JepaError, match=message):
        dataclasses.replace(domain(three_modes), **changes)


def test_arrays_are_read_without_unpickling(tmp_path):
    np.savez(tmp_path / "good.npz", a=np.arange(3))
    np.savez(tmp_path / "bad.npz", a=np.array([{}], dtype=object))
    layout = {"a": ("i", "N")}
    assert load_arrays(tmp_path / "good.npz", layout)["a"].tolist() == [0, 1, 2]
    with pytest.raises(JepaError, match=r"bad.npz is no file of a domain's arrays"):
        load_arrays(tmp_path / "bad.npz", layout)
    with pytest.raises(JepaError, match=r"none.npz does not exist"):
        load_arrays(tmp_path / "none.npz", layout)


def test_arrays_beside_the_layout_are_read_only_when_they_are_asked_for(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(3), frames=np.full(1000, 7, np.uint8))
    content = path.read_bytes()
    path.write_bytes(content.replace(bytes([7]) * 9, bytes([8]) * 9, 1))  # frames no longer have their checksum
    arrays = load_arrays(path, {"a": ("i", "N")})
    assert arrays["a"].tolist() == [0, 1, 2]
    assert list(arrays) == ["a", "frames"] and "frames" in arrays and "sound" not in arrays
    with pytest.raises(JepaError, match=r"x.npz is no file of a domain's arrays .*CRC"):
        arrays["frames"]
    with pytest.raises(JepaError, match="x.npz lacks the array 'sound'"):
        arrays["sound"]


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"a": ("i", "N")}, "'a' of type float32 and shape (3, 4), which should be (3); delete it"),
        ({"a": ("f", 3, 5)}, "should be (3, 5)"),
        ({"a": ("f", "N", "N")}, "should be (3, 3)"),
        ({"a": ("i", 3, 4)}, "of type float32"),
        ({"b": ("i", "N"), "a": ("f", "N", 4)}, "'a' of type float32 and shape (3, 4), which should be (2, 4)"),
        ({"empty": ("f", "N")}, "'empty' of type float32 and shape (0,)"),
        ({"c": ("f", "N")}, "lacks the array 'c'"),
    ],
)
def test_arrays_of_other_shapes_are_refused(tmp_path, layout, message):
    np.savez(tmp_path / "x.npz", a=np.ones((3, 4), np.float32), b=np.arange(2), empty=np.ones(0, np.float32))
    load_arrays(tmp_path / "x.npz", {"a": ("f", "N", "M"), "b": ("i", 2)})
    with pytest.raises(JepaError, match=re.escape(message)):
        load_arrays(tmp_path / "x.npz", layout)
