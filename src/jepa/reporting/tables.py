"""Printing a table from its tidy rows: CSV for programs, Markdown for pages, LaTeX (booktabs) for papers."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.reporting import formats
from jepa.reporting.layout import ARMS, TAG_MEANINGS, quantity_of
from jepa.reporting.measurements import read_measurements, weakest
from jepa.reporting.mop_tables import TABLES

COMPARED = frozenset(ARMS) - {"codebook"}  # the best of these is bold; the codebook is a trained control
GROUPS = {"controls": "controls", "ceiling": "ceilings", "external": "quoted: published OGBench baselines"}
LINES_A_PAGE = 64  # a longer table continues in a second float
TEX = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "−": "$-$",
    "→": r"$\to$",
    "π": r"$\pi$",
    "λ": r"$\lambda$",
} | {c: f"\\{c}" for c in "&%$#_{}"}


@dataclass(frozen=True)
class Cell:
    """One printed cell: plain text, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """One printed panel. corner: its data tag; header: (key, group, label) a column; lines: (Row, tag, [Cell, ...])."""

    title: str
    corner: str
    header: tuple
    lines: tuple
    notes: tuple


def print_table(measurements):
    """Print one table from its tidy rows (of `read_measurements`). Returns texts: (csv, markdown, latex)."""
    names = measurements["table"].unique()
    if len(names) != 1 or names[0] not in TABLES:
        raise JepaError(
            f"Measurements of exactly one known table are needed, these are of {', '.join(names) or 'none'}."
        )
    table = TABLES[names[0]]
    rows = {(row.row, row.column): row for row in measurements.itertuples(index=False)}
    grids = [_grid(panel, rows) for panel in table.panels]
    note = footnote(table, rows)
    return as_csv(grids), as_markdown(table, grids, note), as_latex(table, grids, note)


def write_table(measurements_csv, out_csv, out_md, out_tex):
    """Print the tidy rows of one table to a CSV, a Markdown and a LaTeX file."""
    texts = print_table(read_measurements(measurements_csv))
    for path, text in zip((out_csv, out_md, out_tex), texts, strict=True):
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(text)


def _grid(panel, rows):
    lines = [[rows.get((row.key, column.key)) for column in panel.columns] for row in panel.rows]
    row_tags = [weakest({tidy.tag for tidy in line if tidy} - {""}) for line in lines]
    shown = {tidy.tag for line in lines for tidy in line if tidy} - {""}
    mixed = len(shown) > 1  # then every column says the tag of its data
    printed = [
        part
        for place, column in enumerate(panel.columns)
        for part in _columns(column, panel.rows, [line[place] for line in lines], mixed)
    ]
    cells = map(list, zip(*(texts for _, texts in printed), strict=True))
    corner = "" if mixed else f"data: {max(shown, default='none')}"
    header = tuple(head for head, _ in printed)
    return Grid(panel.title, corner, header, tuple(zip(panel.rows, row_tags, cells, strict=True)), panel.notes)


def _columns(column, rows, tidies, mixed):
    """Our printed column, and the paper's where there is one: a list of (head, cells)."""
    tags = sorted({tidy.tag for tidy in tidies if tidy} - {""})
    tag = f" ({', '.join(tags)})" if tags and mixed else ""
    group, label = (column.group + tag, column.label) if column.group else ("", column.label + tag)
    found = list(zip(rows, tidies, [quantity_of(row, column) for row in rows], strict=True))
    top = _best(found) if column.best else None
    ours = [
        Cell(formats.ours(tidy, quantity, column), top is not None and _rival(row, tidy) == top)
        for row, tidy, quantity in found
    ]
    theirs = [Cell(formats.published(tidy, quantity or column.quantity, column)) for _, tidy, quantity in found]
    printed = [((column.key, group, label), ours)]
    return [*printed, ((f"{column.key} (paper)", group, "paper"), theirs)] if column.paper else printed


def _rival(row, tidy):
    """The value with which a learned arm competes for bold, as exact as printed; None for other rows."""
    compared = row.group == "arms" and COMPARED.issuperset(row.methods)
    return round(tidy.value, 3) if compared and tidy and not formats.is_missing(tidy.value) else None


def _best(found):
    """The highest value among the learned arms; None when fewer than two ran or all are equal."""
    values = [value for row, tidy, _ in found for value in [_rival(row, tidy)] if value is not None]
    return max(values) if len(set(values)) > 1 else None


def footnote(table, rows):
    """What the numbers are: scale, seeds, steps, and the meaning of the data tags."""
    tidy = list(rows.values())
    means = {
        int(rows[row.key, column.key].n)
        for panel in table.panels
        for row in panel.rows
        for column in panel.columns
        if (row.key, column.key) in rows and formats.form_of(quantity_of(row, column), column) == "mean"
    } - {0}
    seeds = max(means, default=0)
    fewer = " (fewer where a seed is undefined or not run)" if len(means) > 1 else ""
    spread = f"mean ± population standard deviation over {seeds} seeds{fewer}" if seeds > 1 else f"seeds: {seeds}"
    scale, steps = tidy[0].scale, str(tidy[0].steps)
    training = f", {steps} training steps" if steps else ""
    tags = sorted({tag for row in tidy for tag in [row.tag] if tag})
    meaning = "; ".join(f"{tag} = {TAG_MEANINGS[tag]}" for tag in tags)
    return (
        f"Scale {scale}{training}; {spread}. "
        f"Data: {meaning or 'none'}. Columns `paper`: published values. "
        f"{formats.NOTHING}: undefined or not published."
    )


def as_csv(grids):
    """All panels as one CSV: a line a row, a column a measured or published column; empty where there is none."""
    keys = list(dict.fromkeys(key for grid in grids for key, _, _ in grid.header))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["panel", "group", "row", "data", *keys])
    for grid in grids:
        for row, tag, cells in grid.lines:
            by_key = {key: cell.text for (key, _, _), cell in zip(grid.header, cells, strict=True)}
            writer.writerow([grid.title, row.group, row.label, tag, *(by_key.get(key, "") for key in keys)])
    return buffer.getvalue()


def as_markdown(table, grids, note):
    """GitHub Markdown: a heading, a table a panel, controls under a line of their own, notes."""
    parts = [f"# {table.name}: {table.title}", ""]
    for grid in grids:
        if len(grids) > 1:
            parts += [f"## {grid.title}", ""]
        labels = [f"{group}<br>{label}" if group else label for _, group, label in grid.header]
        parts += [f"| {grid.corner} | " + " | ".join(labels) + " |", "|:--|" + "--:|" * len(labels)]
        last = "arms"
        for row, _, cells in grid.lines:
            if row.group != last:
                parts.append(f"| *{GROUPS[row.group]}* |" + " |" * len(labels))
                last = row.group
            texts = [f"**{cell.text}**" if cell.best else cell.text for cell in cells]
            parts.append(f"| {row.label} | " + " | ".join(texts) + " |")
        parts += ["", *(f"{line}\n" for line in grid.notes)]
    return "\n".join([*parts, note, ""])


def escape(text):
    """Plain text as LaTeX."""
    return "".join(TEX.get(character, character) for character in text)


def as_latex(table, grids, note):
    """LaTeX floats over both columns of a page; needs booktabs only."""
    floats, lines = [[]], 0
    for grid in grids:
        height = len(grid.lines) + 6 + len(grid.notes)
        if floats[-1] and lines + height > LINES_A_PAGE:
            floats.append([])
            lines = 0
        floats[-1].append(grid)
        lines += height
    return "\n".join(_float(table, part, note, number) for number, part in enumerate(floats))


def _float(table, grids, note, number):
    caption = escape(table.title) + (". " + escape(note).replace("`", "") if not number else " (continued).")
    parts = [
        r"\begin{table*}[tp]",
        r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
        *([r"\addtocounter{table}{-1}"] if number else []),
        rf"\caption{{{caption}}}",
        *([] if number else [rf"\label{{tab:mop-{table.key}}}"]),
    ]
    for grid in grids:
        parts += ["", rf"\medskip\textbf{{{escape(grid.title)}}}\par\smallskip", *_tabular(grid)]
        parts += [rf"\par\smallskip{{{escape(line).replace('`', '')}\par}}" for line in grid.notes]
    return "\n".join([*parts, r"\end{table*}", ""])


def _tabular(grid):
    parts = [rf"\begin{{tabular}}{{@{{}}l{'r' * len(grid.header)}@{{}}}}", r"\toprule", *_spans(grid)]
    parts.append(" & ".join([escape(grid.corner), *(escape(label) for _, _, label in grid.header)]) + r" \\")
    last = None
    for row, _, cells in grid.lines:
        if row.group != last:
            parts.append(r"\midrule")
            last = row.group
        texts = [rf"\textbf{{{escape(cell.text)}}}" if cell.best else escape(cell.text) for cell in cells]
        parts.append(" & ".join([escape(row.label), *texts]) + r" \\")
    return [*parts, r"\bottomrule", r"\end{tabular}"]


def _spans(grid):
    """The line of group headers with its rules; nothing for a panel without groups."""
    groups = [group for _, group, _ in grid.header]
    if not any(groups):
        return []
    spans, start = [], 0
    for end in range(1, len(groups) + 1):
        if end == len(groups) or groups[end] != groups[start]:
            spans.append((groups[start], start + 2, end + 1))
            start = end
    heads = [rf"\multicolumn{{{last - first + 1}}}{{c}}{{{escape(group)}}}" for group, first, last in spans]
    rules = [rf"\cmidrule(lr){{{first}-{last}}}" for group, first, last in spans if group]
    return [" & ".join(["", *heads]) + r" \\", "".join(rules)]
