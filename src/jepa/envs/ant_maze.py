"""OGBench's antmaze-teleport as a simulator of its own: one ant, stepped without Gymnasium's wrappers.

Maze, cells, graph and teleports are those of the point maze `teleport` (jepa.envs.point_maze); model, tasks and oracle
are read from the environment of the installed `ogbench`.

    qpos (15,)   x, y, z of the torso; its orientation, a quaternion (w, x, y, z); hip and ankle of the four legs, rad
    qvel (14,)   velocity and angular velocity of the torso; of the eight joints
    observation  (29,) both, as they were before the teleport of the step, if there was one: the row at a jump is stale
    action (8,)  torques in [-1, 1] (of 30 Nm) for 0.1 s: hip and ankle of the legs 4, 1, 2, 3

Leg 1 points to the front left of the body, (1, 1), 2 to (-1, 1), 3 to (-1, -1), 4 to (1, -1).
"""

import functools
from pathlib import Path
from unittest import mock

import mujoco
import numpy as np
from tqdm import tqdm

from jepa.envs import gl
from jepa.envs.point_maze import maze_graph
from jepa.errors import JepaError

MAZE = "teleport"
POSITIONS, VELOCITIES = 15, 14
SUBSTEPS = 5  # of 0.02 s
TELEPORT_REACH = 1.5  # of the teleport's radius: OGBench's margin
RESET_NOISE = 0.1  # of a start: uniform in the positions, normal in the velocities
START_NOISE = 1.0  # a start or a goal lies this far from its cell's centre at most, in x and in y
GOAL_REACH = 0.5  # success: this far from the goal
SIDE = 64  # px, of a frame
SHADOWS = 1024  # px, of the shadow map; OGBench's 4096 takes 2.4 times as long in software
CAMERA = "back"


def environment(name="antmaze-teleport-v0"):
    """OGBench's own environment, from which the simulator takes model, teleports and oracle."""
    import gymnasium
    import ogbench.locomaze  # noqa: F401  (registers the environments)

    env = gymnasium.make(name, terminate_at_goal=False, disable_env_checker=True).unwrapped
    # ogbench passes the maze to MuJoCo through a temporary file that it never removes.
    Path(env.fullpath).unlink(missing_ok=True)
    return env


@functools.cache
def _maze():
    return environment()


@functools.cache
def subgoal(cell, goal_cell):
    """Centre of the next cell on a shortest walk between two cells (i, j), by OGBench's oracle. Returns (x, y).

    The oracle knows no teleports. It answers with the ant's own cell when it is the goal's, or when no walk exists.
    """
    maze = _maze()
    answer, _ = maze.get_oracle_subgoal(maze.ij_to_xy(cell), maze.ij_to_xy(goal_cell))
    return tuple(map(float, answer))


def upright(qpos):
    """Vertical part of the torso's up-axis, 1 when it stands and below 0 on its back. qpos: (..., 15)."""
    qpos = np.asarray(qpos)
    return 1 - 2 * (qpos[..., 4] ** 2 + qpos[..., 5] ** 2) / (qpos[..., 3:7] ** 2).sum(-1)


def yaw(qpos):
    """Heading of the body's x-axis in the plane, rad. qpos: (..., 15)."""
    w, x, y, z = np.moveaxis(np.asarray(qpos)[..., 3:7], -1, 0)
    return np.arctan2(2 * (w * z + x * y), w**2 + x**2 - y**2 - z**2)


class Ant:
    """One ant in the maze. All simulators of a process share the model and own their state."""

    def __init__(self):
        maze = _maze()
        self.model, self.data = maze.model, mujoco.MjData(maze.model)
        self.start = maze.init_qpos.copy()
        self.inbound = np.array(maze._teleport_info["teleport_in_xys"], dtype=np.float64)
        self.destinations = np.array(maze._teleport_info["teleport_out_xys"], dtype=np.float64)
        self.reach = TELEPORT_REACH * maze._teleport_info["teleport_radius"]

    @property
    def qpos(self):
        return self.data.qpos.copy()

    @property
    def qvel(self):
        return self.data.qvel.copy()

    @property
    def xy(self):
        return self.data.qpos[:2].copy()

    def observation(self):
        """(29,) of the present state."""
        return np.concatenate([self.data.qpos, self.data.qvel])

    def reset(self, xy, rng):
        """Put an ant at xy, (2,), in OGBench's noisy standing pose. rng: numpy Generator. Returns its observation."""
        qpos = self.start + rng.uniform(-RESET_NOISE, RESET_NOISE, POSITIONS)
        qpos[:2] = xy
        self.set_state(qpos, RESET_NOISE * rng.standard_normal(VELOCITIES))
        return self.observation()

    def set_state(self, qpos, qvel):
        """Place the ant exactly; nothing else remains of what was. qpos: (15,). qvel: (14,)."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        mujoco.mj_forward(self.model, self.data)

    def step(self, action, rng):
        """0.1 s, then the teleport if the ant stands in one: rng draws its destination, each with the same chance.

        action: (8,), clipped to [-1, 1] by MuJoCo. Returns the observation, (29,), as it was before a teleport, and
        whether there was one. Raises JepaError for an action that is not finite.
        """
        if not np.isfinite(action).all():
            raise JepaError("An ant's action is not finite; look for NaN in the policy.")
        data = self.data
        data.ctrl[:] = action
        mujoco.mj_step(self.model, data, nstep=SUBSTEPS)
        seen = self.observation()
        away = self.inbound - data.qpos[:2]
        teleports = bool(((away**2).sum(-1) <= self.reach**2).any())
        if teleports:
            data.qpos[:2] = self.destinations[rng.integers(len(self.destinations))]
            mujoco.mj_forward(self.model, data)
        return seen, teleports


def graph():
    """The MazeGraph of the ant's maze: cells, true transitions and teleports."""
    return maze_graph(MAZE)


def render(qpos, shadows=SHADOWS, progress=False):
    """Frames as visual-antmaze-teleport shows them: camera behind and above the ant, floor coloured by position.

    qpos: (N, 15). shadows: px of the shadow map; with 4096 the frames are OGBench's, to the last bit.
    Returns (N, 64, 64, 3) uint8 RGB. Raises JepaError without OpenGL.
    """
    gl.context()
    draw = _renderer(shadows)
    frames = np.empty((len(qpos), SIDE, SIDE, 3), dtype=np.uint8)
    for row, one in enumerate(tqdm(qpos, desc="frames", unit="frame", disable=not progress)):
        frames[row] = draw(one)
    return frames


@functools.lru_cache(maxsize=2)
def _renderer(shadows):
    """A function from qpos, (15,), to its frame, (64, 64, 3) uint8."""
    model = _scenery()
    model.vis.quality.shadowsize = shadows
    data, paint = mujoco.MjData(model), gl.painter(model, CAMERA, SIDE)

    def draw(qpos):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)  # the camera follows the ant's centre of mass
        return paint(data)

    return draw


def _scenery():
    """The model that OGBench's pixel variant draws: walls grey, floor coloured by position, one leg white."""
    with mock.patch("mujoco.Renderer"):  # its environment would open a second OpenGL context
        return environment("visual-antmaze-teleport-v0").model
