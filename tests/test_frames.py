"""Stored frames: which rows, equality with frames rendered on the fly, workers, damage."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest

from jepa.data import frames
from jepa.data.episodes import Episodes
from jepa.data.generate_two_room import generate
from jepa.errors import JepaError

SIZE, SKIP = 12, 5


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Two-Room episodes, and a function that stores their frames with a stride."""
    folder = tmp_path_factory.mktemp("frames")
    path = folder / "two_room.h5"
    generate(path, seed=0, episodes=6)

    def store(stride, workers=1):
        out = folder / f"{stride}-{workers}.h5"
        facts = frames.render(Episodes.open(path), out, SIZE, stride, workers=workers, progress=False)
        return path, out, facts

    return store


def test_every_stride_th_row_of_each_episode_is_shown(stored):
    path, out, facts = stored(5)
    episodes = Episodes.open(path, out)
    shown = np.flatnonzero(episodes.frames.position >= 0)
    expected = [o + np.arange(0, n, 5) for o, n in zip(episodes.ep_offset, episodes.ep_len, strict=True)]
    assert np.array_equal(shown, np.concatenate(expected))
    assert facts == {"frames": len(shown), "size": SIZE, "stride": 5, "quality": None}


@pytest.mark.parametrize("stride", [1, 5])
def test_a_batch_is_the_same_with_stored_frames_as_without(stored, stride):
    path, out, _ = stored(stride)
    with_frames, without = Episodes.open(path, out), Episodes.open(path)
    starts = with_frames.windows(np.arange(6), 4, SKIP)
    assert set(starts) <= set(without.windows(np.arange(6), 4, SKIP))
    assert stride > 1 or len(starts) == len(without.windows(np.arange(6), 4, SKIP))
    for ours, theirs in zip(
        with_frames.batch(starts, 4, SKIP, SIZE), without.batch(starts, 4, SKIP, SIZE), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_workers_change_nothing(stored, monkeypatch):
    monkeypatch.setattr(frames, "CHUNK", 40)
    (_, alone, _), (_, together, _) = stored(2), stored(2, workers=2)
    assert alone.read_bytes() == together.read_bytes()


def test_a_stride_that_misses_the_frames_of_every_window_is_refused(stored):
    path, out, _ = stored(3)
    with pytest.raises(JepaError, match="must divide the frame skip, 5"):
        Episodes.open(path, out).windows(np.arange(6), 4, SKIP)


def test_another_size_is_refused(stored):
    path, out, _ = stored(5)
    episodes = Episodes.open(path, out)
    with pytest.raises(JepaError, match="have 12 pixels a side, not 16"):
        episodes.batch(episodes.windows(np.arange(6), 4, SKIP)[:2], 4, SKIP, 16)


def test_frames_of_other_episodes_missing_and_damaged_files_are_refused(stored, tmp_path):
    path, out, _ = stored(5)
    other = tmp_path / "other.h5"
    generate(other, seed=1, episodes=5)
    with pytest.raises(JepaError, match="shows other episodes"):
        Episodes.open(other, out)
    with pytest.raises(JepaError, match="does not exist"):
        Episodes.open(path, tmp_path / "none.h5")
    (tmp_path / "cut.h5").write_bytes(out.read_bytes()[:3000])
    with pytest.raises(JepaError, match="no file of frames"):
        Episodes.open(path, tmp_path / "cut.h5")


def test_an_interrupted_rendering_leaves_nothing(stored, tmp_path, monkeypatch):
    path, _, _ = stored(5)
    episodes = replace(Episodes.open(path), states=np.full((10**4, 2), 50, np.float32), ep_len=np.array([10**4]))
    episodes = replace(episodes, ep_offset=np.array([0]))
    calls = iter([0])

    def fail(*job):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return np.zeros((frames.CHUNK, 3, SIZE, SIZE), np.uint8)

    monkeypatch.setattr(frames, "render_states", fail)
    with pytest.raises(KeyboardInterrupt):
        frames.render(episodes, tmp_path / "out.h5", SIZE, 1, progress=False)
    assert not list(tmp_path.iterdir())


RENDERING = """
import numpy as np
from jepa.data import frames
if __name__ == "__main__":
    states = np.random.default_rng(0).uniform(20, 200, (2000, 2)).astype(np.float32)
    for _ in frames._rendered([("two_room", states, 64)] * 1000, 2):
        print("rendered", flush=True)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "rendering.py").write_text(RENDERING)
    parent = subprocess.Popen([sys.executable, tmp_path / "rendering.py"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "rendered\n"
    children = psutil.Process(parent.pid).children()
    assert len(children) >= 2
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
