"""Small grey images for two domains (digits, inpainting): where they come from, their size, scores of completions."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jepa.data import glyphs, idx_images, svhn
from jepa.data.download import NetworkError
from jepa.data.official import downloads, obtain
from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.random import rng_of

HELD_OUT = 0.2  # share of the images that no model is trained on, where a collection has no split of its own
GLYPHS = 10_000  # drawn unless settings ask for another number
FASHION_SHA256 = "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"  # of the inflated training images


PREPARED = {"kind", "source", "mirror", "seed"}  # keys of `settings` beside a kind's own, when data are prepared
AUDITED = {"domain", "kind", "space", "arms", "encoder", "d", "training", "gate"}  # and when arms are compared
IMAGES = {"images": ("u", "N", "side", "side"), "labels": ("i", "N"), "test": ("b", "N")}


@dataclass(frozen=True)
class Collection:
    """Official images. read(get): get(dataset) -> {file name: path}, which fetches a dataset of the registry.

    read returns images: (N, H, W) uint8, labels: (N,) int64 or None, and test: (N,) bool or None for no official split.
    """

    name: str
    tag: str
    read: Callable


def _read_svhn(get):
    files = get("svhn_train")["train_32x32.mat"], get("svhn_test")["test_32x32.mat"]
    (train, train_labels), (test, test_labels) = map(svhn.read, files)
    held_out = np.repeat([False, True], [len(train), len(test)])
    return np.concatenate([svhn.grey(train), svhn.grey(test)]), np.concatenate([train_labels, test_labels]), held_out


def _read_mnist(get):
    paths = get("mnist_t10k")
    images = idx_images.read_images(paths["t10k-images-idx3-ubyte.gz"])
    return images, idx_images.read_labels(paths["t10k-labels-idx1-ubyte.gz"]), None


def _read_fashion(get):
    path = get("fashion_mnist")["train-images-idx3-ubyte.gz"]
    return idx_images.read_images(path, sha256=FASHION_SHA256), None, None


SVHN = Collection("SVHN cropped digits", "official", _read_svhn)
FASHION = Collection("Fashion-MNIST, 60,000 training images", "kind", _read_fashion)


def mnist(tag):
    """MNIST's 10,000 test digits, as a stand-in of the given tag."""
    return Collection("MNIST, 10,000 test digits", tag, _read_mnist)


def gather(out, collections, *, source, mirror, seed, settings, progress=True):
    """Write the images of the first of `collections` that can be had to the npz `out`, else drawn glyphs.

    source: `mirror` or `download` take the first collection from there or fail; `auto` tries every collection in both
    ways; `generate` draws at once. settings: {size: side in pixels, images: at most so many, None for all}. A part of
    what is `official` is tagged `kind`.
    The npz holds images: (N, size, size) uint8, labels: (N,) int64 (-1 where unknown), test: (N,) bool.
    Returns facts for provenance. Raises NetworkError, ChecksumError and JepaError as jepa.data.official.obtain does,
    and JepaError for settings that leave no images or do not exist.
    """
    check_options(settings, {"size", "images"}, PREPARED)
    out = Path(out)
    with downloads(out) as folder:
        found, facts = _official(collections, folder, source, mirror, progress)
        if found is None:
            found = _drawn(settings["images"] or GLYPHS, seed)
            facts["message"] = f"Glyphs are drawn with seed {seed}, because {facts['message']}."
            print(facts["message"], file=sys.stderr, flush=True)
        if facts["tag"] == "official" and len(found[0]) > (settings["images"] or len(found[0])):
            facts["tag"] = "kind"
        facts |= _write(out, *found, seed, settings)
    return facts


def check_options(settings, options, beside):
    """Raise JepaError unless `settings` has exactly the `options` of its kind, apart from the keys `beside`."""
    unknown = sorted(set(settings) - beside - set(options))
    missing = sorted(set(options) - set(settings))
    if unknown or missing:
        problem = f"do not have {unknown[0]!r}" if unknown else f"lack {missing[0]!r}"
        raise JepaError(f"the options of this domain {problem}; they are {', '.join(sorted(options))}.")
    if settings.get("space", "raw") != "raw":
        raise JepaError(f"space is {settings['space']!r}, but images are completed and judged as pixels: use raw.")


def _official(collections, folder, source, mirror, progress):
    """What the first collection that can be had reads, and facts about it; (None, facts) where there is none."""
    reasons = []
    for collection in collections if source != "generate" else ():
        obtained = {}

        def get(dataset, obtained=obtained):
            obtained[dataset] = obtain(dataset, folder / dataset, source=source, mirror=mirror, progress=progress)
            return obtained[dataset]["paths"]

        try:
            found = collection.read(get)
        except NetworkError as error:
            if source != "auto":
                raise
            reasons.append(str(error).rstrip("."))
            continue
        facts = {"dataset": collection.name, "tag": collection.tag} | _joined(obtained)
        if reasons:
            facts["message"] = f"{collection.name} stands in: {'; '.join(reasons)}. {facts['message']}"
        return found, facts
    message = "; ".join(reasons) or "data.source is generate"
    return None, {"dataset": "glyphs drawn by numpy", "source": "generate", "tag": "mechanism", "message": message}


def _drawn(count, seed):
    labels = rng_of("glyphs", seed).integers(10, size=count)
    return glyphs.draw(labels, rng_of("glyph strokes", seed)), labels, None


def _joined(obtained):
    """One dict of facts of all datasets that were obtained: {dataset: facts of `obtain`}."""
    facts = list(obtained.values())
    joined = {key: {k: v for fact in facts for k, v in fact[key].items()} for key in ("origin", "sha256", "trust")}
    return joined | {
        "source": "download" if any(fact["source"] == "download" for fact in facts) else "mirror",
        "licence": facts[0]["licence"],
        "message": " ".join(dict.fromkeys(fact["message"] for fact in facts)),
    }


def _write(out, images, labels, test, seed, settings):
    if labels is None:
        labels = np.full(len(images), -1)
    if test is None:
        test = rng_of("held-out images", seed).permutation(len(images)) < round(HELD_OUT * len(images))
    keep = np.sort(rng_of("kept images", seed).permutation(len(images))[: settings["images"]])
    images, labels, test = shrink(images[keep], settings["size"]), labels[keep].astype(np.int64), test[keep]
    if not test.any() or test.all():
        raise JepaError(f"images is {settings.get('images')}, which leaves none to train on or none to test; raise it.")
    with atomic_path(out) as temporary:
        np.savez_compressed(temporary, images=images, labels=labels, test=test)
    return {"images": len(images), "test_images": int(test.sum()), "size": settings["size"]}


def shrink(images, size):
    """Images of side `size`: each new pixel averages an equal area of the old. images: (N, H, W) uint8.

    Returns (N, size, size) uint8. Raises JepaError if that would enlarge.
    """
    if not 2 <= size <= min(images.shape[1:]):
        raise JepaError(f"size is {size}; images of {images.shape[1]} x {images.shape[2]} need one from 2 to that.")
    rows, columns = (_averages(side, size) for side in images.shape[1:])
    out = np.empty((len(images), size, size), np.uint8)
    for start in range(0, len(images), 4096):
        part = slice(start, start + 4096)
        out[part] = np.rint(rows @ images[part].astype(np.float32) @ columns.T)
    return out


def _averages(old, new):
    """(new, old) float32: the share of each old pixel in each new one; rows sum to 1."""
    edges = np.arange(new + 1) * old / new
    pixels = np.arange(old)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(overlap, 0, None) * new / old).astype(np.float32)


@dataclass(frozen=True)
class Scale:
    """Grey levels in [0, 1] to numbers of mean 0 and variance 1, and squared errors back."""

    mean: float
    std: float

    @classmethod
    def of(cls, images):
        """The scale that standardises all pixels of `images`, uint8."""
        grey = images / np.float32(255)
        return cls(float(grey.mean()), float(grey.std()) or 1.0)

    def apply(self, images):
        """uint8 to float32, of the same shape."""
        return ((images / np.float32(255) - np.float32(self.mean)) / np.float32(self.std)).astype(np.float32)

    def clip(self, values):
        """`values` with what lies beyond black or white put there."""
        return np.clip(values, -self.mean / self.std, (1 - self.mean) / self.std)


def squared_errors(u, target):
    """Mean squared error of each head over pixels. u: (m, K, ...); target: (m, ...). Returns (m, K) float64."""
    difference = np.asarray(u, np.float64) - np.asarray(target, np.float64)[:, None]
    return (difference**2).reshape(*u.shape[:2], -1).mean(-1)


def neighbours(contexts, train, test, k):
    """The `k` training rows whose contexts are nearest to each test row's: (m, k) int, the nearest first.

    Their targets are what a forecaster without a model would guess. contexts: (N, ...) float32.
    """
    flat = contexts.reshape(len(contexts), -1)
    known, sizes = flat[train], (flat[train] ** 2).sum(-1)
    rows = []
    for start in range(0, len(test), 512):
        distance = sizes - 2 * flat[test[start : start + 512]] @ known.T
        nearest = np.argpartition(distance, k - 1, axis=-1)[:, :k]
        order = np.argsort(np.take_along_axis(distance, nearest, -1), axis=-1, kind="stable")
        rows.append(train[np.take_along_axis(nearest, order, -1)])
    return np.concatenate(rows)
