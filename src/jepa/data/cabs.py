"""San Francisco taxis (CRAWDAD epfl/mobility, "Cabspotting", Piorkowski et al. 2009): windows of occupied trips.

GPS fixes about a minute apart, 2008-05 to 2008-06, of which we use the first 40 of 536 cabs by name: from the original
archive of text files, or from an npz with the same rows. Fixes hold gross outliers.
"""

import io
import re
import tarfile

import numpy as np

from jepa.errors import JepaError

DATASET = "cabspotting_sf40"
NPZ, ARCHIVE = "cabspotting_sf40.npz", "cabspottingdata.tar.gz"
CABS = 40
OBSERVED, PREDICTED = 8, 6
SECONDS = 30.0  # between the steps of a window
BOX = ((37.2, 38.2), (-122.8, -121.7))  # latitudes and longitudes of the Bay Area; fixes outside are errors
MAX_GAP = 120  # s between two fixes of one trip
MAX_SPEED = 50.0  # m/s between two fixes of one trip; more is a GPS error
MIN_FIXES = 8  # of a trip
EVERY = 2  # of a trip's fixes that could be the last one observed, which share is
EARTH = 6_371_000.0  # m, mean radius

_FILE = re.compile(r"(?:.*/)?new_\w+\.txt")
_KEYS = ("lat", "lon", "occupied", "t", "cab")


def read_npz(path):
    """Fixes of an npz: {lat, lon (degrees), occupied (bool), t (s), cab (int)}, each (n,), time ascending by cab.

    Nothing in it is unpickled. Raises JepaError when the file is anything else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            fixes = {key: np.asarray(file[key]) for key in _KEYS}
    except Exception as error:  # numpy, zipfile and zlib raise a dozen kinds for damaged files
        raise JepaError(f"{path} does not hold the fixes of cabs ({error!r}); fetch it again.") from None
    return _checked(fixes, path)


def read_archive(path, cabs=CABS):
    """The same of the original archive, whose files new_*.txt hold `lat lon occupied t`, one a cab."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            members = [member for member in archive.getmembers() if member.isfile() and _FILE.fullmatch(member.name)]
            # Numbered by name, but read in the order in which they lie there: going back means inflating again.
            chosen = sorted(members, key=lambda member: member.name.rpartition("/")[2])[:cabs]
            tables = {}
            for member in sorted(chosen, key=lambda member: member.offset):
                text = io.TextIOWrapper(archive.extractfile(member), encoding="ascii")
                table = np.loadtxt(text, ndmin=2)
                tables[member.name] = table[np.argsort(table[:, 3], kind="stable")]
        if not chosen:
            raise ValueError("no file new_*.txt in it")
        tables = [tables[member.name] for member in chosen]
        rows = np.concatenate(tables)
        fixes = {"lat": rows[:, 0], "lon": rows[:, 1], "occupied": rows[:, 2], "t": rows[:, 3]}
    except Exception as error:  # tarfile, gzip and zlib raise a dozen kinds for damaged files
        raise JepaError(f"{path} is not the Cabspotting archive ({error!r}); fetch it again.") from None
    return _checked(fixes | {"cab": np.repeat(np.arange(len(tables)), [len(table) for table in tables])}, path)


def project(lat, lon):
    """Equirectangular projection about the box's centre: degrees (...) to metres (..., 2), x east, y north."""
    centre_lat, centre_lon = (np.deg2rad(sum(side) / 2) for side in BOX)
    x = EARTH * np.cos(centre_lat) * (np.deg2rad(lon) - centre_lon)
    return np.stack([x, EARTH * (np.deg2rad(lat) - centre_lat)], axis=-1)


def trips(fixes):
    """Occupied trips: runs of one cab's fixes in the box that are MAX_GAP, MAX_SPEED apart at most, MIN_FIXES or more.

    fixes: see `read_npz`. Returns (xy: (n, 2) metres, t: (n,) s, cab: (n,), [(start, end), ...]) with rows start:end.
    """
    inside = np.ones(len(fixes["t"]), bool)
    for key, (low, high) in zip(("lat", "lon"), BOX, strict=True):
        inside &= (fixes[key] > low) & (fixes[key] < high)
    lat, lon, occupied, t, cab = (fixes[key][inside] for key in _KEYS)
    xy, gap = project(lat, lon), np.diff(t)
    speed = np.linalg.norm(np.diff(xy, axis=0), axis=1) / np.maximum(gap, 1)
    same = (np.diff(cab) == 0) & (np.diff(occupied) == 0) & (gap <= MAX_GAP) & (speed <= MAX_SPEED)
    starts = np.flatnonzero(np.concatenate([[True], ~same])) if len(t) else np.zeros(0, int)
    ends = np.append(starts[1:], len(t))
    keep = (occupied[starts] == 1) & (ends - starts >= MIN_FIXES)
    return xy, t, cab, list(zip(starts[keep], ends[keep], strict=True))


def windows(fixes):
    """Windows of 8 observed and 6 predicted positions, SECONDS apart, of occupied trips.

    The last observed position is always a fix, every EVERY-th of those with time enough on both sides; the others
    lie on the straight lines between fixes. So no observed position is drawn towards a fix of the future, as a
    grid laid over the whole trip would.

    fixes: see `read_npz`. Returns {tracks: (N, 14, 2) float32 metres, cab: (N,) int16}. Raises JepaError for none.
    """
    xy, t, cab, runs = trips(fixes)
    times = SECONDS * np.arange(1 - OBSERVED, PREDICTED + 1)
    tracks, cabs = [], []
    for start, end in runs:
        when = t[start:end]
        anchors = when[::EVERY]
        anchors = anchors[(anchors + times[0] >= when[0]) & (anchors + times[-1] <= when[-1])]
        at = anchors[:, None] + times
        tracks.append(np.stack([np.interp(at, when, xy[start:end, axis]) for axis in range(2)], axis=-1))
        cabs += [cab[start]] * len(anchors)
    if not cabs:
        raise JepaError("The fixes of cabs hold no occupied trip long enough for a window; fetch them again.")
    return {"tracks": np.concatenate(tracks).astype(np.float32), "cab": np.array(cabs, np.int16)}


def _checked(fixes, path):
    """`fixes` if they are what `read_npz` says, else JepaError."""
    shape = fixes["t"].shape
    numbers = all(array.shape == shape and array.dtype.kind in "biuf" for array in fixes.values())
    if len(shape) != 1 or not shape[0] or not numbers:
        raise JepaError(f"{path} does not hold five lists of equal length ({', '.join(_KEYS)}); fetch it again.")
    fixes = {key: array.astype(np.float64 if key in ("lat", "lon") else np.int64) for key, array in fixes.items()}
    falls = (np.diff(fixes["t"]) < 0) & (np.diff(fixes["cab"]) == 0)
    if (np.diff(fixes["cab"]) < 0).any() or falls.any() or not np.isfinite(fixes["lat"] + fixes["lon"]).all():
        raise JepaError(f"{path}: its fixes are not ordered by cab, then time, or not finite; fetch it again.")
    return fixes
