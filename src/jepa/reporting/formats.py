"""From a tidy row to what a cell says: `.851 ± .08`, `90.1 ± 1.1`, `5/15 [.15, .58]`, `.14–.21`, `2.4×`, `not run`.

Shares (MoP-JEPA) are printed without the leading zero, success rates in percent (Qantara) with one decimal.
"""

import math
import re

from jepa.reporting.qantara_grid import AT_FLOOR, COLLAPSED

NOTHING = "–"
RANGE = re.compile(r"^(\d*\.?\d+)-(\d*\.?\d+)$")  # a published range, such as 0.14-0.21


def number(value, digits=3):
    """A share as the papers print it: `.851`, `1.00`, `−.03`. From 1 on two decimals are enough."""
    digits = min(digits, 2) if round(abs(value), digits) >= 1 else digits
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0."):
        text = text[1:]
    return f"−{text}" if value < 0 and text.strip(".0") else text


def plain(text):
    """Text from data as Markdown: nothing in it is a tag of HTML, which Markdown would pass on to a page."""
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", text)


def is_missing(value):
    """True for None and NaN: an empty cell of a CSV."""
    return value is None or math.isnan(value)


def _mean(row, spread):
    text = number(row.value)
    return f"{text} ± {number(row.sd, 2)}" if spread and row.n > 1 and not is_missing(row.sd) else text


def _picked(row, spread):
    return f"{_mean(row, spread)} ({row.text})"


def _nats(row, spread):
    return f"{row.value:.2f}".replace("-", "−") + "*" * (row.text == "chosen")


def _rate(row, spread):
    count = f"{round(row.value * row.n)}/{int(row.n)}"
    if spread:
        return f"{count} [{number(row.lo, 2)}, {number(row.hi, 2)}]"
    return f"{number(row.value, 2)} ({count})"


def _paired(row, spread):
    interval = "" if is_missing(row.lo) else f" [{number(row.lo, 2)}, {number(row.hi, 2)}]"
    return f"{number(row.value)}{interval}"


def _range(row, spread):
    return _join(number(row.lo, 2), number(row.hi, 2))


def _quotient(row, spread):
    return f"{_join(f'{row.lo:.1f}', f'{row.hi:.1f}') if not is_missing(row.lo) else f'{row.value:.1f}'}×"


def _rank(row, spread):
    return f"{int(row.value)} of {int(row.n)} ({_join(str(int(row.lo)), str(int(row.hi)))})"


def _join(low, high):
    return low if low == high else f"{low}–{high}"


def _points(row, spread):
    text = point(row.value)
    text += _deviation(row.sd) if spread and row.n > 1 and not is_missing(row.sd) else ""
    return text + "‡" * (row.text == AT_FLOOR)


def _deviation(sd):
    """` ± 1.1`, with the dagger of Qantara's Table 3 where seeds disagree widely."""
    return f" ± {sd:.1f}{'†' * (round(sd, 1) > COLLAPSED)}"


def _points_interval(row, spread):
    if is_missing(row.wilson_lo):
        return point(row.value)
    return f"{point(row.value)} [{point(row.wilson_lo)}, {point(row.wilson_hi)}]"


def _signed(row, spread):
    sign = "+" if round(row.value, 1) > 0 else ""
    return sign + _points(row, spread)


def point(value):
    """A success rate in percent: `90.1`, `−2.2`."""
    text = f"{abs(value):.1f}"
    return f"−{text}" if value < 0 and text != "0.0" else text


def _significant(row, spread):
    text = significant(row.value)
    return f"{text} ± {significant(row.sd)}" if spread and row.n > 1 and not is_missing(row.sd) else text


def _score(row, spread):
    """Of a domain: three significant digits, and the deviation to as many decimals."""
    text = significant(row.value)
    if not spread or row.n < 2 or is_missing(row.sd):
        return text
    decimals = len(text.partition(".")[2])
    return f"{text} ± {significant(row.sd) if 'e' in text else f'{row.sd:.{decimals}f}'}"


def significant(value):
    """Three significant digits, without an exponent for everyday sizes."""
    value = float(f"{value:.3g}")
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(digits, 0), 6)}f}" if 1e-4 <= abs(value) < 1e6 else f"{value:.2e}"


def _millions(row, spread):
    return f"{row.value / 1e6:.2f} M"


def _times(row, spread):
    low_high = (row.value, row.value) if is_missing(row.lo) else (row.lo, row.hi)
    return f"{_join(*(significant(end) for end in low_high))}×"


def _out_of(row, spread):
    return f"{int(row.value)}/{int(row.n)}"


POINT_FORMS = {
    "accepted": lambda row, spread: f"{int(row.value)} of {int(row.n)}",
    "codebook_share": lambda row, spread: f"{row.value:.2f}".replace("-", "−"),
    "context_ratio": lambda row, spread: f"{row.value:.2f}×",
    "gain": lambda row, spread: ("+" if round(row.value, 1) > 0 else "") + point(row.value),
    "millions": _significant,
    "score": _score,
    "verdict": lambda row, spread: row.text,
    "below": _out_of,
    "canvas": _significant,
    "dense": _significant,
    "difference": _signed,
    "episodes": lambda row, spread: f"{int(row.value)}",
    "latency": _significant,
    "latency range": lambda row, spread: _join(significant(row.lo), significant(row.hi)),
    "lower": _out_of,
    "lowest": _points,
    "over_reference": _times,
    "pairs": lambda row, spread: f"{int(row.value)}",
    "parameters": _millions,
    "shuffle": _points,
    "shuffle_difference": _signed,
    "shuffle_episodes": lambda row, spread: f"{int(row.value)}",
    "shuffle_reached": lambda row, spread: f"{point(row.value)} of {int(row.n)} pairs",
    "shuffle_wilson": _points_interval,
    "solved": _points,
    "spearman": lambda row, spread: f"{row.value:.2f}".replace("-", "−"),
    "speedup": _times,
    "spread": _points,
    "sr": _points,
    "sr_wilson": _points_interval,
    "suite": _points,
    "suite_range": lambda row, spread: _join(point(row.lo), point(row.hi)),
    "unsolved": _points,
    "unsolved_episodes": lambda row, spread: f"{int(row.value)}",
    "unsolved_wilson": _points_interval,
    "variant": _points,
}
SPANS = {"edges": "range", "latency": "latency range"}  # forms of a quantity over several places
FORMS = {
    "chosen": _picked,
    "mean": _mean,
    "nll": _nats,
    "rate": _rate,
    "paired": _paired,
    "range": _range,
    "rank": _rank,
    "quotient": _quotient,
    "ratio": lambda row, spread: f"{row.value:.1f}×",
    "constant": lambda row, spread: number(row.value, 2),
    "leads": lambda row, spread: f"{int(row.value)}/{int(row.n)}",
    "modes": lambda row, spread: f"{row.text} ({row.value:.1f})",
    "strongest": _picked,
    "ranking": lambda row, spread: row.text if row.text == "yes" else f"no ({int(row.value)} pairs)",
    **POINT_FORMS,
}


def form_of(quantity, column):
    """Which form prints a quantity in a column: a quantity over several places is printed as their range."""
    name = (quantity or "mean").partition(":")[0]
    if name == "ratio_gated_or_raw":
        return "ratio"
    if len(column.places) > 1 and name in SPANS:
        return SPANS[name]
    return name if name in FORMS else "mean"


def ours(row, quantity, column):
    """Our cell as plain text. row: a tidy row as a named tuple, or None where the table has no such cell."""
    if row is None or quantity is None or row.text == "undefined":
        return NOTHING
    if is_missing(row.value):
        return row.text or NOTHING
    return FORMS[form_of(quantity, column)](row, column.spread)


def published(row, quantity, column):
    """The paper's cell as plain text, in the form of ours."""
    if row is None:
        return NOTHING
    form = form_of(quantity, column)
    if form in POINT_FORMS:
        return _published_points(row, form)
    if row.published_text:
        found = RANGE.match(row.published_text)
        if not found:
            return row.published_text
        low, high = (number(float(end), 2) if "." in end else end for end in found.groups())
        return f"[{low}, {high}]" if form == "paired" else f"{low}–{high}" + "×" * (form == "quotient")
    if is_missing(row.published):
        return NOTHING
    if form in ("leads", "rank"):
        return f"{int(row.published)}/3" if form == "leads" else f"{int(row.published)} of 7"
    if form in ("quotient", "ratio"):
        return f"{row.published:.1f}×"
    digits = 2 if form == "rate" or round(row.published, 2) == row.published and is_missing(row.published_sd) else 3
    text = number(row.published, digits)
    return text if is_missing(row.published_sd) else f"{text} ± {number(row.published_sd, 2)}"


def _published_points(row, form):
    """As published: words and ranges, `75`, `90.1 ± 1.1`, `+37.7`, `2×`."""
    if row.published_text:
        return re.sub(r"(?<=\d)-(?=\d)", "–", row.published_text)
    if is_missing(row.published):
        return NOTHING
    if is_missing(row.published_sd):
        text = f"{row.published:{'+g' if form == 'gain' else 'g'}}".replace("-", "−")
        return text + "×" * (form == "context_ratio")
    return point(row.published) + _deviation(row.published_sd)
