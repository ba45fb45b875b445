"""Printing the claims ledger: one row a claim as CSV for programs and as Markdown for readers."""

import csv
import io
import math
from collections import Counter
from pathlib import Path

from jepa.files import atomic_path
from jepa.reporting.claims import NEEDED, judge_claims, read_all, read_claims
from jepa.reporting.formats import significant
from jepa.reporting.layout import TAG_MEANINGS
from jepa.reporting.verdicts import NOT_TESTABLE, VERDICTS

COLUMNS = (
    "id",
    "paper",
    "where",
    "statement",
    "verdict",
    "reason",
    "published",  # as the paper gives it, in its words
    "part",  # the part of the claim that decided, and what is compared in it; the next columns are of that part
    "compared",
    "symbol",
    "threshold",
    "published_value",  # by the paper's numbers, where it gives every cell
    "value",  # ours
    "lo",
    "hi",
    "n",  # fewest seeds, or episodes of a rate
    "tag",
    "parts",  # how many of them have which verdict
    "expression",
    "scale",
)
TITLES = {"mop": "MoP-JEPA", "qantara": "Qantara"}
RULE = (
    "A claim is **reproduced** when the 95 % interval of our value satisfies it in every part, **contradicted** when "
    "the interval of a part excludes it (at 1 − 5 %/m for m parts), **inconclusive** when the interval overlaps the "
    "threshold or one seed tells nothing of the spread, and **not testable** when this scale, these data or cells that "
    "were not run do not bear on it. Intervals: Student's t over seeds, with the Wilson interval of the evaluation "
    "pairs added for success rates; Wilson for execution. Cells count as independent although methods share seeds and "
    "pairs, which makes the ledger err towards inconclusive; yet of so many verdicts at 95 % a few are wrong by "
    "chance. The rule stands in `src/jepa/reporting/verdicts.py`, the claims in `paper/claims.yaml`; no verdict is "
    "written by hand."
)
READING = (
    "test: what must hold, over the cells `table.row.column` of that paper; a word in capitals stands for each key of "
    "a set. ours, paper: the value of its left side (what stands in `abs`), or left minus right where both are "
    "measured; one line a part (with the number of its comparison where the test has several), at most {most} of them, "
    "those that decided first. n: fewest seeds (execution, floors: episodes)."
)
HEAD = ("claim", "verdict", "paper", "ours [95 %]", "n, data", "test")
MOST_LINES = 6


def write_ledger(claims_yaml, measurements, out_csv, out_md, scale):
    """Judge the claims of a file by the measurements of some tables; write a CSV and a Markdown page."""
    judged = judge_claims(read_claims(claims_yaml), read_all(measurements), scale)
    for path, text in ((out_csv, as_csv(judged, scale)), (out_md, as_markdown(judged, scale))):
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(text)


def as_csv(judged, scale):
    """One row a claim; the numbers are those of the part that decided."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for claim, verdict, reason, decided, parts in judged:
        counts = Counter(part.verdict for _, part in parts)
        writer.writerow(
            {
                **{key: getattr(claim, key) for key in NEEDED},
                "verdict": verdict,
                "reason": reason,
                "part": next(label for label, part in parts if part is decided),
                "compared": decided.shown,
                "symbol": decided.symbol,
                "threshold": f"{decided.threshold:.6g}",
                "published_value": _digits(decided.published),
                **{key: _digits(getattr(decided, key)) for key in ("value", "lo", "hi", "n")},
                "tag": decided.tag,
                "parts": ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]),
                "scale": scale,
            }
        )
    return buffer.getvalue()


def as_markdown(judged, scale):
    """A summary, then a table a paper, its claims in the order of the file."""
    lines = [f"# Claims of both papers at scale {scale}", "", *_summary(judged), RULE, ""]
    for paper in dict.fromkeys(claim.paper for claim, *_ in judged):
        lines += [f"## {TITLES[paper]}", "", _row(HEAD), "|" + ":--|" * len(HEAD)]
        lines += [_line(*one) for one in judged if one[0].paper == paper]
        lines.append("")
    tags = sorted({tag for *_, parts in judged for _, part in parts for tag in part.tag.split()})
    meanings = "; ".join(f"{tag} = {TAG_MEANINGS[tag]}" for tag in tags)
    return "\n".join([*lines, READING.format(most=MOST_LINES), "", f"Data: {meanings or 'none'}.", ""])


def _summary(judged):
    papers = list(dict.fromkeys(claim.paper for claim, *_ in judged))
    counts = Counter((claim.paper, verdict) for claim, verdict, *_ in judged)
    rows = [_row([verdict, *(str(counts[paper, verdict]) for paper in papers)]) for verdict in VERDICTS]
    return [_row(["", *(TITLES[paper] for paper in papers)]), "|:--|" + "--:|" * len(papers), *rows, ""]


def _line(claim, verdict, reason, decided, parts):
    shown = sorted(parts, key=lambda labelled: (labelled[1].verdict != decided.verdict, labelled[1].verdict))
    ours = [_ours(*labelled) for labelled in shown if labelled[1].value is not None]
    said = f"{_emphasis(verdict)}<br>{reason}" if reason else _emphasis(verdict)
    tested = [part for _, part in parts if part.value is not None]
    counts = {part.n for part in tested} - {None}
    behind = [str(n) for n in sorted(counts)[:1]] + sorted({tag for part in tested for tag in part.tag.split()})
    texts = [claim.statement, said, f"{claim.published}<br>{claim.where}", _lines(ours)]
    return _row([*texts, ", ".join(behind), f"`{claim.expression}`"])


def _ours(label, part):
    inside = "" if part.lo is None else f" [{_number(part.lo)}, {_number(part.hi)}]"
    paper = "" if part.published is None else f" (paper {_number(part.published)})"
    return f"{label}: " * bool(label) + f"{_number(part.value)}{inside}{paper}"


def _lines(texts):
    more = len(texts) - MOST_LINES
    return "<br>".join(texts[:MOST_LINES] + ([f"and {more} more"] if more > 0 else [])) or "–"


def _emphasis(verdict):
    return verdict if verdict == NOT_TESTABLE else f"**{verdict}**"


def _row(texts):
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _number(value):
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return significant(value).replace("-", "−")


def _digits(value):
    return "" if value is None else f"{value:.6g}"
