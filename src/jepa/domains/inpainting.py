"""Image inpainting: a square block from the rest of the image (MoP-JEPA, "Evidence Chain and Generality").

The paper names neither its images nor its mask. We declare Fashion-MNIST, in its absence MNIST's test digits or drawn
glyphs, and a block in the centre or in the lower right corner. The headline is the least mean squared error of the
active heads, in units of the whole range of grey.
"""

import numpy as np

from jepa.domains.base import Domain, best_of
from jepa.domains.compare import compare
from jepa.domains.pictures import (
    AUDITED,
    FASHION,
    IMAGES,
    Scale,
    check_options,
    gather,
    mnist,
    neighbours,
    squared_errors,
)
from jepa.errors import JepaError

OPTIONS = {"block", "place", "neighbours"}
PLACES = ("centre", "lower-right")
ARRAYS = IMAGES


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Write the images to the npz `out` (see jepa.domains.pictures.gather) and return facts for provenance."""
    collections = (FASHION, mnist("kind"))
    return gather(out, collections, source=source, mirror=mirror, seed=seed, settings=settings, progress=progress)


def audit(arrays, settings, seed, work, progress=True):
    """Compare the arms (see jepa.domains.compare). arrays: those of `prepare`. work: folder for resume files.

    settings beside compare's: block: side in pixels, place: centre | lower-right, neighbours: how many of a reference
    row. Raises JepaError for other settings, and for a block or a place that the images do not have.
    """
    check_options(settings, OPTIONS, AUDITED)
    return compare(build(arrays, settings), settings, seed, work, progress)


def build(arrays, settings):
    """The Domain of `audit`."""
    images, held_out = arrays["images"], arrays["test"]
    where = window(images.shape[1], settings["block"], settings["place"])
    scale = Scale.of(images[~held_out])
    pixels = scale.apply(images)
    targets = pixels[:, where, where].copy()
    pixels[:, where, where] = 0  # the mean grey
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def score(u, active, rows, embed=None):
        u = np.asarray(u).reshape(len(rows), -1, *targets.shape[1:])
        errors = squared_errors(u, targets[rows]) * scale.std**2
        share = active / np.maximum(active.sum(1, keepdims=True), 1)
        mean = np.where(active.any(1), (errors * share).sum(1), errors.max(1))
        return {"mse": best_of(errors, active), "mean_mse": mean}

    near = neighbours(pixels, train, test, settings["neighbours"])
    every = np.ones(near.shape, bool)
    mean = np.broadcast_to(targets[train].mean(0), (len(test), 1, *targets.shape[1:]))
    return Domain(
        contexts=pixels[:, None],
        targets=targets[:, None],
        train=train,
        test=test,
        metric="mse",
        better="lower",
        score=score,
        references={
            "mean block": score(mean, every[:, :1], test),
            "nearest neighbour": score(targets[near[:, :1]], every[:, :1], test),
            f"best of {near.shape[1]} neighbours": score(targets[near], every, test),
        },
        extra={"size": images.shape[1], "block": settings["block"], "place": settings["place"]},
    )


def window(size, block, place):
    """The slice of rows, and of columns, that a block covers. Raises JepaError for one that an image cannot lose."""
    if place not in PLACES:
        raise JepaError(f"place is {place!r}; choose one of {', '.join(PLACES)}.")
    if not 1 <= block < size:
        raise JepaError(f"block is {block}; an image of {size} pixels can lose from 1 to {size - 1}.")
    start = (size - block) // 2 if place == "centre" else size - block
    return slice(start, start + block)
