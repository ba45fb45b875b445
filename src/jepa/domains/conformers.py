"""Conformer branch sweep: the same molecule with M outcomes for every context, M = 1 .. 27 (MoP-JEPA Fig. 4, middle).

The paper names the sweep and does not describe it; everything here is our declaration. An n-alkane with q = n - 3
torsions has 3^q staggered states (anti, gauche+, gauche-). Each is relaxed by MMFF94; states that fall into one
minimum count once. A context is the first torsion as it is seen: its staggered state with thermal noise. Its outcomes
are the M conformers of lowest energy that have this first torsion, equally likely: where the other carbons are,

    C1 - C2 - C3 - C4 - C5 ... Cn        angstroms, C3 at the origin, C2 on the -x axis, C1 in the half-plane y > 0
    known    |    ^      outcome
             first torsion

The rest of the chain turns with the first torsion, so that where its modes are depends on the context, and a codebook
of as many codes as there are modes cannot hold the three sets of them. Every arm with more than one head has M of them.
"""

import itertools
from importlib.metadata import version

import numpy as np

from jepa.domains.base import Domain, best_of, require
from jepa.domains.compare import compare
from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.random import rng_of

STAGGERED = (180.0, 60.0, -60.0)  # degrees: anti, gauche+, gauche-
MATCH = 0.5  # angstroms, root mean square over the outcome's carbons; two neighbours of octane are 1.1 apart
SAME = 15.0  # degrees: states whose torsions all differ by less are one minimum
TIE = 1e-3  # kcal/mol: mirror images differ by less, and the order of their starts decides
KNOWN = 4  # carbons that the first torsion places
ARRAYS = {"torsions": ("f", "S", "torsions"), "energies": ("f", "S"), "carbons": ("f", "S", "carbons", 3)}


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Relax the staggered states of an n-alkane, settings["carbons"] = n, and write them to the npz `out`.

    The npz holds torsions: (S, q) degrees, energies: (S,) kcal/mol above the lowest, carbons: (S, n, 3) angstroms, of
    the S distinct minima in the order of their starts. Returns facts for provenance. Raises JepaError when RDKit is
    not installed or the chain has no second torsion.
    """
    require(settings, "carbons")
    n = settings["carbons"]
    if n < 5:
        raise JepaError(f"carbons is {n}; conformers need a chain of at least 5, for a torsion beside the first.")
    torsions, energies, carbons = relaxed_states(n, seed)
    kept = distinct(torsions)
    with atomic_path(out) as temporary:
        np.savez_compressed(
            temporary, torsions=torsions[kept], energies=energies[kept] - energies.min(), carbons=carbons[kept]
        )
    return {
        "dataset": f"staggered conformers of an alkane of {n} carbons",
        "source": "generate",
        "tag": "kind",
        "message": f"{len(kept)} minima of {len(torsions)} staggered states, MMFF94",
        "versions": {"rdkit": version("rdkit")},
        "states": len(torsions),
        "minima": len(kept),
        "range_kcal_mol": float(np.ptp(energies[kept])),
    }


def relaxed_states(n, seed):
    """Every staggered state of the chain of n carbons after relaxation, in the order anti, gauche+, gauche-.

    seed: of the embedding that gives bond lengths to start from. Returns torsions (3^q, q), energies (3^q,) and carbons
    (3^q, n, 3). Raises JepaError without RDKit, or when a relaxation does not converge.
    """
    try:
        from rdkit import Chem
        from rdkit.Chem import AllChem, rdForceFieldHelpers, rdMolTransforms
    except ImportError:
        raise JepaError("The conformers need the package rdkit, which is not installed; install it first.") from None
    molecule = Chem.AddHs(Chem.MolFromSmiles("C" * n))
    AllChem.EmbedMolecule(molecule, randomSeed=seed % 2**31)
    field_of = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule, mmffVariant="MMFF94")
    torsions, energies, carbons = [], [], []
    for state in itertools.product(STAGGERED, repeat=n - 3):
        copy = Chem.Mol(molecule)
        conformer = copy.GetConformer()
        for i, angle in enumerate(state):
            rdMolTransforms.SetDihedralDeg(conformer, i, i + 1, i + 2, i + 3, angle)
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(copy, field_of)
        field.Initialize()
        if field.Minimize(maxIts=5000, forceTol=1e-6, energyTol=1e-9):
            raise JepaError(f"MMFF94 does not relax the state {state} of {n} carbons; choose other carbons.")
        energies.append(field.CalcEnergy())
        carbons.append(conformer.GetPositions()[:n])
        torsions.append(chain_torsions(carbons[-1]))
    return np.array(torsions), np.array(energies), np.array(carbons)


def distinct(torsions):
    """Rows of torsions: (S, q) degrees whose minimum no earlier row has. Returns (S',) int."""
    apart = np.abs(wrapped(torsions[:, None] - torsions[None])).max(axis=-1)
    return np.array([i for i in range(len(torsions)) if (apart[i, :i] >= SAME).all()])


def audit(arrays, settings, seed, work, progress=True):
    """Compare the arms (see jepa.domains.compare). arrays: those of `prepare`. work: folder for resume files.

    settings beside compare's: modes: M; noise: thermal standard deviation of every torsion in degrees; n_train, n_test:
    how many pairs; predictors: {arm: arguments that differ from its own}, if any. Raises JepaError when some first
    torsion has fewer than M conformers.
    """
    require(settings, "modes", "noise", "n_train", "n_test")
    M, changes = settings["modes"], settings.get("predictors", {})
    arms = {arm: (p if p["K"] == 1 else p | {"K": M}) | changes.get(arm, {}) for arm, p in settings["arms"].items()}
    return compare(build(arrays, settings, seed), settings | {"arms": arms}, seed, work, progress)


def build(arrays, settings, seed):
    """The Domain of `audit`: pairs drawn anew for each seed."""
    M, n_train, n = settings["modes"], settings["n_train"], settings["n_train"] + settings["n_test"]
    lowest, carbons, torsions = lowest_conformers(arrays, M), arrays["carbons"], arrays["torsions"]
    rng = rng_of("conformers", M, seed)
    state, mode = rng.integers(len(STAGGERED), size=n), rng.integers(M, size=n)
    seen = np.array(STAGGERED)[state] + rng.normal(0, settings["noise"], n)

    def turned(chosen, angle):
        """Conformers (m,) with their first torsion at angle (m,) degrees: (m, n, 3)."""
        return twisted(carbons[chosen], 0, angle - torsions[chosen, 0])

    outcomes = turned(lowest[state, mode], seen)
    for bond in range(1, torsions.shape[1]):
        outcomes = twisted(outcomes, bond, rng.normal(0, settings["noise"], n))
    outcomes = framed(outcomes)[:, KNOWN:]
    centre, unit = outcomes[:n_train].mean(axis=(0, 1)), float(outcomes[:n_train].std())

    def score(u, active, rows, embed=None):
        made = np.asarray(u, np.float64) * unit + centre
        modes = np.stack([framed(turned(lowest[state[rows], k], seen[rows]))[:, KNOWN:] for k in range(M)], axis=1)
        own = root_mean_square(made - outcomes[rows, None])
        return coverage(root_mean_square(made[:, :, None] - modes[:, None]), active) | {"rmsd": best_of(own, active)}

    test = np.arange(n_train, n)
    angle = np.radians(seen)
    energies = arrays["energies"][lowest]
    return Domain(
        contexts=np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32),
        targets=((outcomes - centre) / unit).astype(np.float32),
        train=np.arange(n_train),
        test=test,
        metric="coverage",
        better="higher",
        score=score,
        off=other_state(state[test], test, rng),
        extra={
            "modes": M,
            "heads": M,
            "match_angstrom": MATCH,
            "noise_degrees": settings["noise"],
            "minima_by_first_torsion": [int(count) for count in np.bincount(first_state(torsions))],
            "highest_kcal_mol": float((energies - energies.min(axis=1, keepdims=True)).max()),
        },
    )


def lowest_conformers(arrays, M):
    """(3, M) conformers of lowest energy of each first torsion, lowest first. Raises JepaError where M do not exist."""
    state, energies = first_state(arrays["torsions"]), arrays["energies"]
    order = np.argsort(np.round(energies / TIE), kind="stable")
    found = [order[state[order] == s] for s in range(len(STAGGERED))]
    fewest = min(map(len, found))
    if not 1 <= M <= fewest:
        raise JepaError(
            f"modes is {M}, but a first torsion has {fewest} conformers; use up to {fewest} or more carbons."
        )
    return np.stack([part[:M] for part in found])


def first_state(torsions):
    """The nearest staggered state of the first torsion. torsions: (S, q) degrees. Returns (S,) int, 0 .. 2."""
    return np.abs(wrapped(torsions[:, :1] - np.array(STAGGERED))).argmin(axis=1)


def coverage(distance, active):
    """Exclusive matching: a head is credited with its nearest mode only, and only within MATCH.

    distance: (m, K, M) angstroms from heads to modes. active: (m, K) bool. Returns coverage: (m,) share of the modes
    that are credited to some active head, and precision: (m,) share of the active heads that are credited, 0 of none.
    """
    credit = active & (distance.min(axis=-1) <= MATCH)
    matched = credit[:, :, None] & (distance.argmin(axis=-1)[:, :, None] == np.arange(distance.shape[-1]))
    return {
        "coverage": matched.any(axis=1).mean(axis=1),
        "precision": credit.sum(axis=1) / np.maximum(active.sum(axis=1), 1),
    }


def other_state(state, rows, rng):
    """For each row another whose first torsion is in another state. state, rows: (m,). Returns (m,), or None for one
    state alone."""
    choices = {s: rows[state != s] for s in np.unique(state)}
    if any(len(part) == 0 for part in choices.values()):
        return None
    return np.array([rng.choice(choices[s]) for s in state])


def root_mean_square(difference):
    """difference: (..., carbons, 3) angstroms. Returns (...)."""
    return np.sqrt((difference**2).sum(axis=-1).mean(axis=-1))


def wrapped(degrees):
    """Angles in [-180, 180)."""
    return (np.asarray(degrees) + 180) % 360 - 180


def chain_torsions(carbons):
    """All torsions along the chain, by the sign convention of IUPAC. carbons: (..., n, 3). Returns (..., n - 3)."""
    bonds = np.diff(carbons, axis=-2)
    before, axis, after = bonds[..., :-2, :], bonds[..., 1:-1, :], bonds[..., 2:, :]
    left, right = np.cross(before, axis), np.cross(axis, after)
    sine = (before * right).sum(-1) * np.linalg.norm(axis, axis=-1)
    return np.degrees(np.arctan2(sine, (left * right).sum(-1)))


def twisted(carbons, torsion, degrees):
    """Add `degrees`: (m,) to one torsion of chains (m, n, 3): all carbons behind its bond turn about it."""
    start, end = carbons[:, torsion + 1], carbons[:, torsion + 2]
    axis = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)
    behind, axis = carbons[:, torsion + 3 :] - end[:, None], axis[:, None]
    angle = np.radians(degrees)[:, None, None]
    along = (behind * axis).sum(-1, keepdims=True) * axis
    turned = along + (behind - along) * np.cos(angle) + np.cross(axis, behind) * np.sin(angle)
    return np.concatenate([carbons[:, : torsion + 3], turned + end[:, None]], axis=1)


def framed(carbons):
    """Chains (m, n, 3) moved as rigid bodies: C3 at the origin, C2 on the -x axis, C1 in the half-plane y > 0."""
    x = carbons[:, 2] - carbons[:, 1]
    y = carbons[:, 0] - carbons[:, 1]
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    y = y - (x * y).sum(-1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    axes = np.stack([x, y, np.cross(x, y)], axis=-1)
    return (carbons - carbons[:, 2:3]) @ axes
