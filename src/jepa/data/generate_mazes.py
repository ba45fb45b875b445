"""The official OGBench generation of the point-maze datasets, sample for sample, seeded and fast.

An oracle walks the point towards its goal: the action is the unit direction of the next cell on a shortest
path plus N(0, 0.5^2), clipped to [-1, 1]. Each step logs one row, with the state before the step. The
validation episodes follow the training episodes in the same random stream.

    observation      o0  o1  o2           what the environment returned last
    qpos, qvel       q0  q1  q2           the simulator's state; after a teleport it is newer than o
    action           a0  a1  a2           chosen at q
    terminal          0   0   1           the last row of an episode; its action has no successor

`SimulatorWalker` is the official loop. `FastWalker` draws the same numbers in the same order, but remembers
the oracle's answer for each (cell, goal cell) and asks MuJoCo only where a wall can be touched: 13 times
faster.
"""

import math
from importlib.metadata import version

import mujoco
import numpy as np
from tqdm import tqdm

from jepa.envs.point_maze import MAZES, NEIGHBOURS, make_env
from jepa.errors import JepaError
from jepa.files import atomic_path

NOISE = 0.5  # standard deviation of the action noise
STITCH_DISTANCE = 4  # cells between the start and the goal of a stitch episode
STEP = 0.2  # PointEnv moves by STEP * action
BODY_REACH = 0.701  # radius of the point's body, 0.7, and a margin for rounding
ROW = {"observations": slice(0, 2), "actions": slice(2, 4), "qpos": slice(4, 6), "qvel": slice(6, 8)}


def generate(dataset, train_path, val_path, seed, train_episodes=None, progress=True):
    """Generate one dataset and write its training and validation file, each complete or not at all.

    dataset: file stem such as `pointmaze-teleport-navigate`. train_episodes: None for the official size; the
    validation file gets a tenth as many, at least one. progress: show a bar on stderr. The same arguments
    give the same bytes.

    Files hold observations, actions, qpos, qvel: (N, 2) float32 and terminals: (N,) bool. Returns the facts
    that provenance needs: generator, versions, seed, train_episodes, val_episodes, episode_steps,
    official_size. Raises JepaError for an unknown dataset or fewer than one episode.
    """
    spec = dataset_spec(dataset)
    train = spec.train_episodes if train_episodes is None else train_episodes
    if train < 1:
        raise JepaError(f"{dataset} cannot be generated with {train} training episodes; ask for at least 1.")
    val = max(1, train // 10)
    rows = generate_rows(spec, train + val, seed, FastWalker, progress)
    for path, part in ((train_path, rows[:train]), (val_path, rows[train:])):
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **as_arrays(part))
    return {
        "generator": "official OGBench point-maze algorithm (jepa.data.generate_mazes)",
        "versions": {package: version(package) for package in ("ogbench", "mujoco", "gymnasium", "numpy")},
        "seed": seed,
        "train_episodes": train,
        "val_episodes": val,
        "episode_steps": spec.episode_steps,
        "official_size": train == spec.train_episodes,
    }


def dataset_spec(dataset):
    """The MazeSpec that a dataset name belongs to. Raises JepaError for an unknown name."""
    for spec in MAZES.values():
        if spec.dataset == dataset:
            return spec
    known = ", ".join(spec.dataset for spec in MAZES.values())
    raise JepaError(f"There is no point-maze dataset named {dataset!r}; choose one of {known}.")


def as_arrays(rows):
    """The arrays of a dataset file, by their official keys. rows: (episodes, steps, 8) float32."""
    episodes, steps, _ = rows.shape
    flat = rows.reshape(episodes * steps, -1)
    terminals = np.zeros((episodes, steps), dtype=bool)
    terminals[:, -1] = True
    return {**{key: flat[:, columns] for key, columns in ROW.items()}, "terminals": terminals.reshape(-1)}


def generate_rows(spec, episodes, seed, walker, progress=False):
    """Walk `episodes` episodes in one stream. Returns (episodes, steps, 8) float32, columns as in ROW.

    walker: FastWalker or SimulatorWalker. Maze noise, goals and teleports come from numpy's global generator,
    because ogbench takes them there; it is seeded (with 32 bits of `seed`) for the duration of this call and
    put back afterwards. A goal that was reached is replaced in `navigate` data only.
    """
    env = make_env(spec.name, terminate_at_goal=False, max_episode_steps=spec.episode_steps)
    maze = env.unwrapped
    starts, vertices = free_cells(maze.maze_map)
    walk = walker(env)
    rows = np.empty((episodes, spec.episode_steps, 8), dtype=np.float32)

    def new_goal():
        return vertices[np.random.randint(len(vertices))]

    before = np.random.get_state()
    try:
        np.random.seed(seed % 2**32)
        env.action_space.seed(seed)
        for episode in tqdm(range(episodes), desc=spec.dataset, unit="episode", disable=not progress):
            start = starts[np.random.randint(len(starts))]
            if spec.dataset_type == "stitch":
                near = cells_at_distance(maze.maze_map, start, STITCH_DISTANCE)
                goal = near[np.random.randint(len(near))] if near else start
            else:
                goal = new_goal()
            task = {"task_info": {"init_ij": start, "goal_ij": goal}}
            observation, _ = env.reset(seed=seed if episode == 0 else None, options=task)
            next_goal = new_goal if spec.dataset_type == "navigate" else None
            rows[episode] = walk(observation, next_goal)
    finally:
        np.random.set_state(before)
        env.close()
    return rows


def free_cells(maze_map):
    """Free cells in row-major order, and those that are no hallway (open on two opposite sides only)."""
    free = [(int(i), int(j)) for i, j in np.argwhere(maze_map == 0)]

    def is_hallway(i, j):
        up, left, down, right = (maze_map[i + di, j + dj] == 0 for di, dj in NEIGHBOURS)
        return up == down and left == right and up != left

    return free, [cell for cell in free if not is_hallway(*cell)]


def cells_at_distance(maze_map, start, distance):
    """Cells `distance` moves away from `start`, in the order in which a breadth-first search finds them."""
    seen, layer = {start}, [start]
    for _ in range(distance):
        following = []
        for i, j in layer:
            for di, dj in NEIGHBOURS:
                cell = (i + di, j + dj)
                if maze_map[cell] == 0 and cell not in seen:
                    seen.add(cell)
                    following.append(cell)
        layer = following
    return layer


class SimulatorWalker:
    """The official loop, step by step through the environment: the reference for `FastWalker`."""

    def __init__(self, env):
        self.env = env

    def __call__(self, observation, next_goal=None):
        """Walk one episode. observation: (2,), what the reset returned.

        next_goal: draws the next goal cell (i, j) when one is reached; None keeps the first goal.
        Returns (steps, 8) float64, columns as in ROW.
        """
        env, maze = self.env, self.env.unwrapped
        rows, done = [], False
        while not done:
            subgoal, _ = maze.get_oracle_subgoal(maze.get_xy(), maze.cur_goal_xy)
            direction = subgoal - maze.get_xy()
            direction = direction / (np.linalg.norm(direction) + 1e-6)
            action = np.clip(direction + np.random.normal(0, NOISE, direction.shape), -1, 1)
            following, _, terminated, truncated, info = env.step(action)
            rows.append(np.concatenate([observation, action, info["prev_qpos"], info["prev_qvel"]]))
            if info["success"] and next_goal is not None:
                maze.set_goal(next_goal())
            observation, done = following, terminated or truncated
        return np.array(rows)


class FastWalker:
    """Returns what `SimulatorWalker` returns, bit for bit, with the same draws from the global generator.

    No force acts on a point that touches no wall: it is at rest after the step, where the action put it.
    MuJoCo is called only when the square around the body reaches into a wall cell, and the oracle once per
    (cell, goal cell).
    """

    def __init__(self, env):
        self.maze = maze = env.unwrapped
        self.steps = env.spec.max_episode_steps
        self.free = (maze.maze_map == 0).tolist()
        self.subgoals = {}
        teleports = maze._teleport_info or {}
        self.inbound = teleports.get("teleport_in_xys", [])
        self.destinations = teleports.get("teleport_out_xys", [])
        self.teleport_reach = 1.5 * teleports.get("teleport_radius", 0)
        self.difference = np.empty(2)

    def __call__(self, observation, next_goal=None):
        """As `SimulatorWalker.__call__`."""
        maze, data = self.maze, self.maze.data
        rows = []
        (seen_x, seen_y), (x, y), (vx, vy) = observation.tolist(), data.qpos.tolist(), data.qvel.tolist()
        for _ in range(self.steps):
            # Choose the action.
            goal_x, goal_y = maze.cur_goal_xy
            subgoal_x, subgoal_y = self.subgoal(x, y, goal_x, goal_y)
            dx, dy = subgoal_x - x, subgoal_y - y
            distance = self.length(dx, dy) + 1e-6
            noise_x, noise_y = np.random.normal(0, NOISE, 2).tolist()
            action_x = min(max(dx / distance + noise_x, -1.0), 1.0)
            action_y = min(max(dy / distance + noise_y, -1.0), 1.0)
            rows.append((seen_x, seen_y, action_x, action_y, x, y, vx, vy))

            # Move.
            x, y, vx, vy = x + STEP * action_x, y + STEP * action_y, 0.0, 0.0
            if self.touches_wall(x, y):
                data.qpos[:] = x, y
                data.qvel[:] = 0.0
                mujoco.mj_step(maze.model, data, nstep=maze.frame_skip)
                (x, y), (vx, vy) = data.qpos.tolist(), data.qvel.tolist()
            else:
                data.qacc_warmstart[:] = 0.0  # what a free step leaves for the next contact to start from
            seen_x, seen_y = x, y

            # Success is judged before the teleport, and the observation is older than the teleport.
            success = self.length(x - goal_x, y - goal_y) <= maze._goal_tol
            for in_x, in_y in self.inbound:
                if self.length(x - in_x, y - in_y) <= self.teleport_reach:
                    x, y = map(float, self.destinations[np.random.randint(len(self.destinations))])
                    break
            if success and next_goal is not None:
                maze.set_goal(next_goal())
        return np.array(rows)

    def subgoal(self, x, y, goal_x, goal_y):
        """The oracle's next cell centre, which depends on the two cells only."""
        key = (self.row(y), self.column(x), self.row(goal_y), self.column(goal_x))
        if key not in self.subgoals:
            self.subgoals[key] = self.maze.get_oracle_subgoal((x, y), (goal_x, goal_y))[0].tolist()
        return self.subgoals[key]

    def touches_wall(self, x, y):
        """Whether the square around the body has a corner in a wall cell (cells are larger than the body)."""
        top, bottom = self.free[self.row(y - BODY_REACH)], self.free[self.row(y + BODY_REACH)]
        left, right = self.column(x - BODY_REACH), self.column(x + BODY_REACH)
        return not (top[left] and top[right] and bottom[left] and bottom[right])

    def row(self, y):
        maze = self.maze
        return int((y + maze._offset_y + 0.5 * maze._maze_unit) / maze._maze_unit)

    def column(self, x):
        maze = self.maze
        return int((x + maze._offset_x + 0.5 * maze._maze_unit) / maze._maze_unit)

    def length(self, dx, dy):
        """`np.linalg.norm` without its overhead; `dot` may fuse its multiply-adds, plain Python does not."""
        self.difference[0], self.difference[1] = dx, dy
        return math.sqrt(self.difference.dot(self.difference))
