"""The probe: a child process says which backend renders, once; where none does, the sentence says what to install."""

import os
import subprocess
import sys

import pytest

from jepa.envs import gl
from jepa.errors import JepaError


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that has not probed: no variable is set, and all are put back afterwards."""
    for name in ("JEPA_GL", "MUJOCO_GL", "PYOPENGL_PLATFORM"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def interpreter(fresh, tmp_path, monkeypatch):
    """A function that puts a shell script in the place of Python, and returns a function that lists what it was
    asked to try."""

    def stand_in(line):
        calls, script = tmp_path / "calls", tmp_path / "python"
        script.write_text(f'#!/bin/sh\necho "$MUJOCO_GL" >> {calls}\n{line}\n')
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        return lambda: calls.read_text().split()

    return stand_in


def test_where_nothing_renders_the_sentence_says_what_to_install(interpreter):
    tried = interpreter("exit 1")
    with pytest.raises(JepaError) as error:
        gl.require()
    assert all(word in str(error.value) for word in ("libegl1", "libosmesa6", "mesalib", "libegl", "Cube", "Reacher"))
    assert tried() == ["egl", "osmesa"] and "MUJOCO_GL" not in os.environ
    with pytest.raises(JepaError, match="libosmesa6"):
        gl.context()
    assert gl.probe() is None and len(tried()) == 2


def test_the_first_backend_that_renders_is_taken_and_not_probed_again(interpreter):
    tried = interpreter('[ "$MUJOCO_GL" = osmesa ]')
    assert gl.require() == "osmesa" == os.environ["MUJOCO_GL"]
    assert gl.require() == gl.probe() == "osmesa"
    assert tried() == ["egl", "osmesa"]


def test_a_working_choice_of_the_user_is_respected(interpreter, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "OSMesa")
    tried = interpreter("exit 0")
    assert gl.require() == "osmesa" and tried() == ["osmesa"]


@pytest.mark.parametrize("chosen", ["osmesa", "nonsense"])
def test_a_choice_that_does_not_render_gives_way(interpreter, monkeypatch, chosen):
    monkeypatch.setenv("MUJOCO_GL", chosen)
    interpreter('[ "$MUJOCO_GL" = egl ]')
    assert gl.require() == "egl" == os.environ["MUJOCO_GL"]


@pytest.mark.parametrize(("platform", "kept"), [("osmesa", "osmesa"), ("egl", None), ("x11", None)])
def test_a_platform_that_contradicts_the_backend_is_removed(interpreter, monkeypatch, platform, kept):
    monkeypatch.setenv("PYOPENGL_PLATFORM", platform)
    interpreter('[ "$MUJOCO_GL" = osmesa ] && [ -z "$PYOPENGL_PLATFORM" ]')
    assert gl.require() == "osmesa" and os.environ.get("PYOPENGL_PLATFORM") == kept


def test_a_driver_that_hangs_is_given_up(interpreter, monkeypatch):
    monkeypatch.setattr(gl, "TIMEOUT", 0.3)
    interpreter('[ "$MUJOCO_GL" = osmesa ] || exec sleep 30')
    assert gl.require() == "osmesa"


def test_children_inherit_the_answer(interpreter):
    python = sys.executable
    interpreter('[ "$MUJOCO_GL" = osmesa ]')
    gl.require()
    program = "import sys; sys.executable = '/nonexistent'; from jepa.envs import gl; print(gl.require())"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "osmesa", done.stderr


def test_a_frame_is_drawn_even_if_mujoco_was_imported_first_for_its_physics(tmp_path):
    if gl.probe() is None:
        pytest.skip("no OpenGL backend renders on this machine")
    program = """
import numpy as np
import mujoco
from jepa.envs import gl
assert gl.context() is gl.context()
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1' rgba='1 0 0 1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
scene, buffer = mujoco.MjvScene(model, 10), mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, buffer)
mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, mujoco.MjvCamera(), 7, scene)
frame, rectangle = np.zeros((8, 8, 3), np.uint8), mujoco.MjrRect(0, 0, 8, 8)
mujoco.mjr_render(rectangle, scene, buffer)
mujoco.mjr_readPixels(frame, None, rectangle, buffer)
print(frame[4, 4, 0] > 100, frame[4, 4, 0] > frame[4, 4, 1] + 50)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["True", "True"] and done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
