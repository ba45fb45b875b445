"""Next-frame video: windows split in time, errors in units of persistence, decoding, and the drawn stand-in."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from domain_worlds import settings as shared
from jepa.data import mirror
from jepa.data.download import NetworkError
from jepa.domains import video
from jepa.domains.base import load_arrays
from jepa.domains.video import SIZE, audit, bouncing_blobs, build, decode, prepare, windows
from jepa.errors import JepaError


def arrays(count=40, videos=2, seed=0):
    rng = np.random.default_rng(seed)
    frames = np.concatenate([bouncing_blobs(count, rng) for _ in range(videos)])
    return {"frames": frames, "video": np.repeat(np.arange(videos), count)}


def test_windows_stay_within_a_video_and_training_ends_before_the_test():
    which = np.repeat([0, 1], [10, 20])
    first, of, held_out = windows(which)
    assert len(first) == 8 + 18
    assert (which[first] == which[first + 2]).all() and (which[first] == of).all()
    for v in (0, 1):
        last_trained = (first + 2)[(of == v) & ~held_out].max()
        targets = (first + 2)[(of == v) & held_out]
        assert targets.min() == last_trained + 1 and len(targets) == 0.2 * (which == v).sum()


def test_persistence_has_error_one_on_the_training_part_of_each_video():
    data = arrays()
    domain = build(data)
    _, of, _ = windows(data["video"])
    for v in (0, 1):
        assert np.isclose((domain.targets[domain.train][of[domain.train] == v] ** 2).mean(), 1, rtol=1e-5)
    zero = np.zeros((len(domain.test), 1, 1, SIZE, SIZE))
    scores = domain.score(zero, np.ones((len(domain.test), 1), bool), domain.test)
    assert np.array_equal(scores["error"], domain.references["persistence"]["error"])
    change = data["frames"].astype(float)[2:40] - data["frames"][1:39]
    levels = np.sqrt((change**2).mean(axis=(1, 2)))[-8:]
    assert np.allclose(scores["grey levels"][:8], levels, rtol=1e-4)


def test_the_true_change_has_no_error_and_the_best_active_head_counts():
    domain = build(arrays())
    rows = domain.test
    heads = np.stack([np.zeros_like(domain.targets[rows]), domain.targets[rows]], axis=1)
    every = np.ones((len(rows), 2), bool)
    assert np.allclose(domain.score(heads, every, rows)["error"], 0)
    first = every & [True, False]
    assert np.allclose(domain.score(heads, first, rows)["error"], domain.references["persistence"]["error"])


def test_a_still_or_a_short_video_is_refused():
    still = arrays()
    still["frames"][40:] = 7
    with pytest.raises(JepaError, match="Video 1 stands still"):
        build(still)
    with pytest.raises(JepaError, match="too short"):
        windows(np.zeros(3, int))


def test_blobs_move_smoothly_and_depend_on_the_seed_alone():
    first, again = (bouncing_blobs(50, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again) and first.shape == (50, SIZE, SIZE) and first.dtype == np.uint8
    step = np.abs(np.diff(first.astype(int), axis=0)).mean()
    assert 0 < step < first.std() / 2


def test_without_the_videos_blobs_stand_in_under_their_own_name(tmp_path, monkeypatch):
    def unreachable(*arguments, **options):
        raise NetworkError("no network")

    monkeypatch.setattr(video, "obtain", unreachable)
    out = tmp_path / "video.npz"
    facts = prepare(out, source="auto", mirror=None, seed=0, settings={"frames": 20})
    assert facts["tag"] == "mechanism" and "blobs" in facts["dataset"]
    assert load_arrays(out, video.ARRAYS)["frames"].shape == (80, SIZE, SIZE)
    with pytest.raises(NetworkError):
        prepare(out, source="download", mirror=None, seed=0, settings={})
    before = out.read_bytes()
    prepare(out, source="generate", mirror=None, seed=0, settings={"frames": 20})
    assert out.read_bytes() == before


def test_every_arm_is_compared_on_the_same_windows(tmp_path):
    small = shared(steps=5, encoder={"kind": "conv", "width": 4, "depth": 3})
    record = audit(arrays(), small, 0, tmp_path)
    assert record["n_test"] == 16 and set(record["references"]) == {"persistence", "repeated change"}
    assert record["arms"]["codebook"]["raw"] == record["arms"]["codebook"]["shuffled"]


def test_decoding_keeps_order_size_and_brightness(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "ramp.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        for level in range(40, 240, 20):
            image = np.full((72, 96, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    frames = decode(path)
    assert frames.shape == (10, SIZE, SIZE) and frames.dtype == np.uint8
    assert np.abs(frames.mean(axis=(1, 2)) - np.arange(40, 240, 20)).max() < 25  # studio range may stay
    assert np.array_equal(decode(path, limit=4), frames[:4])


def test_a_file_that_is_no_video_is_named(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "vtest.avi"
    path.write_bytes(b"this is no video")
    with pytest.raises(JepaError, match="vtest.avi cannot be decoded"):
        decode(path)


def test_the_real_videos_are_persistent(tmp_path):
    pytest.importorskip("av")
    folder = os.environ.get(mirror.VARIABLE)
    names = ["vtest.avi", "bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4"]
    if not folder or not all(mirror.find(Path(folder), names).values()):
        pytest.skip("needs the four videos in JEPA_DATA_MIRROR")
    facts = prepare(tmp_path / "v.npz", source="mirror", mirror=None, seed=0, settings={"frames": 60}, progress=False)
    assert facts["tag"] == "kind" and facts["frames"] == dict.fromkeys(names, 60)
    frames = load_arrays(tmp_path / "v.npz", video.ARRAYS)["frames"].astype(float).reshape(4, 60, SIZE, SIZE)
    change = ((frames[:, 1:] - frames[:, :-1]) ** 2).mean(axis=(1, 2, 3))
    assert (change < frames.var(axis=1).mean(axis=(1, 2))).all()  # against the mean frame


def test_without_pyav_the_user_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(JepaError, match="PyAV"):
        decode(tmp_path / "vtest.avi")
