"""Reacher: a two-link arm in the plane, the physics of dm_control's `reacher` (Qantara App. A), many arms at once.

State, (N, 4): shoulder and wrist angle (rad; the shoulder turns without limit and is not wrapped, the wrist within
160 degrees), then their velocities (rad/s). Action, (N, 2): torques of shoulder and wrist as a share of 0.05 N m.

A step lasts 0.04 s: two control steps of 0.02 s with the same action (action repeat 2). After each step the state is
rounded to float32 and the solver starts afresh, so a stored state and the same actions give the same future to the
last bit. The target disc of dm_control's task is not drawn and not part of the state, as in the released
environment: goals are postures. Success is judged at the ends of steps.
"""

import functools
from importlib.resources import files

import numpy as np

from jepa.envs import gl
from jepa.envs.batch import Batch
from jepa.errors import JepaError

REPEAT = 2  # control steps in a step
LINK = 0.12  # m, of both links; from the shoulder to the wrist, and from there to the finger's centre
WRIST_LIMIT = np.deg2rad(160)
SUCCESS = 0.05  # rad, for each joint
CAMERA = "fixed"  # above the shoulder, looking down: dm_control's camera 0
SAMPLED = 128  # pixels of a side, at least, that are drawn before they are averaged down to small frames
OFF = ("SHADOW", "REFLECTION", "SKYBOX", "HAZE", "FOG")  # no frame shows the sky, haze or fog
# Without shadows the floor is lit less: 25 grey levels darker on average than in dm_control's own frames.
QUALITY = "no shadows, no reflections, box-filtered from at least 128 x 128 samples"


def substeps(state, action):
    """Both control steps of a step.

    state: (N, 4). action: (N, 2), clipped to [-1, 1]. Returns (N, 2, 4) float32. Raises JepaError for an action that
    is not finite. Each row depends on nothing but its own state and action, to the last bit.
    """
    state, action = np.asarray(state, dtype=np.float32), np.asarray(action, dtype=np.float64)
    if not np.isfinite(action).all():
        raise JepaError("A Reacher action is not finite; look for NaN in the policy or in the action normalisation.")
    if not len(state):
        return np.empty((0, REPEAT, 4), dtype=np.float32)
    full = np.concatenate([np.zeros((len(state), 1)), state], axis=1)  # the time comes first
    controls = np.repeat(action.clip(-1, 1)[:, None], REPEAT, axis=1)
    return _roll(full, controls)[:, :, 1:].astype(np.float32)


def step(state, action):
    """The states after one step. Arguments and errors as for `substeps`. Returns (N, 4) float32."""
    return substeps(state, action)[:, -1]


def reached(state, goal):
    """Success, `qpos_match`: every joint within 0.05 rad, turns of the shoulder counted. (..., 4). Returns bool."""
    return (np.abs(_difference(state, goal)) < SUCCESS).all(-1)


def reached_wrapped(state, goal):
    """As `reached`, but a posture is the same after a whole turn. state, goal: (..., 4). Returns (...,) bool."""
    difference = _difference(state, goal)
    turns = np.rint(difference / (2 * np.pi))
    return (np.abs(difference - 2 * np.pi * turns) < SUCCESS).all(-1)


VARIANTS = {"wrapped": reached_wrapped}


def finger(state):
    """Where the finger is. state: (..., 2 or more), angles first. Returns (..., 2) m, the shoulder at the origin."""
    state = np.asarray(state, dtype=np.float64)
    inner, outer = state[..., 0], state[..., 0] + state[..., 1]
    return LINK * np.stack([np.cos(inner) + np.cos(outer), np.sin(inner) + np.sin(outer)], axis=-1)


def render(states, size):
    """Frames of the arms from above, the target not drawn. states: (N, 4). Returns (N, 3, size, size) uint8, RGB.

    Raises JepaError where no GL backend renders.
    """
    states = np.asarray(states, dtype=np.float64)
    frames = np.empty((len(states), 3, size, size), dtype=np.uint8)
    factor = -(-SAMPLED // size)
    if not len(states):
        return frames
    canvas = _canvas(factor * size)
    canvas.activate()
    for frame, state in zip(frames, states, strict=True):
        samples = canvas.draw(state).reshape(size, factor, size, factor, 3)
        frame[:] = np.rint(samples.mean((1, 3))).transpose(2, 0, 1)
    return frames


class Simulator(Batch):
    """n independent arms that step and render together."""

    name = "Reacher"
    state_dim, action_dim = 4, 2
    action_low, action_high = np.full(2, -1, dtype=np.float32), np.full(2, 1, dtype=np.float32)
    advance, draw, success = staticmethod(step), staticmethod(render), staticmethod(reached)

    def __init__(self, n):
        super().__init__(np.zeros((n, self.state_dim)))


def _difference(state, goal):
    """Angles to go, (..., 2) float64."""
    return np.asarray(state, dtype=np.float64)[..., :2] - np.asarray(goal, dtype=np.float64)[..., :2]


@functools.cache
def _model():
    """dm_control's model with its target made invisible. dm_control itself is not imported: it would open OpenGL."""
    import mujoco

    model = mujoco.MjModel.from_xml_path(str(files("dm_control") / "suite" / "reacher.xml"))
    model.mat("target").rgba[3] = 0
    model.vis.quality.offsamples = model.vis.quality.shadowsize = 0
    return model


@functools.cache
def _workspace():
    """What `_roll` computes in: mujoco's rollout on the calling thread, and its scratch data."""
    import mujoco
    from mujoco.rollout import Rollout

    return Rollout(nthread=0), mujoco.MjData(_model())


def _roll(full, controls):
    """full: (N, 5) time and state. controls: (N, T, 2). Returns (N, T, 5); every row starts with a cold solver."""
    rollout, data = _workspace()
    return rollout.rollout(_model(), data, full, controls)[0]


class _Canvas:
    """A square of pixels into which arms are drawn, in the one GL context of this process."""

    def __init__(self, size):
        import mujoco

        gl.context()
        self._mujoco, self._model, self._size = mujoco, _model(), size
        view = self._model.vis.global_
        view.offwidth = view.offheight = size
        self._gpu = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        self._data, self._options = mujoco.MjData(self._model), mujoco.MjvOption()
        self._scene = mujoco.MjvScene(self._model, self._model.ngeom)
        for effect in OFF:
            self._scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{effect}")] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = self._model.camera(CAMERA).id

    def activate(self):
        """To be called before drawing: other renderers draw in the same context."""
        gl.context()
        self._mujoco.mjr_setBuffer(self._mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._gpu)

    def draw(self, state):
        """state: (4,). Returns (size, size, 3) uint8, the top row first."""
        mujoco, data = self._mujoco, self._data
        data.qpos[:] = state[:2]
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_camlight(self._model, data)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._camera, everything, self._scene)
        rectangle, pixels = (
            mujoco.MjrRect(0, 0, self._size, self._size),
            np.empty((self._size, self._size, 3), np.uint8),
        )
        mujoco.mjr_render(rectangle, self._scene, self._gpu)
        mujoco.mjr_readPixels(pixels, None, rectangle, self._gpu)
        return pixels[::-1]


_canvas = functools.lru_cache(maxsize=1)(_Canvas)
