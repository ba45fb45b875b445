"""Names of the Qantara grid: environments, recipes, dispatches, floors; which cells the grids run.

Light on purpose: the Snakefile imports it, so nothing here needs numpy or pandas.
"""

import re

from jepa.reporting.layout import Row

ENVS = {"push_t": "Push-T", "two_room": "Two-Room", "cube": "Cube", "reacher": "Reacher"}  # the paper's column order
DISPATCHES = {"cem": "CEM", "bc": "BC", "video-inverse": "video-inverse", "gcbc": "GCBC"}
MODE_RECIPES = {  # Table 3, in its order
    "default": "5-mode (reference)",
    "uniform": "5-mode uniform",
    "drop-policy": "4-mode drop-{policy}",
    "drop-inverse": "4-mode drop-{inverse}",
    "drop-video": "4-mode drop-{video}",
    "drop-joint": "4-mode drop-{joint}",
    "forward-policy-inverse": "3-mode {forward, policy, inverse}",
    "forward-policy": "2-mode {forward, policy}",
    "video-inverse": "2-mode {video, inverse}",
    "forward": "1-mode {forward}",
    "forward-uniform": "1-mode uniform",
}
OTHER_RECIPES = {
    "gamma-0": "γ = 0",
    "gamma-0.5": "γ = 0.5",
    "gamma-sqrt2": "γ = √2",
    "gamma-2": "γ = 2",
    "no-residual": "no residual",
    "no-bridge": "no residual, no bridge",
    "tau-iid": "i.i.d. τ, 5 modes",
    "tau-iid-3mode": "i.i.d. τ, 3 modes",
    "dropout-0.1": "dropout 0.1",
    "lewm": "LeWM (reproduction)",
}
BASELINES = {
    "pldm": "PLDM (retrained)",
    "dino-wm": "DINO-WM (retrained; needs DINOv2's weights)",
    "random-features": "frozen random encoder (stand-in, not DINO-WM)",
    "gcbc": "GCBC",
}
RECIPES = MODE_RECIPES | OTHER_RECIPES | BASELINES
FLOORS = {
    "random": "random actions",
    "stand-still": "stand still (already solved)",
    "goal-blind": "goal-blind expert (sees no goal)",
    "replay": "replay of the demonstration",
}
COMPARED = frozenset(RECIPES)
GROUPS = {
    "arms": "this pipeline",
    "external": "as published by Maes et al., in their pipeline",
    "floors": "floors",
    "ceiling": "references",
    "count": "size",
}
PROTOCOLS = {  # how evaluation is kept apart from training: what tables say of it
    "repaired": "pairs from held-out episodes",
    "released": "pairs from the training file, training windows split by clip",
}
AT_FLOOR = "at floor"  # what a measured SR says of itself when it does not exceed random actions on the same pairs
COLLAPSED = 15.0  # a population deviation above this many SR is marked with a dagger (Table 3)

FLOOR_ROWS = tuple(
    Row(name, label, (name,), "ceiling" if name in ("goal-blind", "replay") else "floors")
    for name, label in FLOORS.items()
)
COUNT_ROW = Row("episodes", "episodes of the reference", group="count")
REFERENCE_ROWS = (*FLOOR_ROWS, COUNT_ROW)

DISPATCH = re.compile(rf"\b(?:{'|'.join(DISPATCHES)})-k\d+\b")
FROM_DENSE = (
    "dense",
    "lower",
    "over_reference",
    "parameters",
    "spearman",
)  # quantities that read the dense diagnostics
BESIDE_REFERENCE = ("over_reference",)  # ... and those of the default recipe
BESIDE_FLOOR = ("sr", "unsolved")  # quantities that are compared with random actions on the same pairs
FROM_FLOORS = ("pairs", "solved")
TIMED = ("latency", "speedup")  # quantities that a clock tells: another run gives other numbers
FROM_SHUFFLE = (
    "canvas",
    "shuffle",
    "shuffle_difference",
    "shuffle_episodes",
    "shuffle_reached",
    "shuffle_wilson",
)


def cells_of(quantity, methods, places):
    """Cells that a quantity reads: ("evals" or "timings", recipe, env, "cem-k4"), ("dense" or "goal_shuffle", recipe,
    env), or ("floors", env)."""
    name, _, argument = quantity.partition(":")
    dispatches = DISPATCH.findall(argument)
    recipes = [method for method in methods if method not in FLOORS]
    of_floors = len(recipes) < len(methods) or name in FROM_FLOORS or (recipes and name in BESIDE_FLOOR)
    cells = [("floors", env) for env in places if of_floors]
    for env in places:
        played = "timings" if name in TIMED else "evals"
        cells += [(played, recipe, env, dispatch) for recipe in recipes for dispatch in dispatches]
        if name in FROM_DENSE:
            read = [*recipes, "default"] if name in BESIDE_REFERENCE else recipes
            cells += [("dense", recipe, env) for recipe in read]
        if name in FROM_SHUFFLE:
            cells += [("goal_shuffle", recipe, env) for recipe in recipes]
    return cells


def runs(config):
    """Every Qantara cell that the grids of this scale run: {cell: number of training seeds}.

    A grid trains its recipes on its `envs` (all environments where it names none) with its `seeds`, evaluates each by
    its `evals` and takes the dense diagnostics; a recipe in several grids has the most seeds that one of them asks
    for, cell by cell. ("floors", env), ("rollouts", env), ("goal_shuffle", "default", env) and ("draws",) have no
    seeds: 0.
    """
    qantara, found = config["qantara"], {("draws",): 0}
    for grid in qantara["grids"].values():
        for env in _known(grid.get("envs", qantara["environments"]), qantara):
            found |= {("floors", env): 0}
            for recipe in grid["recipes"]:
                played = [f"{dispatch}-k{k}" for dispatch, k in grid["evals"]]
                cells = [(kind, recipe, env, name) for kind in ("evals", "timings") for name in played]
                for cell in [("dense", recipe, env), *cells]:
                    found[cell] = max(grid["seeds"], found.get(cell, 0))
                if recipe == "default":
                    found[("rollouts", env)] = 0
    for env in _known(qantara["goal_shuffle"]["envs"], qantara):
        found[("goal_shuffle", "default", env)] = 0
    return found


def _known(envs, qantara):
    """Those that the configuration has: an environment that is taken out there leaves every grid."""
    return [env for env in envs if env in qantara["environments"]]
