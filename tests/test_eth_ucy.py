"""Recordings of pedestrians: what counts as a window, what is refused, and the published numbers of windows."""

import numpy as np
import pytest

from jepa.data import eth_ucy
from jepa.data.eth_ucy import COUNTS, SCENES, STEPS, TRAIN_ONLY, load, read, windows
from jepa.data.mirror import find, mirror_folder
from jepa.errors import JepaError

FILES = [name for names in SCENES.values() for name in names] + list(TRAIN_ONLY)


def rows(frames, pedestrian, x=0.0):
    """One pedestrian who stands at (x, frame)."""
    frames = np.asarray(frames, float)
    return np.stack([frames, np.full_like(frames, pedestrian), np.full_like(frames, x), frames], axis=1)


def test_whoever_stays_for_20_frames_makes_a_window_at_every_frame_from_which_20_follow():
    assert windows(rows(range(0, 200, 10), 1)).shape == (1, STEPS, 2)
    assert windows(rows(range(0, 190, 10), 1)).shape == (0, STEPS, 2)
    found = windows(rows(range(0, 230, 10), 1))
    np.testing.assert_array_equal(found[:, 0, 1], [0, 10, 20, 30])
    np.testing.assert_array_equal(found[2, :, 1], np.arange(20, 220, 10))


def test_a_frame_in_which_somebody_is_missing_breaks_only_their_window():
    everybody = np.concatenate([rows(range(25), 1), rows([*range(12), *range(13, 25)], 2, x=1.0)])
    found = windows(everybody)
    assert len(found) == 6 and (found[..., 0] == 0).all()


def test_frames_that_the_recording_lacks_altogether_do_not_count():
    # SGAN's rule: consecutive are the frame numbers that exist, whatever lies between them.
    assert len(windows(rows([*range(10), *range(50, 60)], 1))) == 1


def test_windows_do_not_depend_on_the_order_of_the_rows_or_on_repeated_rows():
    everybody = np.concatenate([rows(range(22), 7), rows(range(3, 30), 2, x=1.0)])
    order = np.random.default_rng(0).permutation(len(everybody))
    expected = windows(everybody)
    np.testing.assert_array_equal(windows(everybody[order]), expected)
    np.testing.assert_array_equal(windows(np.concatenate([everybody, everybody[5:9]])), expected)


def test_a_recording_is_four_finite_columns(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0\t1.0\t8.46\t3.59\n10\t1.0\t9.57\t3.79\n")
    np.testing.assert_array_equal(read(path), [[0, 1, 8.46, 3.59], [10, 1, 9.57, 3.79]])
    for wrong in ("", "0\t1\t2\n", "0\t1\t2\tnan\n", "<html>"):
        path.write_text(wrong)
        with pytest.raises(JepaError, match=r"a\.txt is no recording"):
            read(path)
    with pytest.raises(JepaError, match="fetch it again"):
        read(tmp_path / "b.txt")


def small(folder, monkeypatch):
    """Eight recordings of 25 frames with one pedestrian each: six windows; the paths."""
    for name in FILES:
        np.savetxt(folder / f"{name}.txt", rows(range(25), 1, x=len(name)), delimiter="\t")
    counts = {scene: 6 * len(names) for scene, names in SCENES.items()}
    monkeypatch.setattr(eth_ucy, "COUNTS", counts)
    return {f"{name}.txt": folder / f"{name}.txt" for name in FILES}


def test_univ_has_two_recordings_and_two_recordings_only_train(tmp_path, monkeypatch):
    arrays = load(small(tmp_path, monkeypatch))
    assert arrays["tracks"].shape == (48, STEPS, 2) and arrays["tracks"].dtype == np.float32
    names, sizes = np.unique(arrays["scene"], return_counts=True)
    assert dict(zip(names.tolist(), sizes.tolist(), strict=True)) == {
        "": 12,
        "eth": 6,
        "hotel": 6,
        "univ": 12,
        "zara1": 6,
        "zara2": 6,
    }


def test_another_number_of_windows_than_published_is_refused(tmp_path, monkeypatch):
    paths = small(tmp_path, monkeypatch)
    np.savetxt(paths["biwi_hotel.txt"], rows(range(24), 1), delimiter="\t")
    with pytest.raises(JepaError, match="Scene hotel of ETH/UCY has 5 windows of 20 frames, not 6: biwi_hotel"):
        load(paths)


def test_the_real_recordings_have_the_published_numbers_of_windows():
    assert COUNTS == {"eth": 364, "hotel": 1197, "univ": 24334, "zara1": 2356, "zara2": 5910}
    folder = mirror_folder()
    found = find(folder, [f"{name}.txt" for name in FILES]) if folder else {}
    if not found or not all(found.values()):
        pytest.skip("no mirror with the recordings of ETH/UCY (JEPA_DATA_MIRROR)")
    arrays = load({name: paths[0] for name, paths in found.items()})
    assert len(arrays["tracks"]) == sum(COUNTS.values()) + 2488 + 621
