"""ETH/UCY pedestrians: eight recordings in world metres, cut into windows of 8 observed and 12 predicted steps.

Recordings are Pellegrini et al. 2009 (ETH) and Lerner et al. 2007 (UCY) in the copy that SGAN (Gupta et al. 2018)
spread: text, tab separated, `frame  pedestrian  x  y`, a frame number every 0.4 s. In that copy biwi_eth was resampled
in time, so its steps are not 0.4 s; it is kept because published numbers use it.
"""

import warnings

import numpy as np

from jepa.errors import JepaError

DATASET = "eth_ucy"
OBSERVED, PREDICTED = 8, 12
STEPS = OBSERVED + PREDICTED
# Held-out scene -> its recordings; crowds_zara03 and uni_examples only ever train.
SCENES = {
    "eth": ("biwi_eth",),
    "hotel": ("biwi_hotel",),
    "univ": ("students001", "students003"),
    "zara1": ("crowds_zara01",),
    "zara2": ("crowds_zara02",),
}
TRAIN_ONLY = ("crowds_zara03", "uni_examples")
# Windows of a scene when one is cut at every frame in which somebody stays for 20 frames.
COUNTS = {"eth": 364, "hotel": 1197, "univ": 24334, "zara1": 2356, "zara2": 5910}


def read(path):
    """Rows (frame, pedestrian, x, y) of one recording: (n, 4) float64. Raises JepaError for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy only warns of an empty file
            rows = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError, UserWarning) as error:
        raise JepaError(f"{path} is no recording of ETH/UCY ({error}); fetch it again.") from None
    if rows.shape[1:] != (4,) or not len(rows) or not np.isfinite(rows).all():
        raise JepaError(f"{path} is no recording of ETH/UCY: it needs finite columns frame, pedestrian, x, y.")
    return rows


def windows(rows, steps=STEPS):
    """Trajectories of everybody who is present in all frames of a window, a window at every frame (stride 1).

    rows: (n, 4), see `read`. A window is `steps` frame numbers that follow each other among those that the recording
    has, whatever their distance. Returns (w, steps, 2) float32 metres, ordered by first frame, then pedestrian.
    """
    _, first = np.unique(rows[:, :2], axis=0, return_index=True)
    rows = rows[first]
    frame = np.unique(rows[:, 0], return_inverse=True)[1]
    order = np.lexsort((frame, rows[:, 1]))
    rows, frame = rows[order], frame[order]
    start = np.arange(max(0, len(rows) - steps + 1))
    end = start + steps - 1
    # One pedestrian's frames ascend strictly, so spanning steps - 1 frames means that none is missing.
    stays = (rows[start, 1] == rows[end, 1]) & (frame[end] - frame[start] == steps - 1)
    start = start[stays]
    start = start[np.lexsort((rows[start, 1], frame[start]))]
    return rows[start[:, None] + np.arange(steps), 2:].astype(np.float32)


def load(paths):
    """All windows of the eight recordings.

    paths: {file name: path} with the official names. Returns {tracks: (N, 20, 2) float32 metres, scene: (N,) str,
    "" where a window only ever trains}. Raises JepaError when a scene does not have its number of windows.
    """
    tracks, scenes = [], []
    held_out = [(scene, name) for scene, names in SCENES.items() for name in names]
    for scene, name in held_out + [("", name) for name in TRAIN_ONLY]:
        found = windows(read(paths[f"{name}.txt"]))
        tracks.append(found)
        scenes += [scene] * len(found)
    for scene, expected in COUNTS.items():
        count = scenes.count(scene)
        if count != expected:
            raise JepaError(
                f"Scene {scene} of ETH/UCY has {count} windows of {STEPS} frames, not {expected}: "
                f"{' and '.join(SCENES[scene])} are not the copies that published numbers use; fetch them again."
            )
    return {"tracks": np.concatenate(tracks), "scene": np.array(scenes)}
