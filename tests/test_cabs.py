"""Fixes of taxis: both files read alike, errors of GPS cut trips, and no observed position knows a later fix."""

import io
import tarfile

import numpy as np
import pytest

from jepa.data.cabs import BOX, EARTH, EVERY, OBSERVED, PREDICTED, project, read_archive, read_npz, trips, windows
from jepa.errors import JepaError

METRE = np.rad2deg(1 / EARTH)  # degrees of latitude


def drive(n=20, gap=60, speed=10.0, cab=0, start=1_200_000_000):
    """Fixes of one occupied trip due north."""
    t = start + gap * np.arange(n)
    lat = 37.7 + METRE * speed * (t - t[0])
    return {
        "lat": lat,
        "lon": np.full(n, -122.4),
        "occupied": np.ones(n, np.int64),
        "t": t,
        "cab": np.full(n, cab),
    }


def change(fixes, key, rows, value):
    fixes[key] = fixes[key].copy()
    fixes[key][rows] = value
    return fixes


def join(*parts):
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def number(fixes):
    return len(trips(fixes)[3])


def test_projected_distances_are_those_on_the_ground():
    (south, north), (west, east) = BOX
    centre = np.array([(south + north) / 2, (west + east) / 2])
    np.testing.assert_allclose(project(*centre), [0, 0], atol=1e-6)
    # One nautical mile is a minute of latitude; a minute of longitude is shorter by cos(latitude).
    x, y = project(centre[0] + 1 / 60, centre[1] + 1 / 60)
    assert y == pytest.approx(1852, rel=2e-3)
    assert x == pytest.approx(1852 * np.cos(np.deg2rad(centre[0])), rel=2e-3)


def test_a_trip_is_a_run_of_occupied_fixes_of_one_cab():
    assert number(drive()) == 1
    assert number(change(drive(), "occupied", slice(None), 0)) == 0
    assert number(join(drive(), drive(cab=1))) == 2
    assert number(change(drive(20), "occupied", 10, 0)) == 2  # 10 fixes before it, 9 after
    assert number(change(drive(20), "occupied", 5, 0)) == 1  # 5 are too few


def test_gaps_and_leaps_cut_a_trip_and_fixes_outside_the_bay_area_do_not_count():
    late = drive()
    late["t"] = late["t"] + np.where(np.arange(20) < 10, 0, 61)
    assert number(late) == 2
    leap = change(drive(), "lat", slice(10, None), drive()["lat"][10:] + METRE * 4000)
    assert number(leap) == 2
    assert number(change(drive(gap=30), "lat", 10, 50.3)) == 1  # the fix goes, 60 s remain between its neighbours
    assert number(change(drive(gap=30), "lon", slice(None), -115.6)) == 0


def test_windows_follow_the_trip_at_30_seconds():
    found = windows(drive())
    assert found["tracks"].shape[1:] == (OBSERVED + PREDICTED, 2) and found["tracks"].dtype == np.float32
    steps = np.diff(found["tracks"], axis=1)
    np.testing.assert_allclose(steps[..., 1], 300, rtol=1e-3)  # 10 m/s
    np.testing.assert_allclose(steps[..., 0], 0, atol=0.1)
    # Of 20 fixes a minute apart, those from 4 to 16 have 210 s before and 180 s after them; every second counts.
    assert len(found["tracks"]) == len(range(4, 17, EVERY))
    assert (windows(drive(cab=7))["cab"] == 7).all()


def test_no_observed_position_depends_on_a_later_fix():
    fixes = drive()
    before = windows(fixes)["tracks"]
    for anchor, first in enumerate(before[:, OBSERVED - 1, 1]):
        row = 4 + EVERY * anchor
        assert first == pytest.approx(project(fixes["lat"][row], -122.4)[1], abs=0.1)
        later = change(drive(), "lon", slice(row + 1, None), -122.398)
        after = windows(later)["tracks"][anchor]
        np.testing.assert_array_equal(after[:OBSERVED], before[anchor, :OBSERVED])
        assert not np.array_equal(after[OBSERVED:], before[anchor, OBSERVED:])


def test_without_a_trip_long_enough_there_are_no_windows():
    with pytest.raises(JepaError, match="no occupied trip long enough"):
        windows(drive(n=8, gap=30))


def archive(path, tables):
    """Cabspotting's layout: one text file a cab, `lat lon occupied t`, the newest fix first."""
    with tarfile.open(path, "w:gz") as file:
        for name, fixes in tables.items():
            columns = np.stack([fixes[key] for key in ("lat", "lon", "occupied", "t")], axis=1)[::-1]
            text = "".join(f"{lat:.5f} {lon:.5f} {int(o)} {int(t)}\n" for lat, lon, o, t in columns).encode()
            member = tarfile.TarInfo(f"cabspottingdata/{name}")
            member.size = len(text)
            file.addfile(member, io.BytesIO(text))
    return path


def test_the_archive_and_the_npz_hold_the_same_fixes(tmp_path):
    first, second = drive(), drive(speed=5.0, cab=1)
    tables = {"new_b.txt": second, "README": first, "new_a.txt": first, "new_c.txt": second}
    both = join(first, second)
    both = {key: array.round(5) for key, array in both.items()}
    np.savez(tmp_path / "a.npz", **both)
    npz = read_npz(tmp_path / "a.npz")
    tar = read_archive(archive(tmp_path / "a.tar.gz", tables), cabs=2)  # the first two by name
    for key, array in npz.items():
        np.testing.assert_array_equal(tar[key], array, err_msg=key)
        assert tar[key].dtype == array.dtype


@pytest.mark.parametrize(
    "changes",
    [
        {"lat": np.full(20, np.nan)},
        {"t": drive()["t"][::-1]},
        {"cab": np.arange(20)[::-1]},
        {"lon": np.zeros(3)},
        {"occupied": np.array([{}], dtype=object)},
        {"lat": np.array(["a"] * 20)},
    ],
)
def test_a_wrong_npz_is_refused(tmp_path, changes):
    np.savez(tmp_path / "a.npz", **(drive() | changes))
    with pytest.raises(JepaError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")


def test_what_is_no_archive_of_cabs_is_refused(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"hello")
    with pytest.raises(JepaError, match="is not the Cabspotting archive"):
        read_archive(path)
    archive(path, {"README": drive()})
    with pytest.raises(JepaError, match="is not the Cabspotting archive"):
        read_archive(path)
