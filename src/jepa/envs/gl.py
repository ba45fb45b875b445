"""Which OpenGL backend renders here: found once, in a child process, so that a broken driver cannot end this one.

Physics needs none of this. Before a first frame, call `require()` and draw inside `context()`.
"""

import atexit
import importlib
import os
import subprocess
import sys

import numpy as np

from jepa.errors import JepaError

BACKENDS = ("egl", "osmesa")  # in the order in which they are tried; both work without a display
CHOSEN = "MUJOCO_GL"  # read by mujoco and by dm_control when they are imported
PYOPENGL = "PYOPENGL_PLATFORM"  # mujoco refuses a backend that this variable contradicts
FOUND = "JEPA_GL"  # what the probe found, for this process and those that it starts
NOTHING = "none"
TIMEOUT = 60  # seconds for one backend
PROGRAM = "import mujoco; r = mujoco.Renderer(mujoco.MjModel.from_xml_string('<mujoco/>'), 8, 8); r.render(); r.close()"
SENTENCE = (
    "No OpenGL backend renders here, so there are no frames of Cube, Reacher and the visual antmaze: install libegl1 "
    "or libosmesa6 (Debian, Ubuntu; in conda: libegl or mesalib), then run `jepa doctor`; or take them out of "
    "qantara.environments and mop.domains.cells in config.yaml, and everything else runs."
)

_context = None


def probe():
    """The first backend that renders ("egl" or "osmesa"), or None.

    A backend that MUJOCO_GL names is tried first, and is the answer where it renders (it may be "glfw" then). The
    answer is kept in the environment variable JEPA_GL: neither this process nor its children probe again.
    """
    if FOUND not in os.environ:
        chosen = os.environ.get(CHOSEN, "").lower().strip()
        candidates = dict.fromkeys((chosen, *BACKENDS) if chosen in (*BACKENDS, "glfw") else BACKENDS)
        os.environ[FOUND] = next((backend for backend in candidates if _renders(backend)), NOTHING)
    found = os.environ[FOUND]
    return None if found == NOTHING else found


def require():
    """Like `probe`, and makes the backend the one that mujoco and dm_control take when they are imported after this.

    A PYOPENGL_PLATFORM that names another one is removed, as it is for the probe.
    Raises JepaError, saying what to install, where no backend renders.
    """
    backend = probe()
    if backend is None:
        raise JepaError(SENTENCE)
    os.environ[CHOSEN] = backend
    if os.environ.get(PYOPENGL) != backend:
        os.environ.pop(PYOPENGL, None)
    return backend


def context():
    """The GL context of this process, made current; there is one, and every renderer of the process draws in it.

    It is of the backend that `require` found, also where mujoco was imported before for its physics. Renderers draw
    into their own offscreen buffer (mujoco.MjrContext), so the context has no size. Raises JepaError as `require`.
    """
    global _context
    backend = require()
    if _context is None:
        _context = importlib.import_module(f"mujoco.{backend}").GLContext(64, 64)
    # The last to come is the first to go at exit: before any library ends the display that all of them share.
    atexit.unregister(_context.free)
    atexit.register(_context.free)
    _context.make_current()
    return _context


def _renders(backend):
    """Whether a child process can render a frame with the backend."""
    environment = {name: value for name, value in os.environ.items() if name != PYOPENGL}
    environment[CHOSEN] = backend
    try:
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def painter(model, camera, side):
    """A function from MjData, whose kinematics are done, to what a camera of the model sees: (side, side, 3) uint8.

    The next call overwrites the array. Needs `context` to be current.
    """
    import mujoco

    scene, options = mujoco.MjvScene(model, maxgeom=model.ngeom + 10), mujoco.MjvOption()
    view = mujoco.MjvCamera()
    view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(camera).id
    buffer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
    rectangle = mujoco.MjrRect(0, 0, side, side)
    picture = np.empty((side, side, 3), dtype=np.uint8)

    def paint(data):
        mujoco.mj_camlight(model, data)
        mujoco.mjv_updateScene(model, data, options, None, view, mujoco.mjtCatBit.mjCAT_ALL, scene)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, buffer)
        mujoco.mjr_render(rectangle, scene, buffer)
        mujoco.mjr_readPixels(picture, None, rectangle, buffer)
        return picture[::-1]

    return paint
