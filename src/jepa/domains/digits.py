"""Masked digits: the lower half of a digit from its upper half (MoP-JEPA, "Evidence Chain and Generality").

Which digits an upper half may still become are its conditional digit modes: those to which a classifier of upper halves
gives a probability above a threshold. A head realises the digit that a judge, a classifier of whole digits, sees in the
upper half completed by that head. The headline is the share of its conditional modes that a context's heads realise.
Contexts with fewer than two modes ask for no mixture: they are counted and not scored.

SVHN is the paper's data. Where it cannot be had, MNIST's test digits or drawn glyphs exercise the mechanism under
their own names. The scores are of predicted means: the `mdn` arm is not sampled, the `var` arm is.
"""

from pathlib import Path

import numpy as np

from jepa.domains.base import Domain, best_of
from jepa.domains.compare import compare
from jepa.domains.judge import probabilities, train_classifier
from jepa.domains.pictures import AUDITED, IMAGES, SVHN, Scale, check_options, gather, mnist, neighbours, squared_errors
from jepa.errors import JepaError

OPTIONS = {"judge", "neighbours", "threshold"}
CLASSES = 10
ARRAYS = IMAGES


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Write the digits to the npz `out` (see jepa.domains.pictures.gather) and return facts for provenance."""
    collections = (SVHN, mnist("mechanism"))
    return gather(out, collections, source=source, mirror=mirror, seed=seed, settings=settings, progress=progress)


def audit(arrays, settings, seed, work, progress=True):
    """Compare the arms (see jepa.domains.compare). arrays: those of `prepare`. work: folder for resume files.

    settings beside compare's: judge: {width, steps, batch_size, lr} of both classifiers, neighbours: how many of a
    reference row, threshold of a conditional mode's probability. Raises JepaError for other settings, an odd size, or
    if no test image has two modes.
    """
    check_options(settings, OPTIONS, AUDITED)
    domain = build(arrays, settings, seed, Path(work), progress)
    return compare(domain, settings, seed, work, progress)


def build(arrays, settings, seed, work, progress=True):
    """The Domain of `audit`, its classifiers trained."""
    images, labels, held_out = arrays["images"], arrays["labels"], arrays["test"]
    if images.shape[1] % 2:
        raise JepaError(f"size is {images.shape[1]}; the upper half of a digit needs an even one.")
    half = images.shape[1] // 2
    scale = Scale.of(images[~held_out])
    pixels = scale.apply(images)
    top = pixels[:, :half]
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def classifier(name, x):
        checkpoint = work / f"{name}.safetensors"
        return train_classifier(x[train], labels[train], settings["judge"], (name, seed), checkpoint, progress)

    judge, guesser = classifier("judge", pixels), classifier("upper-halves", top)
    judged, guessed = probabilities(judge, pixels[test]), probabilities(guesser, top[test])
    modes = np.zeros((len(images), CLASSES), bool)
    modes[test] = conditional_modes(guessed, settings["threshold"])
    rows = test[modes[test].sum(1) > 1]
    if len(rows) < 2:
        raise JepaError("fewer than two test images have two conditional digit modes; lower threshold or raise images.")
    score = scorer(judge, pixels, modes, scale)
    near = neighbours(top, train, rows, settings["neighbours"])
    every = np.ones(near.shape, bool)
    return Domain(
        contexts=top[:, None],
        targets=pixels[:, None, half:],
        train=train,
        test=rows,
        metric="realised",
        better="higher",
        score=score,
        references={
            "what was there": score(pixels[rows, None, half:], every[:, :1], rows),
            f"lower halves of {near.shape[1]} neighbours": score(pixels[near, half:], every, rows),
        },
        extra={
            "judge_accuracy": accuracy(judged, labels[test]),
            "upper_half_accuracy": accuracy(guessed, labels[test]),
            "upper_half_confidence": float(guessed.max(1).mean()),
            "own_digit_among_modes": float(modes[test, labels[test]].mean()),
            "threshold": settings["threshold"],
            "modes": float(modes[rows].sum(1).mean()),
            "single_mode_contexts": len(test) - len(rows),
            "density_baselines": "mdn: means of its components; var: samples",
        },
    )


def scorer(judge, pixels, modes, scale):
    """The Domain's `score`: realised and precision (see `realisation`), and mse, the least of the active heads.

    judge: Classifier of whole images. pixels: (N, H, W) on `scale`. modes: (N, 10) bool. mse is in units of the whole
    range of grey.
    """
    half = pixels.shape[1] // 2

    def score(u, active, rows, embed=None):
        u = np.asarray(u).reshape(len(rows), -1, *pixels[0, half:].shape)
        upper = np.broadcast_to(pixels[rows, None, :half], u.shape)
        whole = np.concatenate([upper, scale.clip(u)], axis=2)
        seen = probabilities(judge, whole.reshape(-1, *pixels.shape[1:])).argmax(-1).reshape(u.shape[:2])
        errors = squared_errors(u, pixels[rows, half:]) * scale.std**2
        return realisation(seen, active, modes[rows]) | {"mse": best_of(errors, active)}

    return score


def conditional_modes(probability, threshold):
    """Which digits an upper half may become. probability: (m, 10). Returns (m, 10) bool."""
    return probability > threshold


def realisation(seen, active, modes):
    """Scores of completed digits. seen: (m, K) the judge's digits; active: (m, K) bool; modes: (m, 10) bool.

    Returns realised: (m,) share of a context's modes that an active head shows, and precision: (m,) share of its active
    heads that show a mode. Both are 0 without an active head.
    """
    shown = np.zeros(modes.shape, bool)
    row, head = np.nonzero(active)
    shown[row, seen[row, head]] = True
    right = np.take_along_axis(modes, seen, 1) & active
    return {
        "realised": (shown & modes).sum(1) / modes.sum(1),
        "precision": right.sum(1) / np.maximum(active.sum(1), 1),
    }


def accuracy(probability, labels):
    """Share of rows whose most probable class is their label. probability: (m, 10); labels: (m,)."""
    return float((probability.argmax(1) == labels).mean())
