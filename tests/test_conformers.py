"""Conformer branch sweep: torsions and rigid turns, distinct minima, and modes that depend on the first torsion."""

import sys

import numpy as np
import pytest

from domain_worlds import ARMS
from domain_worlds import settings as shared
from jepa.domains.base import load_arrays
from jepa.domains.conformers import (
    ARRAYS,
    MATCH,
    STAGGERED,
    audit,
    build,
    chain_torsions,
    coverage,
    distinct,
    first_state,
    framed,
    lowest_conformers,
    prepare,
    twisted,
    wrapped,
)
from jepa.errors import JepaError

MORE_HEADS = {"predictors": {"mop": {"K": 5}}}
BOND, ANGLE = 1.54, np.radians(112.0)


def chain(torsions):
    """Carbons (q + 3, 3) of a chain with these torsions in degrees, by turning a flat zigzag one bond at a time."""
    q = len(torsions)
    step = np.array([np.sin(ANGLE / 2), np.cos(ANGLE / 2), 0]) * BOND
    carbons = np.array([[i * step[0], (i % 2) * step[1], 0.0] for i in range(q + 3)])[None]
    for bond, angle in enumerate(torsions):
        carbons = twisted(carbons, bond, np.array([angle - 180.0]))
    return carbons[0]


def library(q=3):
    """What `prepare` writes, for ideal chains whose energy is the number of gauche torsions."""
    states = np.stack(np.meshgrid(*[STAGGERED] * q, indexing="ij"), -1).reshape(-1, q)
    carbons = np.array([chain(state) for state in states])
    return {"torsions": states, "energies": (np.abs(states) < 90).sum(1) * 0.9, "carbons": carbons}


def settings(M, **changes):
    return shared(steps=60) | {"modes": M, "noise": 5.0, "n_train": 300, "n_test": 40} | changes


def test_a_chain_has_the_torsions_it_was_given():
    torsions = np.array([63.0, -171.0, -58.0, 12.0])
    carbons = chain(torsions)
    assert np.allclose(wrapped(chain_torsions(carbons) - torsions), 0, atol=1e-6)
    assert np.allclose(np.linalg.norm(np.diff(carbons, axis=0), axis=1), BOND)


def test_a_twist_changes_one_torsion_and_no_bond():
    carbons = np.array([chain([60.0, 180.0, -60.0]), chain([180.0, 60.0, 60.0])])
    turned = twisted(carbons, 1, np.array([10.0, -25.0]))
    change = wrapped(chain_torsions(turned) - chain_torsions(carbons))
    assert np.allclose(change, [[0, 10, 0], [0, -25, 0]], atol=1e-6)
    assert np.allclose(np.linalg.norm(np.diff(turned, axis=1), axis=-1), BOND)


def test_the_frame_is_rigid_and_forgets_where_the_chain_was():
    rng = np.random.default_rng(0)
    carbons = np.array([chain([60.0, 180.0]), chain([-60.0, 60.0])])
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))  # a rotation: mirror images are other conformers
    moved = framed(carbons @ turn + rng.normal(size=3))
    assert np.allclose(moved, framed(carbons))
    assert np.allclose(moved[:, 2], 0) and np.allclose(moved[:, 1, 1:], 0) and (moved[:, 1, 0] < 0).all()
    assert np.allclose(moved[:, 0, 2], 0) and (moved[:, 0, 1] > 0).all()
    assert np.allclose(chain_torsions(moved), chain_torsions(carbons))


def test_states_that_fall_into_one_minimum_count_once():
    torsions = np.array([[180.0, 60.0], [-179.0, 63.0], [180.0, -60.0], [-177.0, 57.0]])
    assert distinct(torsions).tolist() == [0, 2]


def test_the_lowest_conformers_share_their_first_torsion():
    arrays = library()
    lowest = lowest_conformers(arrays, 9)
    assert (first_state(arrays["torsions"])[lowest] == np.arange(3)[:, None]).all()
    assert (np.diff(arrays["energies"][lowest], axis=1) >= 0).all()
    assert len(np.unique(lowest)) == 27
    with pytest.raises(JepaError, match="modes is 10"):
        lowest_conformers(arrays, 10)


def test_a_head_covers_one_mode_and_only_nearby():
    near, far = 0.5 * MATCH, 2 * MATCH
    distance = np.array([[[near, near / 2, far], [near, far, far], [far, far, 1.1 * MATCH]]])
    every = np.ones((1, 3), bool)
    assert coverage(distance, every) == {"coverage": [2 / 3], "precision": [2 / 3]}
    assert coverage(distance, np.array([[True, False, True]])) == {"coverage": [1 / 3], "precision": [1 / 2]}
    assert coverage(distance, ~every) == {"coverage": [0], "precision": [0]}


@pytest.mark.parametrize("M", [1, 4, 9])
def test_the_true_modes_cover_everything_and_other_contexts_do_not(M):
    domain = build(library(), settings(M, noise=0.0), 0)
    # Without noise, outcomes are modes: those of all rows in the same state are the row's M modes.
    state = first_state(np.degrees(np.arctan2(domain.contexts[:, 1], domain.contexts[:, 0]))[:, None])
    rows, every = domain.test[:20], np.ones((20, M), bool)

    def modes_of(states):
        return np.stack([np.unique(domain.targets[state == s].round(4), axis=0) for s in states])

    own = domain.score(modes_of(state[rows]), every, rows)
    assert np.all(own["coverage"] == 1) and np.all(own["precision"] == 1) and np.allclose(own["rmsd"], 0, atol=1e-3)
    other = domain.score(modes_of((state[rows] + 1) % 3), every, rows)
    assert other["coverage"].mean() < 0.5
    assert (state[domain.off] != state[domain.test]).all()


def test_every_arm_has_as_many_heads_as_there_are_modes(tmp_path):
    record = audit(library(), settings(3), 0, tmp_path)
    assert record["metric"] == "coverage" and record["extra"]["heads"] == 3
    assert record["arms"]["codebook"]["raw"] == record["arms"]["codebook"]["shuffled"]
    assert record["arms"]["dense"]["raw"]["coverage"] <= 1 / 3
    assert record["arms"]["codebook"]["active"] == 3


def test_seeds_draw_other_pairs_of_the_same_modes():
    first, again, other = (build(library(), settings(4), seed) for seed in (0, 0, 1))
    assert np.array_equal(first.targets, again.targets) and not np.array_equal(first.targets, other.targets)


def test_rdkit_relaxes_pentane_to_its_minima(tmp_path):
    pytest.importorskip("rdkit")
    facts = prepare(tmp_path / "c.npz", source="auto", mirror=None, seed=0, settings={"carbons": 5})
    arrays = load_arrays(tmp_path / "c.npz", ARRAYS)
    assert facts["states"] == 9 and facts["tag"] == "kind"
    assert arrays["energies"].min() == 0 and arrays["carbons"].shape[1:] == (5, 3)
    assert np.allclose(wrapped(chain_torsions(arrays["carbons"]) - arrays["torsions"]), 0, atol=1e-6)
    straight = arrays["torsions"][arrays["energies"].argmin()]
    assert np.allclose(np.abs(straight), 180, atol=1)
    # One gauche torsion costs 0.7 to 1.0 kcal/mol in every force field.
    assert 0.6 < np.sort(arrays["energies"])[1] < 1.1


def test_a_chain_without_a_second_torsion_is_refused(tmp_path):
    with pytest.raises(JepaError, match="at least 5"):
        prepare(tmp_path / "c.npz", source="auto", mirror=None, seed=0, settings={"carbons": 4})


def test_without_rdkit_the_user_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(JepaError, match="rdkit"):
        prepare(tmp_path / "c.npz", source="auto", mirror=None, seed=0, settings={"carbons": 5})
    assert not list(tmp_path.iterdir())


def test_an_arm_may_differ_from_its_own_arguments(tmp_path):
    few = settings(3, arms={"mop": ARMS["mop"]}, training=shared(steps=5)["training"])
    own, changed = (audit(library(), few | change, 0, tmp_path)["arms"]["mop"] for change in ({}, MORE_HEADS))
    assert changed["parameters"] > own["parameters"]
