"""Digits drawn by numpy, for where no images of digits can be had: seven strokes, jittered like handwriting.

The upper half of such a digit tells little: 0, 8 and 9 share it, as do 2, 3 and 7, and 5 and 6. How many digits remain
possible is known by construction, so these are also a test of whatever estimates it.
"""

import numpy as np

# End points (x, y) of the strokes, in units of the glyph's box, y downwards.
STROKES = {
    "a": ((0, 0), (1, 0)),
    "b": ((1, 0), (1, 0.5)),
    "c": ((1, 0.5), (1, 1)),
    "d": ((0, 1), (1, 1)),
    "e": ((0, 0.5), (0, 1)),
    "f": ((0, 0), (0, 0.5)),
    "g": ((0, 0.5), (1, 0.5)),
}
DIGITS = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
BOX = np.array([0.4, 0.64])  # width and height of the box, in units of the image's side


def draw(labels, rng, side=28):
    """One image a label: light strokes on black, moved, scaled, slanted and noisy.

    labels: (N,) int in 0..9. rng: numpy Generator. side: pixels. Returns (N, side, side) uint8.
    """
    labels = np.asarray(labels)
    n = len(labels)
    scale = rng.uniform(0.85, 1.1, (n, 1, 1, 2))
    slant = rng.uniform(-0.15, 0.15, (n, 1, 1))
    shift = rng.uniform(-0.04, 0.04, (n, 1, 1, 2))
    radius = rng.uniform(0.035, 0.065, n)
    light = rng.uniform(0.6, 1.0, n)
    noise = rng.normal(0, 0.03, (n, side, side)).astype(np.float32)
    images = np.zeros((n, side, side), np.float32)
    for digit, strokes in enumerate(DIGITS):
        rows = np.flatnonzero(labels == digit)
        ends = (np.array([STROKES[name] for name in strokes])[None] - 0.5) * BOX * scale[rows]
        ends[..., 0] -= slant[rows] * ends[..., 1]
        ends += 0.5 + shift[rows]
        for start in range(0, len(rows), 256):
            part = slice(start, start + 256)
            distance = _distance(ends[part], side)
            images[rows[part]] = np.clip((radius[rows[part], None, None] - distance) * side + 0.5, 0, 1)
    images = np.clip(images * light[:, None, None] + noise, 0, 1)
    return np.rint(255 * images).astype(np.uint8)


def _distance(ends, side):
    """From each pixel's centre to the nearest stroke. ends: (n, S, 2, 2). Returns (n, side, side), in sides."""
    centres = (np.arange(side) + 0.5) / side
    pixels = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 1, 2)
    first = ends[:, None, :, 0]
    along = ends[:, None, :, 1] - first
    offset = pixels - first
    place = np.clip((offset * along).sum(-1) / (along**2).sum(-1), 0, 1)
    distance = np.linalg.norm(offset - place[..., None] * along, axis=-1).min(-1)
    return distance.reshape(-1, side, side)
