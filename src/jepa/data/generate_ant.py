"""Navigation of an ant through the teleport maze: OGBench's antmaze-teleport-navigate with a scripted gait.

The official loop (a start anywhere, a goal in a cell that is no hallway, the oracle's next cell, a new goal when one is
reached, torque noise of 0.2) with what a walker without an expert needs:

- the gait of jepa.envs.ant_gait turns the direction into torques;
- in the cell of the goal the ant heads for the goal itself, which lies up to 1.4 from the centre and is reached at 0.5;
- an episode ends early when the ant has fallen, or has stood a while in the cell that has no way out.

A row is what the official files have (see jepa.data.generate_mazes): after a teleport the observation is older than
qpos, and the action was chosen at qpos.
"""

from importlib.metadata import version

import numpy as np
from tqdm import tqdm

from jepa.data.generate_mazes import free_cells
from jepa.envs.ant_gait import FALLEN, GAIT, NOISE, torques
from jepa.envs.ant_maze import GOAL_REACH, START_NOISE, Ant, graph, subgoal, upright
from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.random import rng_of

KIND = "scripted gait, not the OGBench expert"
OFFICIAL_EPISODES, OFFICIAL_STEPS = 1000, 1001
STARTS = ("anywhere", "teleports")
TRAPPED = 32  # rows in a cell without a way out, after which an episode ends
ARRAYS = {"observations": 29, "actions": 8, "qpos": 15, "qvel": 14}


def generate(path, seed, episodes=OFFICIAL_EPISODES, steps=OFFICIAL_STEPS, starts="anywhere", progress=True):
    """Write `episodes` episodes of at most `steps` rows to the npz file `path`, complete or not at all.

    starts: `anywhere`, or `teleports`: beside a teleport and on the way to it, so that a few short episodes hold some.
    An episode depends on the seed and its own number, not on the others. The file has observations (N, 29), actions
    (N, 8), qpos (N, 15), qvel (N, 14) float32 and terminals (N,) bool, true on the last row of an episode.

    Returns facts for provenance: generator, kind, versions, seed, episodes, rows, goals, falls, trapped, teleports.
    Raises JepaError for sizes below 1 and other starts.
    """
    if episodes < 1 or steps < 1:
        raise JepaError(f"The ant cannot walk {episodes} episodes of {steps} steps; ask for at least 1.")
    if starts not in STARTS:
        raise JepaError(f"An ant's `starts` is {starts!r}, but must be one of {', '.join(STARTS)}.")
    walker = Walker()
    bar = tqdm(range(episodes), desc="antmaze-teleport", unit="episode", disable=not progress)
    walks = [walker.episode(seed, number, steps, starts) for number in bar]
    rows = np.concatenate([rows for rows, _ in walks])
    lengths = [len(rows) for rows, _ in walks]
    terminals = np.zeros(len(rows), dtype=bool)
    terminals[np.cumsum(lengths) - 1] = True
    columns = np.split(rows, np.cumsum(list(ARRAYS.values()))[:-1], axis=1)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, terminals=terminals, **dict(zip(ARRAYS, columns, strict=True)))
    return {
        "generator": "navigation with a scripted gait (jepa.data.generate_ant)",
        "kind": KIND,
        "versions": {package: version(package) for package in ("ogbench", "mujoco", "numpy")},
        "seed": seed,
        "episodes": episodes,
        "rows": len(rows),
        **{name: sum(counts[name] for _, counts in walks) for name in ("goals", "falls", "trapped", "teleports")},
    }


class Walker:
    """One ant that walks episodes."""

    def __init__(self):
        self.ant, self.graph = Ant(), graph()
        maze_map = (self.graph.ids < 0).astype(int)
        self.free, self.vertices = free_cells(maze_map)
        self.dead = ~self.graph.adjacent.any(axis=1)

    def episode(self, seed, number, steps, starts="anywhere"):
        """Walk episode `number`. Returns rows (n, 66) float32, columns as ARRAYS, and counts of what happened."""
        rng, ant = rng_of("ant episode", seed, number), self.ant
        start, goal_cell = self.task(rng, starts)
        goal = self.near(goal_cell, rng)
        seen = ant.reset(self.near(start, rng), rng)
        rows, counts, trapped = [], {"goals": 0, "falls": 0, "trapped": 0, "teleports": 0}, 0
        for t in range(steps):
            qpos, qvel = ant.qpos, ant.qvel
            direction = self.heading(qpos[:2], goal)
            action = torques(GAIT, qpos, qvel, direction, t) + NOISE * rng.standard_normal(8)
            action = action.clip(-1, 1)
            rows.append(np.concatenate([seen, action, qpos, qvel]))
            trapped = trapped + 1 if self.dead[self.graph.cell_of(qpos[:2])] else 0
            if trapped == TRAPPED:
                counts["trapped"] = 1
                break
            seen, teleported = ant.step(action, rng)
            counts["teleports"] += teleported
            if upright(seen) < FALLEN:
                counts["falls"] = 1
                break
            if np.hypot(*(seen[:2] - goal)) <= GOAL_REACH:  # judged before the teleport
                counts["goals"] += 1
                goal = self.near(self.vertices[rng.integers(len(self.vertices))], rng)
        return np.array(rows, dtype=np.float32), counts

    def task(self, rng, starts):
        """Cells (i, j) of the start and the goal of an episode."""
        if starts == "anywhere":
            return self.free[rng.integers(len(self.free))], self.vertices[rng.integers(len(self.vertices))]
        entry = rng.choice(self.graph.inbound)
        beside = rng.choice(np.flatnonzero(self.graph.adjacent[entry]))
        return tuple(self.graph.cells[beside].tolist()), tuple(self.graph.cells[entry].tolist())

    def near(self, cell, rng):
        """A point of a cell (i, j), uniform in the square of 2 x 2 around its centre. Returns (2,)."""
        return self.graph.centres[self.graph.ids[cell]] + rng.uniform(-START_NOISE, START_NOISE, 2)

    def heading(self, xy, goal):
        """Unit direction of the walk: to the oracle's next cell, or to the goal in its own cell. Returns (2,)."""
        here, there = self.graph.cell_of(xy), self.graph.cell_of(goal)
        towards = goal if here == there else subgoal(self.place(here), self.place(there))
        away = towards - xy
        return away / (np.hypot(*away) + 1e-6)

    def place(self, cell):
        return tuple(self.graph.cells[cell].tolist())
