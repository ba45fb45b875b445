"""What the controls say about a gain: does the mixture use its context, or would any set of guesses do as well?

"The Protocol Fires Where It Should": a taxi gain of 36 % is rejected because a codebook reaches 84 % of it and other
contexts cost only 1.23 times the error; the pedestrians' is accepted with 74 % and 2.0. The thresholds are ours: the
paper names none, and these keep its two cases on their sides.

They cannot tell modes from noise in few dimensions, which K heads quantise as well (Prop. 3 with one mode). The record
therefore has `displaced` readouts of the dense arm too: its one prediction with K fixed displacements around it.
"""

import math

import numpy as np

GAIN = 0.05  # a smaller relative improvement over dense is none
SHARE = 0.8  # of the improvement, which a codebook reaches that never sees a context
RATIO = 1.5  # score off context against on context; 1 means that the context is not used

NO_GAIN = "no gain"
CODEBOOK = "reproduced by codebook"
CONDITIONAL = "context-conditional"
CRITERIA = (
    f"{NO_GAIN}: less than {GAIN:.0%} better than dense on average, or not better in every seed; {CODEBOOK}: codebook "
    f"share >= {SHARE} or shuffle ratio < {RATIO}; otherwise {CONDITIONAL}"
)


def verdict(dense, mop, codebook, shuffled, better="lower"):
    """Judge a domain by its headline score, which must not be negative, in S seeds.

    dense, mop, codebook: (S,) raw scores. shuffled: (S,), mop on the contexts of other rows. better: `lower` for
    errors or `higher`. Returns {verdict: one of the three above, gain, share, ratio}, of the means over seeds:

        gain    improvement of mop over dense / dense's score; infinite where dense covers nothing and mop does
        share   improvement of codebook over dense / improvement of mop over dense; None where mop does not improve
        ratio   shuffled / mop for errors, mop / shuffled otherwise; infinite where the better of them is free of error
    """
    sign = -1.0 if better == "lower" else 1.0
    dense, mop, codebook, shuffled = (np.asarray(x, dtype=np.float64) for x in (dense, mop, codebook, shuffled))
    everywhere = bool((sign * (mop - dense) > 0).all())
    dense, mop, codebook, shuffled = (float(x.mean()) for x in (dense, mop, codebook, shuffled))
    improvement = sign * (mop - dense)
    gain = _ratio(improvement, dense) if improvement else 0.0
    share = sign * (codebook - dense) / improvement if improvement > 0 else None
    ratio = _ratio(shuffled, mop) if better == "lower" else _ratio(mop, shuffled)
    if gain < GAIN or not everywhere:
        word = NO_GAIN
    elif share >= SHARE or ratio < RATIO:
        word = CODEBOOK
    else:
        word = CONDITIONAL
    return {"verdict": word, "gain": gain, "share": share, "ratio": ratio}


def _ratio(a, b):
    """a / b; 1 for 0 / 0, infinite with the sign of a for a / 0."""
    if b == 0:
        return 1.0 if a == 0 else math.copysign(math.inf, a)
    return a / b
