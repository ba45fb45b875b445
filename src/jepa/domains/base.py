"""What a domain is: contexts, what happened next, and how a set of predictions is scored against it.

The verification protocol (MoP-JEPA, "Verification Protocol") then runs the same on pedestrians, digits or molecules:
jepa.domains.compare trains every arm on the train rows and reads each raw, gated and off its context on the test rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from jepa.data.arrays import npz_names, read_npz
from jepa.errors import JepaError

BETTER = ("lower", "higher")


@dataclass(frozen=True, eq=False)
class Domain:
    """N pairs of a context and its outcome. Raises JepaError for rows that cannot be trained on or do not fit.

    contexts: (N, *c) and targets: (N, *t), float32 already scaled for a network, or uint8 images, which count as
        values / 255. In latent space c and t must be the same shape (see jepa.models.forecaster).
    train: (n,), test: (m,) int rows, disjoint.
    metric: name of the headline score; better: `lower` or `higher`.
    score: (u, active, rows, embed) -> {name: (q,) float64}, the metric and any others for q test rows at once, or None
        for `error`: the least distance of an active head to the row's own target, cosine in latent space, mean
        squared in raw space; in latent space also `relative`, that distance / the latents' spread.
        u: (q, K, d) unit latents or, in raw space, (q, K, *t). active: (q, K) bool, heads that the readout may use.
        rows: (q,) int, rows of `targets`. embed: targets (p, *t) to (p, d) unit latents; None in raw space.
        No score may be infinite: see `best_of` for rows without an active head.
    references: {name: {metric: (m,)}}, scores on the test rows of what no model makes (persistence, ...).
    weights: (n,) sampling weights of the train rows, None for uniform.
    code_rows: rows, of `train`, to whose outcomes k-means codes are fitted (see jepa.domains.reading), None for rows as
        training draws them. Where the score is about some outcomes only, a fair codebook knows which.
    off: (m,) rows whose contexts replace those of `test` in the shuffle test, None for other test rows at random.
    extra: plain facts for the record.
    """

    contexts: np.ndarray
    targets: np.ndarray
    train: np.ndarray
    test: np.ndarray
    metric: str
    better: str = "lower"
    score: Callable | None = None
    references: Mapping = field(default_factory=dict)
    weights: np.ndarray | None = None
    off: np.ndarray | None = None
    code_rows: np.ndarray | None = None
    extra: Mapping = field(default_factory=dict)

    def __post_init__(self):
        n = len(self.contexts)
        if len(self.targets) != n:
            raise JepaError(f"A domain has {n} contexts but {len(self.targets)} targets; prepare its data again.")
        for name in ("contexts", "targets"):
            _check_values(name, getattr(self, name))
        for name in ("train", "test", "off"):
            rows = getattr(self, name)
            if rows is None:
                continue
            if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= n:
                raise JepaError(f"The {name} rows of a domain must be a list of numbers below its {n} pairs.")
        if len(self.test) < 2 or np.isin(self.test, self.train).any():
            raise JepaError("A domain needs two test rows or more, none of which it also trains on; mend its split.")
        if self.off is not None and len(self.off) != len(self.test):
            raise JepaError(f"A domain names {len(self.off)} rows off context for {len(self.test)} test rows.")
        if self.weights is not None and (
            self.weights.shape != self.train.shape or not self.weights.min() >= 0 or not 0 < self.weights.sum() < np.inf
        ):
            raise JepaError("The weights of a domain must be one number >= 0 for each train row, not all 0.")
        if self.better not in BETTER:
            raise JepaError(f"`better` of a domain is {self.better!r}, but must be lower or higher.")


def require(settings, *options):
    """Raise JepaError, naming it, for the first of `options` that the settings of a domain lack."""
    missing = [option for option in options if option not in settings]
    if missing:
        raise JepaError(f"the options of this domain lack {missing[0]!r}; it needs {', '.join(options)}.")


def best_of(errors, active):
    """The least error of each row's active heads, and the worst of all its heads where none is active.

    errors: (q, K) finite; active: (q, K) bool. Returns (q,) float64.
    """
    errors = np.asarray(errors, dtype=np.float64)
    best = np.where(active, errors, np.inf).min(axis=1)
    return np.where(np.isfinite(best), best, errors.max(axis=1))


def _check_values(name, array):
    if array.dtype not in (np.float32, np.uint8):
        raise JepaError(f"The {name} of a domain are {array.dtype}, but must be float32, or uint8 for images.")
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1) if array.dtype == np.float32 else np.zeros(0, bool)
    if bad.any():
        raise JepaError(
            f"{int(bad.sum())} of {len(array)} {name} hold values that are not finite, the first in row "
            f"{int(bad.argmax())}; leave such rows out when the data is prepared."
        )


def load_arrays(path, layout):
    """The arrays that prepare_domain wrote, by name; those beside the layout are read when they are asked for.

    layout: {name: (kind, *axes)}, the ARRAYS of the domain's module. kind: letters of numpy's dtype.kind; an axis is a
    length, or a letter that stands for the same length, not 0, in every array.
    Raises JepaError, naming file and array, when the file is missing or damaged, when an array of the layout is not
    there or has another type or shape; and, later, when another array is asked for that is not there.
    """
    arrays, lengths = Arrays(path), {}
    for name, (kind, *axes) in layout.items():
        array = arrays[name]
        fits = array.dtype.kind in kind and array.ndim == len(axes)
        for axis, length in zip(axes, array.shape, strict=False):
            wanted = lengths.setdefault(axis, length) if isinstance(axis, str) else axis
            fits = fits and length == wanted > 0
        if not fits:
            shape = ", ".join(str(lengths.get(axis, axis)) for axis in axes)
            raise JepaError(
                f"{path} has the array {name!r} of type {array.dtype} and shape {array.shape}, which should be "
                f"({shape}); delete it and run the rule that prepares it."
            )
    return arrays


class Arrays(Mapping):
    """A domain's arrays by name, read when they are first asked for: an audit of numbers never opens the frames."""

    WHAT = "a domain's arrays"

    def __init__(self, path):
        self.path, self.names, self._known = path, npz_names(path, self.WHAT), {}

    def __getitem__(self, name):
        if name not in self.names:
            raise JepaError(f"{self.path} lacks the array {name!r}; delete it and run the rule that prepares it.")
        if name not in self._known:
            self._known |= read_npz(self.path, self.WHAT, [name])
        return self._known[name]

    def __contains__(self, name):
        return name in self.names

    def __iter__(self):
        return iter(self.names)

    def __len__(self):
        return len(self.names)
