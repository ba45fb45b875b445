"""The verdict on one claim, computed from the cells of the tables and never typed.

A claim is a conjunction of parts, each a comparison `value symbol threshold`; where both sides are measured their
difference is the value and 0 the threshold. The rule:

- **An interval for the value.** Every cell is drawn from what its own row says of it, independently of the others, and
  the value is computed from the draws; the interval is their central 95 %. A mean over n seeds is drawn from Student's
  t with n - 1 degrees of freedom (n equal values have no width); a success rate on evaluation pairs (Qantara) gets its
  Wilson interval added, because all seeds play the same pairs; an execution rate and a floor are drawn from their
  Wilson interval; a deviation over seeds from the chi-square law, with an open upper end below ENOUGH seeds, because a
  collapse of one seed in three then goes unseen too often; numbers that the paper quotes, counts of parameters and
  constants are exact. The bootstrap intervals of the tables are not used: with three seeds they cannot leave the range
  of three values, which holds the median in three cases of four only.
- **A part** is reproduced when its whole interval satisfies it (`abs(a - b) <= c`: lies in [-c, c]), contradicted when
  no point of it does, and inconclusive when it overlaps the threshold, or when a mean is of one seed, whose spread
  nobody knows.
- **A part is not testable** when the claim does not speak of this scale or of the data of a cell, when a cell was not
  run or is undefined, and when it compares success rates, or takes their spread, where all are at their floor: two
  methods that both do no better than random actions are alike for no reason that matters.
- **A claim** is reproduced when all its parts are (each at 95 %: the claim is then at least as sure as that);
  contradicted when one part is, now at 1 - 5 %/m for m parts, so that many parts do not make a contradiction likely by
  chance; not testable when no part is testable, and inconclusive otherwise.

Methods share seeds, hold-out splits and evaluation pairs, so that the interval of a difference of two cells is mostly
too wide: the ledger errs towards `inconclusive`. Where the tables have a difference paired by seed (`intext`), claims
use it.
"""

import functools
from dataclasses import dataclass

import numpy as np
from scipy import stats

from jepa.random import rng_of
from jepa.reporting.expressions import WITHIN, cells_of, evaluate
from jepa.reporting.formats import is_missing
from jepa.reporting.layout import methods_of, places_of, quantity_of
from jepa.reporting.qantara_grid import AT_FLOOR, FLOORS

REPRODUCED, CONTRADICTED = "reproduced", "contradicted"
INCONCLUSIVE, NOT_TESTABLE = "inconclusive", "not testable"
VERDICTS = (REPRODUCED, CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE)
CONFIDENCE = 0.95
DRAWS = 20_000
ENOUGH = 8  # seeds in which a collapse of one seed in three is seen: (2/3)^8 < 5 %
NEAR = 1e-9  # measurements have six digits; a difference below this is none

SEEDS, RATE, EXACT, QUOTED = "seeds", "rate", "exact", "quoted"
OF_SEEDS = (  # quantities that are a mean over seeds, with the deviation over them
    "ceiling",
    "chosen",
    "codes",
    "dense",
    "difference",
    "distance",
    "edges",
    "fanout",
    "latency",
    "mean",
    "mean_gated_or_raw",
    "nll",
    "paired",
    "ratio_gated_or_raw",
    "score",
    "sr",
    "strongest",
    "suite",
    "sweep",
    "unsolved",
    "variant",
)
SPANNED = ("edges", "latency")  # ... unless the cell spans several places: then it is a range
KINDS = dict.fromkeys(OF_SEEDS, SEEDS) | {"rate": RATE, "constant": EXACT, "parameters": EXACT}


@dataclass(frozen=True)
class Part:
    """The verdict on one part. shown: what is compared. value, lo, hi: ours. n: fewest seeds, or episodes of a rate.

    published: the paper's value of the same expression, None where it does not give every cell.
    """

    shown: str
    symbol: str
    threshold: float
    verdict: str
    reason: str = ""
    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    n: int | None = None
    tag: str = ""
    published: float | None = None


def kind_of(row, column):
    """How the cell of a table is uncertain, one of KINDS' values; None where it has no interval to judge by."""
    quantity = quantity_of(row, column)
    if quantity is None:
        return QUOTED if row.group == "external" and not row.methods and column.paper else None
    name = quantity.partition(":")[0]
    if name in SPANNED and len(places_of(row, column)) > 1:
        return None
    if name in ("sr", "unsolved") and set(methods_of(row, column)) & set(FLOORS):
        return RATE
    return KINDS.get(name)


def judge(comparison, cells, scale, claim, parts=1):
    """The verdict on one part of a claim.

    cells: {Cell: (kind, tidy row or None)}. scale: of this run. claim: its `scales` and `tags` say where it can be
    tested, its `id` names the draws. parts: how many the claim has.
    """
    used = cells_of(comparison)
    split = bool(cells_of(comparison.right))  # two measured sides
    threshold = 0.0 if split else float(evaluate(comparison.right, {}))

    def value_of(values):
        left = evaluate(comparison.left, values)
        return left - evaluate(comparison.right, values) if split else left

    known = {cell: cells[cell] for cell in used}
    facts = {"published": _published(known, value_of), "tag": _tags(known)}
    part = functools.partial(Part, comparison.text, comparison.symbol, threshold, **facts)
    reason = _untestable(known, scale, claim)
    if reason:
        return part(NOT_TESTABLE, reason)
    value = float(value_of({cell: _point(cell, *known[cell]) for cell in used}))
    if not np.isfinite(value):
        return part(NOT_TESTABLE, "a measured zero in a denominator")
    counts = [int(row.n) for kind, row in known.values() if kind in (SEEDS, RATE)]
    n = min(counts, default=None)
    if any(kind == SEEDS and row.n < 2 for kind, row in known.values()):
        return part(INCONCLUSIVE, "one seed", value, n=n)
    rng = rng_of("claims", claim.id, comparison.text)
    draws = np.broadcast_to(value_of({cell: _drawn(cell, *known[cell], rng) for cell in used}), DRAWS)
    lo, hi = interval(draws, value, CONFIDENCE)
    verdict, reason = decide(comparison.symbol, threshold, lo, hi), ""
    if verdict == CONTRADICTED and parts > 1:
        wide = interval(draws, value, 1 - (1 - CONFIDENCE) / parts)
        verdict = decide(comparison.symbol, threshold, *wide)
        reason = "" if verdict == CONTRADICTED else f"no more than chance among {parts} parts"
    elif verdict == INCONCLUSIVE:
        reason = "the interval overlaps the threshold"
    return part(verdict, reason, value, lo, hi, n)


def decide(symbol, threshold, lo, hi):
    """`reproduced` when all of [lo, hi] satisfies `symbol threshold`, `contradicted` when none of it does."""
    if symbol == WITHIN:
        outside = lo > threshold + NEAR or hi < -threshold - NEAR
        inside = -threshold - NEAR <= lo and hi <= threshold + NEAR
        return REPRODUCED if inside else CONTRADICTED if outside else INCONCLUSIVE
    sign = 1 if symbol in (">", ">=") else -1
    least, most = sorted((sign * (lo - threshold), sign * (hi - threshold)))
    limit = NEAR if symbol in ("<", ">") else -NEAR
    return REPRODUCED if least > limit else CONTRADICTED if most <= limit else INCONCLUSIVE


def conclude(parts):
    """The verdict on a claim from those on its parts: (verdict, reason, the Part that decided)."""
    several = f" of {len(parts)} parts"
    for verdict in (CONTRADICTED, INCONCLUSIVE):
        found = [part for part in parts if part.verdict == verdict]
        if found:
            counted = f" ({len(found)}{several})" if len(parts) > 1 else ""
            return verdict, (found[0].reason + counted).strip(), found[0]
    missing = [part for part in parts if part.verdict == NOT_TESTABLE]
    if len(missing) == len(parts):
        return NOT_TESTABLE, missing[0].reason, missing[0]
    if missing:
        return INCONCLUSIVE, f"{len(missing)}{several} not testable: {missing[0].reason}", missing[0]
    return REPRODUCED, "", min(parts, key=_margin)


def interval(draws, value, confidence):
    """Central interval of the draws, widened to hold the value itself; unbounded where a draw is no number."""
    if np.isnan(draws).any():
        return -np.inf, np.inf
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(draws, [tail, 1 - tail], method="nearest")  # draws may be infinite: nothing between them
    return min(float(lo), value), max(float(hi), value)


def _margin(part):
    """Distance of the interval from the threshold, in its own width: the least is the part that was nearest."""
    ends = (part.threshold, -part.threshold) if part.symbol == WITHIN else (part.threshold,)
    return min(abs(bound - end) for bound in (part.lo, part.hi) for end in ends) / max(part.hi - part.lo, NEAR)


def _untestable(known, scale, claim):
    """Why a part cannot be tested, in words; empty where it can."""
    if scale not in claim.scales:
        return f"for scale {' or '.join(claim.scales)}"
    for cell, (kind, row) in known.items():
        name = f"{cell.table}.{cell.row}.{cell.column}"
        if row is None or is_missing(row.published if kind == QUOTED else row.value):
            return f"{name}: {'not measured' if row is None else row.text or 'undefined'}"
        if cell.sd and row.n < 2:
            return f"{name}: one seed has no deviation"
        if row.tag and row.tag not in claim.tags:
            return f"for data {' or '.join(claim.tags)}, these are {row.tag}"
    floored = all(row.text == AT_FLOOR for _, row in known.values())
    if floored and (len(known) > 1 or any(cell.sd for cell in known)):
        return "all at the floor of random actions"
    return ""


def _tags(known):
    return " ".join(dict.fromkeys(row.tag for _, row in known.values() if row is not None and row.tag))


def _published(known, value_of):
    """The value by the paper's numbers; None where it does not give every cell."""
    rows = {cell: row for cell, (_, row) in known.items() if row is not None}
    values = {cell: row.published_sd if cell.sd else row.published for cell, row in rows.items()}
    if len(rows) < len(known) or any(map(is_missing, values.values())):
        return None
    value = float(value_of(values))
    return value if np.isfinite(value) else None


def _point(cell, kind, row):
    return float(row.published if kind == QUOTED else row.sd if cell.sd else row.value)


def _drawn(cell, kind, row, rng):
    """Draws of one cell, or its value where nothing about it is uncertain."""
    if kind in (EXACT, QUOTED):
        return np.float64(_point(cell, kind, row))
    if kind == RATE:
        return row.value + _sided(row.value - row.lo, row.hi - row.value, rng)
    n, sd = int(row.n), row.sd
    if cell.sd:
        drawn = _shuffled(stats.chi2(n - 1), rng)
        deviations = sd * np.sqrt(n / drawn)
        return deviations if n >= ENOUGH else np.where(drawn < np.median(drawn), np.inf, deviations)
    draws = row.value + sd / np.sqrt(n - 1) * _shuffled(stats.t(n - 1), rng)
    if is_missing(row.wilson_lo):
        return draws
    return draws + _sided(row.value - row.wilson_lo, row.wilson_hi - row.value, rng)


def _sided(below, above, rng):
    """Deviations of two half normal laws whose central 95 % are [-below, above]."""
    normal = _shuffled(stats.norm(), rng) / stats.norm.ppf((1 + CONFIDENCE) / 2)
    return normal * np.where(normal < 0, max(below, 0), max(above, 0))


def _shuffled(law, rng):
    """DRAWS quantiles of a law in random order: its marginal is exact, only what is combined is random."""
    return rng.permutation(_quantiles(law.dist.name, law.args))


@functools.cache
def _quantiles(name, arguments):
    return getattr(stats, name).ppf((np.arange(DRAWS) + 0.5) / DRAWS, *arguments)
