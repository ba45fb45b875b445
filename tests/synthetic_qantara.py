"""Synthetic Qantara results for the tests of reporting: valid files with random numbers that mean nothing."""

import json

import numpy as np

from jepa.reporting.qantara_grid import BASELINES, ENVS, FLOORS, MODE_RECIPES, RECIPES

SEEDS = {"two_room": 3, "push_t": 2}  # training seeds; one elsewhere
TAGS = {"push_t": "same", "two_room": "same", "cube": "official", "reacher": "kind"}
GENERATORS = {"push_t": "noisy replays of human demonstrations, noise 0.1", "cube": "planning oracle"}
PAIRS = 40
MANIFEST = {"hash": "abc", "n": PAIRS, "offset": 25, "budget": 50}
SKILLS = {"cem": 0.95, "bc": 0.5, "video-inverse": 0.55, "gcbc": 0.8}
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


def evals_of(recipe):
    """The dispatches that a recipe is evaluated with: [(dispatch, K), ...]."""
    if recipe == "gcbc":
        return [("gcbc", 1)]
    if recipe == "default":
        return [(dispatch, k) for dispatch in ("cem", "bc") for k in (1, 2, 4, 8)] + [("video-inverse", 2)]
    if recipe in MODE_RECIPES:
        return [("cem", 4), ("bc", 2), ("video-inverse", 2)]
    if recipe == "gamma-sqrt2":
        return [("cem", k) for k in (1, 2, 4, 8)]
    return [("cem", 1 if recipe.startswith(("gamma", "no-")) else 4)]


def rates(episodes):
    """What a goal-shuffle test says of its episodes."""
    unsolved = [e["success"] for e in episodes if not e["solved_at_start"]]
    return {
        "sr": float(np.mean([e["success"] for e in episodes])),
        "sr_unsolved": float(np.mean(unsolved)),
        "n": len(episodes),
        "n_unsolved": len(unsolved),
    }


def goal_shuffle(rng, env):
    chances = {"dispatches": SKILLS, "floors": FLOOR_SKILLS}
    arms = {"own": 1, "shuffled": 0.5, "earlier": 0.7}
    test = {
        part: {
            name: {arm: rates(played(rng, chance * share)) for arm, share in arms.items()}
            for name, chance in named.items()
            if name not in ("gcbc", "goal-blind")
        }
        for part, named in chances.items()
    }
    return {
        "goal_shuffle": {
            "canvas_difference": 0,
            "render_difference": 0,
            **test,
            "reachable": {arm: {"n": 30, "bc": 0.4, "random": 0.1} for arm in arms},
        },
        "env": env,
        "seed": 0,
        "manifest": MANIFEST,
        "protocol": "repaired",
        "recipe": "default",
    }


def variants(env, episodes):
    """Success under other criteria, here of one episode more: Reacher's wrapped angles, Push-T's block alone."""
    found = rates(episodes)
    more = {key: min(1.0, found[key] + 1 / found["n"]) for key in ("sr", "sr_unsolved")}
    return {name: more for name in {"reacher": ["wrapped"], "push_t": ["block"]}.get(env, [])}


def dense(rng, recipe, env, seed):
    headless = recipe == "lewm" or recipe in BASELINES
    forward = 0.02 + 0.05 * rng.random()
    return {
        "recipe": recipe,
        "env": env,
        "seed": seed,
        "forward_error": forward,
        "copy_error": 0.4,
        "forward_over_copy": forward / 0.4,
        "open_loop_error": 3 * forward,
        "inverse_error": None if headless else 0.1 + 0.1 * rng.random(),
        "bc_error": None if headless else 0.8 + 0.1 * rng.random(),
        "participation_ratio": 12 + rng.random(),
        "parameters": 215_432,
        "final_bridge_loss": forward * 1.3,
        "final_flow_loss": None if headless else 0.9,
    }


def make(folder, envs=tuple(ENVS), recipes=tuple(RECIPES), seeds=None):
    """Write a grid below `folder`, with SEEDS unless `seeds` says otherwise. Returns {"results", "tags"}: paths."""
    rng = np.random.default_rng(0)
    base = folder / "evals/qantara"
    files = {"results": [], "tags": []}
    for env in envs:
        for place, recipe in enumerate(recipes):
            for seed in range(seeds or SEEDS.get(env, 1)):
                cell = {"recipe": recipe, "env": env, "seed": seed}
                where = base / recipe / env / f"seed{seed}"
                files["results"].append(write(where / "dense.json", dense(rng, recipe, env, seed)))
                collapsed = recipe == "drop-policy" and seed == 0
                for dispatch, k in evals_of(recipe):
                    skill = 0.05 if collapsed else SKILLS[dispatch] - 0.01 * place
                    episodes = played(rng, skill)
                    value = cell | {"dispatch": dispatch, "k": k, "manifest": MANIFEST, "protocol": "repaired"}
                    value |= {"episodes": episodes, "variants": variants(env, episodes)}
                    files["results"].append(write(where / f"{dispatch}-k{k}.json", value))
                    timing = {"dispatch": dispatch, "k": k, "latency_ms": 400 * k if dispatch == "cem" else 20 * k}
                    files["results"].append(write(where / f"{dispatch}-k{k}.timing.json", cell | timing))
        floors = {}
        for name in [n for n in FLOORS if env == "two_room" or n != "goal-blind"]:
            episodes = played(rng, FLOOR_SKILLS[name])
            floors[name] = {"episodes": episodes, "variants": variants(env, episodes)}
        value = {"env": env, "manifest": MANIFEST, "floors": floors, "solved_at_start": 0.1, "protocol": "repaired"}
        files["results"].append(write(base / "floors" / f"{env}.json", value))
        if env == "push_t" and "default" in recipes:
            where = base / "default" / env / "seed0/goal-shuffle.json"
            files["results"].append(write(where, goal_shuffle(rng, env)))
        facts = {"generator": GENERATORS[env]} if env in GENERATORS else {}
        tag = {"dataset": env, "tag": TAGS[env], "facts": facts}
        files["tags"].append(write(folder / f"{env}.provenance.json", tag))
    return files
