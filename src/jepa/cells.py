"""Names of cells: one result is one path, and the path says everything."""

import re

from jepa.errors import JepaError

CONTROLS = ("displacement", "symmetrised", "train-edges", "majority")
EXECUTOR_CONTROLS = ("truth", "truth-corrupted")
FANOUT_ARMS = ("dense", "mdn", "mop")  # whose two-step fan-out is measured
PATTERNS = {
    "models": "results/{scale}/models/mop/{method}/{maze}/seed{seed}/model.safetensors",
    "audits": "results/{scale}/audits/mop/{method}/{maze}/seed{seed}.json",
    "evals": "results/{scale}/evals/mop/{method}/{maze}/seed{seed}/execution.json",
    "fanout": "results/{scale}/audits/mop/{method}/{maze}/fanout-seed{seed}.json",
    "domains": "results/{scale}/domains/{maze}/seed{seed}.json",  # every arm of a domain in one file
}


QANTARA_PATTERNS = {
    "evals": "results/{scale}/evals/qantara/{recipe}/{env}/seed{seed}/{name}.json",
    "timings": "results/{scale}/evals/qantara/{recipe}/{env}/seed{seed}/{name}.timing.json",
    "dense": "results/{scale}/evals/qantara/{recipe}/{env}/seed{seed}/dense.json",
    "floors": "results/{scale}/evals/qantara/floors/{env}.json",
    "goal_shuffle": "results/{scale}/evals/qantara/{recipe}/{env}/seed0/goal-shuffle.json",
    "draws": "results/{scale}/evals/qantara/draws.npz",
    "rollouts": "results/{scale}/evals/qantara/default/{env}/seed0/rollouts.npz",
}
QANTARA_EVAL = re.compile(r"/seed\d+/((cem|bc|video-inverse|gcbc)-k[1-9]\d*|dense|goal-shuffle|rollouts)\.")


def qantara_paths(scale, cell, seeds):
    """Paths of one Qantara cell, one for each training seed where it has any.

    cell: ("evals" or "timings", recipe, env, "cem-k4"), ("dense" or "goal_shuffle", recipe, env), ("floors", env),
    ("draws",) or ("rollouts", env).
    """
    kind, *rest = cell
    names = ("recipe", "env", "name") if kind in ("evals", "timings", "dense", "goal_shuffle") else ("env",)
    known = dict(zip(names, rest, strict=False))
    pattern = QANTARA_PATTERNS[kind]
    every = range(seeds) if "{seed}" in pattern else (0,)
    return [pattern.format(scale=scale, seed=seed, **known) for seed in every]


def paths_of(paper, scale, cell, seeds):
    """Paths of one cell of a paper's grids (see jepa.reporting.contents.runs), one for each training seed."""
    if paper == "qantara":
        return qantara_paths(scale, cell, seeds)
    return [path_of(cell[0], scale, *cell[1:], seed) for seed in range(seeds)]


def path_of(kind, scale, method, maze, seed):
    """Path of one cell. kind: a key of PATTERNS. method: an arm or a control."""
    return PATTERNS[kind].format(scale=scale, method=method, maze=maze, seed=seed)


def mazes_of(config, arm):
    """Mazes that an arm's grids visit at this scale, with the most seeds of those grids: {maze: seeds}."""
    mop = config["mop"]
    grids = [grid for grid in mop["grids"].values() if arm in grid["arms"]]
    visits = [(maze, grid.get("seeds", mop["seeds"])) for grid in grids for maze in grid["mazes"]]
    return {
        maze: max(seeds for visited, seeds in visits if visited == maze)
        for maze in mop["mazes"]
        if maze in dict(visits)
    }


def grid_cells(config, kind):
    """All (method, maze, seed) of one kind (a key of PATTERNS) at this scale: the grids' arms, then the controls."""
    mop = config["mop"]
    if kind == "domains":
        return [("all", domain, s) for domain in mop["domains"]["cells"] for s in range(mop["domains"]["seeds"])]
    cells = [
        (arm, maze, seed)
        for arm in mop["arms"]
        for maze, seeds in mazes_of(config, arm).items()
        for seed in range(seeds)
    ]
    controls = {"models": (), "audits": CONTROLS, "evals": EXECUTOR_CONTROLS, "fanout": ()}[kind]
    if kind == "evals":
        cells = [cell for cell in cells if cell[0] in mop["execution"]["arms"]]
    elif kind == "fanout":
        cells = [cell for cell in cells if cell[0] in FANOUT_ARMS]
    return cells + [
        (control, maze, seed) for control in controls for maze in mop["mazes"] for seed in range(mop["seeds"])
    ]


def check_target(path, config):
    """Refuse a target that looks like a cell but names something that does not exist.

    Raises JepaError in one sentence that names the part, its value and what is allowed.
    """
    parts = path.split("/")
    if parts[0] != "results" or len(parts) < 2:
        return
    if {"", ".", ".."} & set(parts):
        raise JepaError(f"target {path!r} has an empty part, . or .. in it; write it as `jepa cells` does.")
    if parts[1] != config["scale"]:
        raise JepaError(
            f"target {path!r} is of scale {parts[1]!r}, but the scale of this run is {config['scale']!r}: "
            f"add --config scale={parts[1]} if that is one of smoke, laptop, paper."
        )
    if parts[2:3] == ["domains"] and len(parts) > 4:
        _check_part(path, "domain", parts[3], config["mop"]["domains"]["cells"])
    if len(parts) < 6 or parts[2] not in PATTERNS:
        return
    if parts[3] == "qantara" and parts[4] != "floors":
        _check_part(path, "recipe", parts[4], config["qantara"]["recipes"])
        _check_part(path, "environment", parts[5], config["qantara"]["environments"])
        if parts[2] == "evals" and not re.search(QANTARA_EVAL, path):
            raise JepaError(
                f"target {path!r} must end like seed0/cem-k4.json; dispatches are cem, bc, video-inverse and gcbc, k "
                "is 1 or more, and there are dense.json and goal-shuffle.json."
            )
    if parts[3] != "mop":
        return
    kind, method, maze = parts[2], parts[4], parts[5]
    controls = {"audits": CONTROLS, "evals": EXECUTOR_CONTROLS}.get(kind, ())
    _check_part(path, "arm", method, [*config["mop"]["arms"], *controls])
    _check_part(path, "maze", maze, config["mop"]["mazes"])
    if not re.search(r"/(fanout-)?seed\d+(/|\.(graphs\.npz|provenance\.json|json)$)", path):
        raise JepaError(f"target {path!r} must name a seed as seed0, seed1, ...")


def _check_part(path, part, value, allowed):
    if value not in allowed:
        raise JepaError(f"target {path!r} names the {part} {value!r}; allowed are {', '.join(allowed)}.")
