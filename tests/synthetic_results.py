"""A synthetic results folder for the tests of reporting: valid files with random numbers that mean nothing."""

import json

import numpy as np

import synthetic_domains
import synthetic_fanout

ARMS = {"dense": 1, "m3": 1, "var": 8, "mdn": 8, "mop": 8, "ensemble": 8, "codebook": 8}
SWEEP = {"mop-k1": 1, "mop-k2": 2, "mop-k3": 3, "mop-k4": 4, "mop-k16": 16}
ABLATED = {  # some arms of every panel of the ablations, on every maze
    "mdn-e1-k8-l0": 8,
    "mdn-ed-k16-l01": 16,
    "mop-2k": 8,
    "mdn-2k": 8,
    "mop-anneal-slow": 8,
    "mop-fourier": 8,
    "mop-matched": 16,
    "mdn-matched": 16,
}
NLL = {"mdn": -1.0, "mdn-e1-k8-l0": -2.0, "mdn-ed-k16-l01": -1.5}  # the first variant is chosen
CONTROLS = ("displacement", "symmetrised", "train-edges", "majority")
CELLS = {"medium-stitch": 26, "teleport": 45, "large-stitch": 46}
DATASETS = {
    "medium-stitch": "pointmaze-medium-stitch",
    "teleport": "pointmaze-teleport-navigate",
    "large-stitch": "pointmaze-large-stitch",
}
PLANNERS = [
    ("raw", "dijkstra", "neglogpi"),
    ("gated", "dijkstra", "neglogpi"),
    ("raw", "dijkstra", "uniform"),
]


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def readout(rng, maze, method, skill, heads, gated):
    """One readout (`raw` or `gated`) of an audit, better with more skill (0..1)."""
    control = heads is None
    real = float(np.clip(skill * (0.5 if gated else 1) + rng.normal(0, 0.03), 0, 1))
    plan = float(np.clip(1.4 * real + rng.normal(0, 0.02), 0, 1))
    teleport = maze == "teleport" and not control
    static = method.startswith("codebook")
    cov = 1.0 if static else float(np.clip(0.25 + 0.75 * skill * (0.7 if gated else 1), 0, 1))
    variant = {"plan_all": plan, "realroute": 0.9 * real, "precision": 0.5}
    codes = int(rng.integers(6, 9))
    distance = [
        {"d": d, "n": 40 - d, "realroute": float(real ** (0.3 * d)), "plan_all": float(plan ** (0.3 * d))}
        for d in range(1, 17)
    ]
    matches = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
    return {
        "plan_all": plan,
        "found_rate": plan,
        "official_goal": float(rng.choice([0, 0.2, 0.4, 0.6])),
        "realroute": real,
        "realroute_found": 0.7 * real,
        "firstpath": 0.6 * real,
        "realroute_new": None if maze == "teleport" else 0.3 * real,
        "realroute_known": real,
        "precision": float(np.clip(0.3 + 0.3 * skill, 0, 1)),
        "recall_train": 0.8 * real,
        "recall_heldout": 0.1 * real,
        "n_edges": codes * (CELLS[maze] - 1) if static else int(CELLS[maze] * (1 + (1 - 0.3 * gated) * skill)),
        "n_distinct_decoded": codes,
        "votes": None if control else variant,
        "exclude_own": None if control else variant,
        "distance": distance,
        "cov_r": cov if teleport else None,
        "cov_p": 0.8 if teleport else None,
        "cov_r_over_shuffle_off": (1.0 if static else 1.0 + 2 * skill) if teleport else None,
        "cov_r_over_shuffle_permuted": (1.0 if static else 1.0 + skill) if teleport else None,
        "match_sweep": [{"match": m, "cov_r": cov * (1.4 - m), "cov_p": 0.8} for m in matches] if teleport else [],
    }


def audit(rng, method, maze, seed, heads, skill):
    gated = None if heads is None else readout(rng, maze, method, skill, heads, gated=True)
    if gated is not None:
        gated["gate_sweep"] = [
            {"gate": t, "cov_r": 0.8 - 1.5 * t, "cov_p": 0.9, "shuffle_off": 0.25}
            for t in (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4)
            if maze == "teleport"
        ]
    held_out = seed % 3
    return {
        "method": method,
        "maze": maze,
        "seed": seed,
        "split_seed": seed,
        "K": heads,
        "gate": None if heads is None else 0.5,
        "match": None if heads is None else 0.65,
        "ceilings": {
            "train_graph_realroute": 0.4 + 0.01 * seed,
            "gated_cov_r": 1 - held_out / 6 if maze == "teleport" else None,
            "n_heldout": 11,
            "n_heldout_teleport": held_out if maze == "teleport" else 0,
        },
        "raw": readout(rng, maze, method, skill, heads, gated=False),
        "gated": gated,
        "validation": {"nll": NLL[method] - 0.01 * seed, "nll_gaussian": -90 * NLL[method]} if method in NLL else None,
    }


def run(rng, readout, planner, cost, repair, chance, episodes):
    """One run of an execution file: 5 tasks, each with some episodes."""
    played = [
        {
            "task": task,
            "episode": episode,
            "success": int(rng.random() < chance),
            "steps": 300,
            "replans": 1,
            "removed": 0,
        }
        for task in range(1, 6)
        for episode in range(episodes)
    ]
    return {"readout": readout, "planner": planner, "cost": cost, "repair": repair, "episodes": played}


def execution(rng, method, maze, seed, skill, episodes=20):
    if method == "truth":
        runs = [run(rng, "raw", "dijkstra", "neglogpi", "full", 1.0, episodes)]
    elif method == "truth-corrupted":
        chances = {"none": 0.4, "stall": 0.5, "full": 1.0}
        runs = [run(rng, "raw", "dijkstra", "neglogpi", repair, p, episodes) for repair, p in chances.items()]
    else:
        planners = [*PLANNERS, *([("raw", "expected", "neglogpi")] if maze == "teleport" else [])]
        runs = [run(rng, *planner, "full", skill, episodes) for planner in planners]
    return {"method": method, "maze": maze, "seed": seed, "max_steps": 1000, "runs": runs}


def results(files):
    """All recorded results of `make`."""
    return [path for kind, paths in files.items() if kind != "tags" for path in paths]


def cell_of(kind, path):
    """The cell (see jepa.reporting.contents.needs) of a file of `make`."""
    if kind == "domains":
        return kind, "all", path.parts[-2]
    return kind, *(path.parts[-4:-2] if kind == "evals" else path.parts[-3:-1])


def cells_of(files):
    """Every cell that has a file, once."""
    return list(dict.fromkeys(cell_of(kind, path) for kind in files if kind != "tags" for path in files[kind]))


def only(files, cells):
    """`files` without those of other cells; all tags."""
    return {
        kind: [path for path in paths if kind == "tags" or cell_of(kind, path) in cells]
        for kind, paths in files.items()
    }


def make(folder, seeds=3, mazes=tuple(CELLS), arms=tuple(ARMS), domains=None, tag="same"):
    """Write a whole grid below `folder`. Returns {"audits": paths, "evals", "fanout", "domains", "tags"}.

    domains: those that are run, each with every arm; None for all of them where all mazes are.
    """
    rng = np.random.default_rng(0)
    skills = {
        "dense": 0.05,
        "m3": 0.06,
        "var": 0.04,
        "mdn": 0.35,
        "mop": 0.6,
        "ensemble": 0.06,
        "codebook": 0.02,
    }
    skills |= {
        "mop-k1": 0.05,
        "mop-k2": 0.3,
        "mop-k3": 0.5,
        "mop-k4": 0.55,
        "mop-k16": 0.65,
        "codebook-teleport": 0.02,
    }
    skills |= {arm: 0.3 if arm.startswith("mdn") else 0.5 for arm in ABLATED}
    skills |= {"displacement": 0.95, "symmetrised": 0.85, "train-edges": 0.4, "majority": 0.1}
    heads = {**{arm: ARMS[arm] for arm in arms}, **dict.fromkeys(CONTROLS)}
    files = {"audits": [], "evals": [], "tags": []}
    for maze in mazes:
        methods = heads | ({**SWEEP, "codebook-teleport": 8} if maze == "teleport" else {})
        methods |= {arm: K for arm, K in ABLATED.items() if arm.partition("-")[0] in arms}
        for seed in range(seeds):
            for method, K in methods.items():
                path = folder / "audits/mop" / method / maze / f"seed{seed}.json"
                files["audits"].append(write(path, audit(rng, method, maze, seed, K, skills[method])))
            for method in (*arms, "truth", "truth-corrupted"):
                path = folder / "evals/mop" / method / maze / f"seed{seed}/execution.json"
                skill = skills.get(method, 1.0)
                files["evals"].append(write(path, execution(rng, method, maze, seed, skill)))
        facts = {"dataset": DATASETS[maze], "tag": tag, "source": "generate"}
        files["tags"].append(write(folder / f"{DATASETS[maze]}.provenance.json", facts))
    files["fanout"] = synthetic_fanout.make(folder, seeds, mazes, arms)
    if domains is None:
        domains = tuple(synthetic_domains.DATASETS) if len(mazes) == len(CELLS) else ()
    beyond = synthetic_domains.make(folder, seeds, domains, tag)
    files["domains"] = beyond["domains"]
    files["tags"] += beyond["tags"]
    return files
