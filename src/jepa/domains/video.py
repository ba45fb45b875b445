"""Next-frame prediction of plain video, where no gain is claimed (MoP-JEPA, "The Protocol Fires Where It Should").

The paper names no video. We declare four short ones (vtest, bikes, carphone, Big Buck Bunny), every frame in grey at
64 x 64 pixels; where they cannot be had, drawn blobs that bounce in a box exercise the mechanism. A context is two
consecutive frames, the target is the third one, as its change from the second: such video hardly changes, and a network
that has to draw the whole frame from its latent is worse than the frame before. Changes are in units of the root mean
square change of the video's training part, so that all videos weigh the same and repeating the last frame has error 1
there. The last fifth of each video is for testing.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from jepa.data.download import NetworkError
from jepa.data.official import downloads, obtain
from jepa.domains.base import Domain, best_of
from jepa.domains.compare import compare
from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.random import rng_of

DATASET = "video_small"
SIZE = 64  # pixels of a side; the aspect ratio is not kept
TEST_SHARE = 0.2
LEVELS = 255.0
BLOBS, BLOB_VIDEOS, BLOB_FRAMES = 3, 4, 300  # of the stand-in
ARRAYS = {"frames": ("u", "F", SIZE, SIZE), "video": ("i", "F")}


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Decode the videos, or draw the stand-in, into the npz `out`.

    source: `auto` (mirror, download, stand-in), `mirror`, `download` or `generate`. settings: {frames: at most so many
    of each video, None for all}. The npz holds frames: (F, 64, 64) uint8 and video: (F,) int, which of the videos.
    Returns facts for provenance. Raises JepaError for wrong or unreadable files, and NetworkError when `download` finds
    no server.
    """
    limit = settings.get("frames")
    try:
        videos, facts = None, None
        if source != "generate":
            videos, facts = _official(Path(out), source, mirror, limit, progress)
    except NetworkError:
        if source != "auto":
            raise
    if videos is None:
        rng = rng_of("video", "blobs", seed)
        videos = {f"blobs {i}": bouncing_blobs(limit or BLOB_FRAMES, rng) for i in range(BLOB_VIDEOS)}
        facts = {
            "dataset": "drawn blobs that bounce in a box",
            "source": "generate",
            "tag": "mechanism",
            "message": "The videos were not to be had; drawn blobs stand in."
            if source == "auto"
            else "Drawn, as asked.",
        }
    with atomic_path(out) as temporary:
        np.savez_compressed(
            temporary,
            frames=np.concatenate(list(videos.values())),
            video=np.repeat(np.arange(len(videos)), [len(frames) for frames in videos.values()]),
        )
    return facts | {"frames": {name: len(frames) for name, frames in videos.items()}, "size": SIZE}


def _official(out, source, mirror, limit, progress):
    with downloads(out) as folder:
        found = obtain(DATASET, folder, source=source, mirror=mirror, progress=progress)
        videos = {name: decode(path, limit, progress) for name, path in found["paths"].items()}
    facts = {key: found[key] for key in ("source", "message", "sha256", "licence")}
    return videos, facts | {"dataset": "four short videos", "tag": "kind"}


def decode(path, limit=None, progress=False):
    """The first `limit` frames of a video, None for all: (F, 64, 64) uint8 grey.

    Raises JepaError without PyAV, or for a file that is no video.
    """
    try:
        import av
    except ImportError:
        raise JepaError("Videos need the package av (PyAV), which is not installed; install it first.") from None
    frames = []
    try:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "NONE"  # frames then do not depend on the number of cores
            for frame in tqdm(container.decode(video=0), desc=Path(path).name, unit="frame", disable=not progress):
                frames.append(frame.reformat(SIZE, SIZE, "gray", interpolation="AREA").to_ndarray())
                if len(frames) == limit:
                    break
    except (av.FFmpegError, IndexError, OSError) as error:
        raise JepaError(f"{path} cannot be decoded ({error}); delete it and run again.") from None
    if len(frames) < 3:
        raise JepaError(f"{path} has {len(frames)} frames, but a context and its next frame are three.")
    return np.stack(frames)


def bouncing_blobs(count, rng):
    """Soft discs with constant velocities in a box that sends them back: (count, 64, 64) uint8."""
    width = rng.uniform(3, 6, (BLOBS, 1, 1))
    start, step = rng.uniform(0, SIZE, (BLOBS, 2)), rng.normal(0, 1.0, (BLOBS, 2))
    free = start + np.arange(count)[:, None, None] * step
    place = SIZE - np.abs(free % (2 * SIZE) - SIZE)  # reflected at 0 and at SIZE
    pixel = np.arange(SIZE) + 0.5
    x, y = (place[..., axis, None, None] for axis in (0, 1))
    squared = (pixel - x) ** 2 + (pixel[:, None] - y) ** 2
    light = np.exp(-squared / (2 * width**2)).sum(axis=1)
    return (255 * np.clip(light, 0, 1)).astype(np.uint8)


def audit(arrays, settings, seed, work, progress=True):
    """Compare the arms (see jepa.domains.compare). arrays: those of `prepare`. work: folder for resume files."""
    return compare(build(arrays), settings, seed, work, progress)


def build(arrays):
    """The Domain of `audit`: contexts (N, 2, 64, 64) in [0, 1], targets (N, 1, 64, 64) in units of the video's change.

    Raises JepaError when a training part does not change at all, or a video is too short to be split.
    """
    frames = arrays["frames"].astype(np.float32) / np.float32(LEVELS)
    first, video, held_out = windows(arrays["video"])
    change = frames[first + 2] - frames[first + 1]
    unit = np.array([np.sqrt((change[(video == v) & ~held_out] ** 2).mean()) for v in range(video.max() + 1)])
    if not (unit > 0).all():
        raise JepaError(f"Video {int(np.argmin(unit))} stands still; leave it out when the data is prepared.")
    targets = (change / unit[video, None, None])[:, None].astype(np.float32)
    test = np.flatnonzero(held_out)

    def score(u, active, rows, embed=None):
        errors = ((np.asarray(u) - targets[rows][:, None]) ** 2).mean(axis=(2, 3, 4))
        best = best_of(errors, active)
        return {"error": best, "grey levels": LEVELS * unit[video[rows]] * np.sqrt(best)}

    before = (frames[first + 1] - frames[first])[:, None] / unit[video, None, None, None]
    one = np.ones((len(test), 1), bool)
    return Domain(
        contexts=np.stack([frames[first], frames[first + 1]], axis=1),
        targets=targets,
        train=np.flatnonzero(~held_out),
        test=test,
        metric="error",
        better="lower",
        score=score,
        references={
            "persistence": score(np.zeros((len(test), 1, 1, SIZE, SIZE)), one, test),
            "repeated change": score(before[test][:, None], one, test),
        },
        extra={
            "videos": len(unit),
            "change_grey_levels": [float(LEVELS * x) for x in unit],
            "test_share": TEST_SHARE,
        },
    )


def windows(video):
    """Every three consecutive frames of one video, split in time. video: (F,) int, ascending.

    Returns first: (N,) the first of the three, video: (N,), held_out: (N,) bool. A window belongs to the test part if
    its third frame does; the two before are then the end of the training part at most, where they are no target.
    """
    first = np.flatnonzero(video[2:] == video[:-2])
    length, start = np.bincount(video), np.searchsorted(video, np.arange(video.max() + 1))
    held_out = first + 2 - start[video[first]] >= np.ceil((1 - TEST_SHARE) * length[video[first]])
    for name, part in (("training", ~held_out), ("test", held_out)):
        if len(np.unique(video[first][part])) < len(length):
            raise JepaError(f"A video is too short to have a {name} part; leave it out or prepare more frames.")
    return first, video[first], held_out
