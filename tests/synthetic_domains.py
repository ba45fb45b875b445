"""Synthetic records of the other domains, as jepa.domains.compare writes them, with numbers that mean nothing."""

import json

import numpy as np

from jepa.reporting.domain_grid import ANTS, DATASETS, LATENT, RAW, SWEEP, TAXI

ARMS = {"dense": 1, "m3": 1, "var": 8, "mdn": 8, "mop": 8, "ensemble": 8, "codebook": 8}
SKILLS = {"dense": 0.3, "m3": 0.3, "var": 0.32, "mdn": 0.5, "mop": 0.8, "ensemble": 0.35, "codebook": 0.55}
OFF = {"dense": 0.2, "codebook": 0.55}  # skill on the contexts of other rows; 0.35 for the other arms
TAGS = {"eth_ucy": "official", "digits": "kind", "inpainting": "kind", "dino-port": "mechanism"}  # the rest: same
METRICS = {  # names of the scores, the headline first, and of the rows that no model makes
    **dict.fromkeys(LATENT, (("error", "relative"), ())),
    **dict.fromkeys(RAW, (("minADE", "minFDE"), ("constant velocity", "8 fixed trajectories"))),
    **dict.fromkeys(TAXI, (("minADE", "minFDE"), ("persistence", "constant velocity", "8 fixed trajectories"))),
    **dict.fromkeys(ANTS, (("cov_r", "cov_p", "real", "centroid", "real_centroid"), ())),
    **dict.fromkeys(SWEEP.values(), (("coverage", "precision", "rmsd"), ())),
    "digits": (("realised", "precision", "mse"), ("what was there", "lower halves of 50 neighbours")),
    "inpainting": (("mse", "mean_mse"), ("mean block", "nearest neighbour", "best of 8 neighbours")),
    "video": (("error", "grey levels"), ("persistence", "repeated change")),
}
HIGHER = ("digits", *ANTS, *SWEEP.values())


def scores(rng, names, skill, higher):
    """Scores of some skill (0..1): the skill itself, or an error that falls with it."""
    headline = float(np.clip(skill + rng.normal(0, 0.01), 0.01, 0.99))
    return {name: headline * 0.9**i if higher else 0.2 * (1 - headline) * (1 + 0.3 * i) for i, name in enumerate(names)}


def compared(rng, domain, seed):
    """The record of a domain that jepa.domains.compare audits."""
    names, references = METRICS[domain]
    higher, latent = domain in HIGHER, domain in (*LATENT, *ANTS)
    arms = {}
    for arm, heads in ARMS.items():
        on = scores(rng, names, SKILLS[arm], higher)
        arms[arm] = {
            "raw": on,
            "gated": None if arm == "codebook" else scores(rng, names, 0.9 * SKILLS[arm], higher),
            "shuffled": on if arm == "codebook" else scores(rng, names, OFF.get(arm, 0.35), higher),
            "codes": scores(rng, names, 0.3 if heads == 1 else 0.5, higher),
            "displaced": scores(rng, names, 0.4, higher) if heads == 1 else None,
            "active": 1 + 0.2 * heads,
            "spread": 0.9 if latent else None,
            "parameters": 20_000 + 1000 * heads,
            "final": {"step": 100, "loss": 0.1},
        }
    return {
        "domain": domain,
        "kind": DATASETS[domain],
        "seed": seed,
        "metric": names[0],
        "better": "higher" if higher else "lower",
        "space": "latent" if latent else "raw",
        "n_train": 500,
        "n_test": 100,
        "arms": arms,
        "references": {name: scores(rng, names, 0.2, higher) for name in references},
        "extra": {},
    }


def ported(rng, seed):
    """The record of the DINO-WM port, which has a codebook of frames and no readout of codes."""
    arms = {}
    for arm, winner in {"dense": 0.6, "mop": 0.2, "codebook": 0.5}.items():
        mean_head = winner if arm == "dense" else 1.1 + 0.05 * rng.random()
        raw = {"winner": winner, "mean_head": mean_head, "ratio": mean_head / winner, "mean_prediction": 0.6}
        raw |= {"chosen": winner, "active": 1.0 if arm == "dense" else 2.1}
        arms[arm] = {
            "raw": raw,
            "gated": None if arm == "codebook" else {"winner": winner},
            "shuffled": {"winner": 0.7},
            "active": raw["active"],
            "parameters": 10_000,
            "final": {"step": 100},
        }
    facts = {"domain": "dino-port", "kind": "dino_port", "seed": seed, "metric": "winner", "better": "lower"}
    counts = {"space": "raw", "n_train": 500, "n_test": 100, "extra": {}}
    return facts | counts | {"arms": arms, "references": {"persistence": {"winner": 1.5}, "mean frame": {"winner": 1}}}


def architecture(seed):
    """The record of V-JEPA 2-AC."""
    raw = {"parameters": 305_000_000, "predictions_per_input": 1.0, "difference": 0.0, "future": 0.0}
    arm = {"raw": raw, "gated": None, "shuffled": {}, "active": 1.0, "parameters": raw["parameters"], "final": {}}
    facts = {"domain": "vjepa2-ac", "kind": "vjepa2", "seed": seed, "metric": "predictions_per_input"}
    counts = {"better": "higher", "space": "latent", "n_train": 0, "n_test": 4, "extra": {}}
    return facts | counts | {"arms": {"vjepa2-ac": arm}, "references": {}}


def record(domain, seed):
    rng = np.random.default_rng([list(DATASETS).index(domain), seed])
    if domain in METRICS:
        return compared(rng, domain, seed)
    return ported(rng, seed) if domain == "dino-port" else architecture(seed)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, allow_nan=False))
    return path


def make(folder, seeds=2, domains=tuple(DATASETS), tag=None):
    """Write records below `folder` and provenance of their data. Returns {"domains": paths, "tags": paths}.

    tag: of all data; None for those of TAGS.
    """
    files = [
        write(folder / "domains" / domain / f"seed{seed}.json", record(domain, seed))
        for domain in domains
        for seed in range(seeds)
    ]
    tags = []
    for data in dict.fromkeys(DATASETS[domain] for domain in domains):
        facts = {"dataset": f"rows of {data}", "data": data, "tag": tag or TAGS.get(data, "same"), "source": "generate"}
        tags.append(write(folder / "data/domains" / f"{data}.provenance.json", facts))
    return {"domains": files, "tags": tags}
