"""Cube: a robot arm moves one cube on a table, OGBench's ManipSpace `cube-single` (Qantara App. A).

A state has 41 columns, in metres, radians and seconds: positions, then velocities.

    0-5     joints of the arm (UR5e), from base to wrist           21-26  their velocities
    6-13    joints of the gripper (Robotiq 2F-85); 6 is its opening, 0.8 rad = closed      27-34
    14-16   x, y, z of the cube's centre; 17-20 its orientation, a quaternion (w, x, y, z)
    35-37   velocity of the cube; 38-40 its angular velocity

The cube is 4 cm wide; it and its targets start in x 0.30-0.55, y -0.30-0.30, at z = 0.02. An action moves the gripper's
set point for 0.05 s, by 5 cm along x, y and z, 0.3 rad of yaw and the whole opening at action 1. OGBench's own code
turns it into the joints' set points, and MuJoCo takes 25 steps of 2 ms. Nothing else is remembered: every step starts
with the forward kinematics of the state and without the solver's warm start, so a step is a function of state and
action, to the last bit. OGBench's environment agrees after a reset of its data and `set_state`; while it runs, it reads
the gripper's pose 2 ms late and starts its solver from the last solution.

Frames are OGBench's pixel variant, camera `front_pixels`: arm all but transparent, gripper purple, cube red. No target
is ever drawn, and the cube does not change its colour at one. Physics needs no OpenGL; the first frame does.
"""

import copy
import os
import warnings
from functools import lru_cache

import mujoco
import numpy as np

from jepa.envs import gl
from jepa.envs.batch import Batch
from jepa.errors import JepaError

POSITIONS, VELOCITIES = 21, 20
CUBE = slice(14, 17)  # columns of a state: the cube's centre
SUCCESS = 0.04  # m between the centres
QUALITIES = ("fast", "full")
QUALITY = os.environ.get("JEPA_CUBE_QUALITY", "fast")  # of frames; see set_quality
CELL = 0.006  # m; the fast meshes have one vertex in a cell of this size
SAMPLES = 2  # the fast frames are drawn this many times larger and averaged
CAMERA = "front_pixels"


def step(state, action):
    """The states after one step of 0.05 s.

    state: (N, 41) float32. action: (N, 5), clipped to [-1, 1]. Returns (N, 41) float32. Raises JepaError for an action
    that is not finite. Each row depends on nothing but its own state and action, to the last bit.
    """
    action = np.asarray(action, dtype=np.float32)
    if not np.isfinite(action).all():
        raise JepaError("A Cube action is not finite; look for NaN in the policy or in the action normalisation.")
    world = physics()
    model, data = world.model, world.data
    after = np.empty((len(state), POSITIONS + VELOCITIES), dtype=np.float32)
    for row, (before, command) in enumerate(zip(state, action.clip(-1, 1), strict=True)):
        place(before)
        world.set_control(command)
        mujoco.mj_step(model, data, nstep=world._n_steps)
        after[row] = np.concatenate([data.qpos, data.qvel])
    return after


def place(state):
    """Put the one physics of this process into a state, (41,), with the poses of all bodies; nothing else remains."""
    world = physics()
    mujoco.mj_resetData(world.model, world.data)
    world.data.qpos[:], world.data.qvel[:] = state[:POSITIONS], state[POSITIONS:]
    mujoco.mj_kinematics(world.model, world.data)


def reached(state, goal):
    """Success: the cube's centre within 4 cm of the goal's. state, goal: (..., 41). Returns (...,) bool."""
    apart = np.asarray(state)[..., CUBE] - np.asarray(goal)[..., CUBE]
    return np.sqrt((apart.astype(np.float64) ** 2).sum(-1)) <= SUCCESS


def sample_starts(n, rng):
    """Starts of demonstrations as OGBench draws them: gripper anywhere over the table, cube anywhere on it, at rest.

    rng: numpy Generator. Returns (n, 41) float32.
    """
    states = np.empty((n, POSITIONS + VELOCITIES), dtype=np.float32)
    world = physics()
    for row in range(n):
        world.reset(seed=int(rng.integers(2**31)))
        states[row] = np.concatenate([world.data.qpos, world.data.qvel])
    return states


@lru_cache(maxsize=1)
def physics():
    """OGBench's environment of this process, which all simulators share; a state is put into it with `place`."""
    with warnings.catch_warnings():
        # Its viewer is imported too, and complains where there is no display.
        warnings.filterwarnings("ignore", message=".*DISPLAY")
        from ogbench.manipspace.envs.cube_env import CubeEnv
    world = CubeEnv(env_type="single", ob_type="pixels", mode="data_collection", visualize_info=False)
    world.compute_observation = lambda: None  # it would draw a frame at every reset, and need OpenGL
    world.reset(seed=0)
    return world


def set_quality(name):
    """Draw frames from now on, in this process and those that it starts, `fast` or `full`. QUALITY is the one in force.

    full: as OGBench draws them. fast: without shadows, with coarser meshes, antialiased by averaging; in software it
    takes a twentieth of the time. Raises JepaError for another name.
    """
    global QUALITY
    QUALITY = os.environ["JEPA_CUBE_QUALITY"] = _known(name)


def render(state, size):
    """Frames of the states. state: (N, 41). Returns (N, 3, size, size) uint8 RGB.

    Raises JepaError without OpenGL, and where JEPA_CUBE_QUALITY names no quality.
    """
    quality = _known(QUALITY)
    gl.context()
    draw = _renderer(size, quality)
    frames = np.empty((len(state), 3, size, size), dtype=np.uint8)
    for row, one in enumerate(np.asarray(state)):
        frames[row] = draw(one).transpose(2, 0, 1)
    return frames


class Simulator(Batch):
    """n environments, stepped together; they share one physics and one renderer."""

    name = "Cube"
    state_dim, action_dim = POSITIONS + VELOCITIES, 5
    action_low, action_high = -np.ones(5, dtype=np.float32), np.ones(5, dtype=np.float32)
    advance, draw, success = staticmethod(step), staticmethod(render), staticmethod(reached)

    def __init__(self, n):
        super().__init__(np.repeat(sample_starts(1, np.random.default_rng(0)), n, axis=0))


def _known(quality):
    if quality not in QUALITIES:
        raise JepaError(
            f"Cube has no render quality {quality!r} (config key `quality`, or the environment variable "
            f"JEPA_CUBE_QUALITY); choose one of {', '.join(QUALITIES)}."
        )
    return quality


@lru_cache(maxsize=2)
def _renderer(size, quality):
    """A function from a state, (41,), to its frame, (size, size, 3) uint8; both qualities draw what `_scenery` has."""
    samples = SAMPLES if quality == "fast" else 1
    side = size * samples
    model = _scenery(quality, side)
    data, paint = mujoco.MjData(model), gl.painter(model, CAMERA, side)

    def draw(state):
        data.qpos[:] = state[:POSITIONS]
        mujoco.mj_kinematics(model, data)
        picture = paint(data)
        # OGBench's spotlight of 100 degrees is none for OpenGL, which would warn of it when the next buffer is made.
        mujoco.mjr_getError()
        upright = picture.reshape(size, samples, size, samples, 3).astype(np.uint16)
        return ((upright.sum(axis=(1, 3)) + samples**2 // 2) // samples**2).astype(np.uint8)

    return draw


def _scenery(quality, side):
    """A copy of the model for drawing frames of side x side pixels; the physics keeps its own."""
    model = copy.deepcopy(physics().model)
    model.vis.global_.offwidth = model.vis.global_.offheight = side
    model.geom_rgba[model.geom("target_object_0").id, 3] = 0
    if quality == "fast":
        model.vis.quality.shadowsize = model.vis.quality.offsamples = 0
        model.light_castshadow[:] = False
        for mesh in range(model.nmesh):
            _coarsen(model, mesh)
    return model


def _coarsen(model, mesh):
    """Merge the vertices of a mesh that share a cell, and drop the faces that collapse or coincide; in place."""
    vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
    address, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    cells = np.floor(vertices / CELL).astype(np.int64)
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    corners = cell.reshape(-1)[model.mesh_face[address : address + count]]
    ordered, index = np.unique(np.sort(corners, axis=1), axis=0, return_index=True)
    kept = np.sort(index[(np.diff(ordered, axis=1) > 0).all(1)])
    model.mesh_face[address : address + len(kept)] = first[corners[kept]]
    model.mesh_facenormal[address : address + len(kept)] = model.mesh_facenormal[address + kept]
    model.mesh_facenum[mesh] = len(kept)
