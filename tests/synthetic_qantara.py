"""Synthetic Qantara results for the tests of reporting: valid files with random numbers that mean nothing."""

import json

import numpy as np

from jepa.reporting.qantara_grid import FLOORS, MODE_RECIPES, OTHER_RECIPES

RECIPES = (*MODE_RECIPES, *OTHER_RECIPES)
DISPATCHES = [("cem", k) for k in (1, 2, 4, 8)] + [("bc", k) for k in (1, 2, 4, 8)] + [("video-inverse", 2)]
PAIRS = 40
MANIFEST = {"hash": "abc", "n": PAIRS, "offset": 25, "budget": 50}
SKILLS = {"cem": 0.95, "bc": 0.5, "video-inverse": 0.55}
FLOOR_SKILLS = {"random": 0.2, "stand-still": 0.0, "goal-blind": 0.45, "replay": 1.0}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def played(rng, chance):
    """Episodes on the pairs, of which every tenth is solved at t = 0."""
    return [
        {
            "pair": pair,
            "eval_seed": 0,
            "success": int(pair % 10 == 0 or rng.random() < chance),
            "steps": 30,
            "solved_at_start": int(pair % 10 == 0),
        }
        for pair in range(PAIRS)
    ]


def dense(rng, recipe, env, seed):
    lewm = recipe == "lewm"
    forward = 0.02 + 0.05 * rng.random()
    return {
        "recipe": recipe,
        "env": env,
        "seed": seed,
        "forward_error": forward,
        "copy_error": 0.4,
        "forward_over_copy": forward / 0.4,
        "open_loop_error": 3 * forward,
        "inverse_error": None if lewm else 0.1 + 0.1 * rng.random(),
        "bc_error": None if lewm else 0.8 + 0.1 * rng.random(),
        "participation_ratio": 12 + rng.random(),
        "parameters": 215_432,
        "final_bridge_loss": forward * 1.3,
        "final_flow_loss": None if lewm else 0.9,
    }


def make(folder, envs=("two_room",), recipes=RECIPES, seeds=3, tag="same"):
    """Write a grid below `folder`. Returns {"results": paths, "tags": paths}."""
    rng = np.random.default_rng(0)
    base = folder / "evals/qantara"
    files = {"results": [], "tags": []}
    for env in envs:
        for place, recipe in enumerate(recipes):
            for seed in range(seeds):
                cell = {"recipe": recipe, "env": env, "seed": seed}
                where = base / recipe / env / f"seed{seed}"
                files["results"].append(write(where / "dense.json", dense(rng, recipe, env, seed)))
                collapsed = recipe == "drop-policy" and seed == 0
                for dispatch, k in DISPATCHES:
                    skill = 0.05 if collapsed else SKILLS[dispatch] - 0.01 * place
                    value = cell | {"dispatch": dispatch, "k": k, "manifest": MANIFEST, "protocol": "repaired"}
                    value |= {"episodes": played(rng, skill), "latency_ms": 400 * k if dispatch == "cem" else 20 * k}
                    files["results"].append(write(where / f"{dispatch}-k{k}.json", value))
        floors = {name: {"episodes": played(rng, FLOOR_SKILLS[name])} for name in FLOORS}
        value = {"env": env, "manifest": MANIFEST, "floors": floors, "solved_at_start": 0.1}
        files["results"].append(write(base / "floors" / f"{env}.json", value))
        files["tags"].append(write(folder / f"{env}.provenance.json", {"dataset": env, "tag": tag}))
    return files
