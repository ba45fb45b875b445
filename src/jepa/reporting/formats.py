"""From a tidy row to what a cell says: `.851 ± .08`, `.33 (5/15)`, `5/15 [.15, .58]`, `.14–.21`, `2.4×`, `not run`."""

import math
import re

NOTHING = "–"
RANGE = re.compile(r"^(\d*\.?\d+)-(\d*\.?\d+)$")  # a published range, such as 0.14-0.21


def number(value, digits=3):
    """A share as the papers print it: `.851`, `1.00`, `−.03`. From 1 on two decimals are enough."""
    digits = min(digits, 2) if round(abs(value), digits) >= 1 else digits
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0."):
        text = text[1:]
    return f"−{text}" if value < 0 and text.strip(".0") else text


def is_missing(value):
    """True for None and NaN: an empty cell of a CSV."""
    return value is None or math.isnan(value)


def _mean(row, spread):
    text = number(row.value)
    return f"{text} ± {number(row.sd, 2)}" if spread and row.n > 1 and not is_missing(row.sd) else text


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


FORMS = {
    "mean": _mean,
    "rate": _rate,
    "paired": _paired,
    "range": _range,
    "rank": _rank,
    "quotient": _quotient,
    "ratio": lambda row, spread: f"{row.value:.1f}×",
    "constant": lambda row, spread: number(row.value, 2),
    "leads": lambda row, spread: f"{int(row.value)}/{int(row.n)}",
    "modes": lambda row, spread: f"{row.text} ({row.value:.1f})",
    "ranking": lambda row, spread: row.text if row.text == "yes" else f"no ({int(row.value)} pairs)",
}


def form_of(quantity, column):
    """Which form prints a quantity in a column: a quantity over several mazes is printed as their range."""
    name = (quantity or "mean").partition(":")[0]
    if name == "ratio_gated_or_raw":
        return "ratio"
    if len(column.mazes) > 1 and name == "edges":
        return "range"
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
