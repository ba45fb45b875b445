"""Printing a table from its tidy rows: CSV for programs, Markdown for pages, LaTeX (booktabs) for papers."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.reporting import formats
from jepa.reporting.domain_grid import DATASETS as DOMAINS
from jepa.reporting.layout import TAG_MEANINGS, cells_of, methods_of, places_of, quantity_of
from jepa.reporting.measurements import read_measurements, weakest
from jepa.reporting.papers import PAPERS
from jepa.reporting.qantara_grid import ENVS, PROTOCOLS

OVER_SEEDS = ("mean", "sr", "unsolved", "dense", "score")  # means over training seeds, of which the footnote tells
END = r"\end{table*}"
LINES_A_PAGE = 64  # a longer table continues in a second float
NOTE_WIDTH = 170  # characters of a line of notes
TEX = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "−": "$-$",
    "→": r"$\to$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "π": r"$\pi$",
    "λ": r"$\lambda$",
    "γ": r"$\gamma$",
    "τ": r"$\tau$",
    "√": r"$\surd$",
    "≈": r"$\approx$",
    "<": "$<$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
} | {c: f"\\{c}" for c in "&%$#_{}"}


@dataclass(frozen=True)
class Cell:
    """One printed cell: plain text, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """One printed panel. corner: its data tag; header: (key, group, label) a column; lines: (Row, tag, [Cell, ...]).

    tagged: the rows differ in their data, so that pages print the tag beside their labels. empty: nothing was run and
    nothing is published, so that pages say so in a word.
    """

    title: str
    corner: str
    header: tuple
    lines: tuple
    notes: tuple
    tagged: bool
    empty: bool

    def label(self, row, tag):
        """The label of a row on a page."""
        return f"{row.label} ({tag})" if self.tagged and tag else row.label


def print_table(measurements):
    """Print one table from its tidy rows (of `read_measurements`). Returns texts: (csv, markdown, latex)."""
    found = sorted(set(zip(measurements["paper"], measurements["table"], strict=True)))
    if len(found) != 1 or found[0][0] not in PAPERS or found[0][1] not in PAPERS[found[0][0]].tables:
        names = ", ".join(" ".join(pair) for pair in found) or "none"
        raise JepaError(f"Measurements of exactly one known table are needed, these are of {names}.")
    key, name = found[0]
    paper, table = PAPERS[key], PAPERS[key].tables[name]
    rows = {(row.row, row.column): row for row in measurements.itertuples(index=False)}
    grids = [_grid(panel, rows, paper) for panel in table.panels]
    note = footnote(table, rows, paper)
    texts = as_markdown(table, grids, note, paper.groups), as_latex(table, grids, note, f"tab:{key}-{name}")
    return as_csv(grids), *texts


def write_table(measurements_csv, out_csv, out_md, out_tex):
    """Print the tidy rows of one table to a CSV, a Markdown and a LaTeX file."""
    texts = print_table(read_measurements(measurements_csv))
    for path, text in zip((out_csv, out_md, out_tex), texts, strict=True):
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(text)


def _grid(panel, rows, paper):
    lines = [[rows.get((row.key, column.key)) for column in panel.columns] for row in panel.rows]
    row_tags = [weakest({tidy.tag for tidy in line if tidy} - {""}) for line in lines]
    shown = {tidy.tag for line in lines for tidy in line if tidy} - {""}
    mixed = len(shown) > 1  # then every column says the tag of its data, or every row where the rows are the places
    by_row = mixed and all(row.places for row in panel.rows)
    printed = [
        part
        for place, column in enumerate(panel.columns)
        for part in _columns(column, panel.rows, [line[place] for line in lines], mixed and not by_row, paper)
    ]
    cells = map(list, zip(*(texts for _, texts in printed), strict=True))
    corner = "" if mixed else f"data: {max(shown, default='none')}"
    header = tuple(head for head, _ in printed)
    known = [tidy for line in lines for tidy in line if tidy]
    empty = all(
        tidy.text == "not run" and formats.is_missing(tidy.published) and not tidy.published_text for tidy in known
    )
    body = tuple(zip(panel.rows, row_tags, cells, strict=True))
    return Grid(panel.title, corner, header, body, panel.notes, by_row, empty)


def _columns(column, rows, tidies, tagged, paper):
    """Our printed column, and the paper's where there is one: a list of (head, cells)."""
    tags = sorted({tidy.tag for tidy in tidies if tidy} - {""})
    tag = f" ({', '.join(tags)})" if tags and tagged else ""
    group, label = (column.group + tag, column.label) if column.group else ("", column.label + tag)
    found = list(zip(rows, tidies, [quantity_of(row, column) for row in rows], strict=True))
    rivals = [_rival(row, column, tidy, paper) for row, tidy, _ in found]
    top = _best(rivals) if column.best else None
    ours = [
        Cell(formats.ours(tidy, quantity, column), top is not None and rival == top)
        for rival, (_, tidy, quantity) in zip(rivals, found, strict=True)
    ]
    theirs = [Cell(formats.published(tidy, quantity or column.quantity, column)) for _, tidy, quantity in found]
    if not any(quantity for _, _, quantity in found):
        return [((f"{column.key} (paper)", group or label, "paper"), theirs)]
    printed = [((column.key, group, label), ours)]
    return [*printed, ((f"{column.key} (paper)", group, "paper"), theirs)] if column.paper else printed


def _rival(row, column, tidy, paper):
    """The value with which a learned method competes for bold, as exact as printed; None for other rows."""
    compared = row.group == "arms" and paper.compared.issuperset(methods_of(row, column))
    return round(tidy.value, paper.digits) if compared and tidy and not formats.is_missing(tidy.value) else None


def _best(rivals):
    """The highest value among the learned methods; None when fewer than two ran or all are equal."""
    values = {value for value in rivals if value is not None}
    return max(values) if len(values) > 1 else None


def footnote(table, rows, paper):
    """What the numbers are: scale, seeds, steps, protocol, and the meaning of the data tags."""
    tidy = list(rows.values())
    means = {
        int(rows[row.key, column.key].n)
        for row, column, quantity in cells_of(table)
        if (row.key, column.key) in rows and formats.form_of(quantity, column) in OVER_SEEDS
        if not formats.is_missing(rows[row.key, column.key].sd)
    } - {0}
    seeds = max(means, default=0)
    fewer = " (fewer where a seed is undefined or not run)" if len(means) > 1 else ""
    spread = (
        f"mean ± population standard deviation over {seeds} {paper.seeds}{fewer}"
        if seeds > 1
        else f"{paper.seeds}: {seeds}"
    )
    scale, steps = tidy[0].scale, next((str(row.steps) for row in tidy if row.steps), "")
    training = f", {steps} training steps" if steps else ""
    tags = sorted({tag for row in tidy for tag in [row.tag] if tag})
    meaning = "; ".join(f"{tag} = {TAG_MEANINGS[tag]}" for tag in tags)
    return (
        f"Scale {scale}{training}; {spread}. {_protocol(table, rows)}"
        f"Data: {meaning or 'none'}. {_generators(table, rows)}Columns `paper`: published values. "
        f"{formats.NOTHING}: undefined or not published."
    )


def _protocol(table, rows):
    """A sentence about the protocol of Qantara's pairs, with the environments where they differ; empty without one."""
    by_env, envs = _by_env(table, rows, "protocol"), {}
    for env, protocol in by_env.items():
        envs.setdefault(protocol, []).append(env)
    meanings = [
        f"{protocol} ({meaning})" + (f" on {', '.join(envs[protocol])}" if len(envs) > 1 else "")
        for protocol, meaning in PROTOCOLS.items()
        if protocol in envs
    ]
    return f"Protocol: {'; '.join(meanings)}. " if meanings else ""


def _generators(table, rows):
    """A sentence about how the episodes of each environment were made; empty where nothing says so."""
    found = _by_env(table, rows, "generator")
    episodes = f"Episodes: {'; '.join(f'{env}: {text}' for env, text in found.items())}. " if found else ""
    return episodes + _contents(table, rows)


def _contents(table, rows):
    """A sentence about what stands behind the domains, each content once; empty where nothing says so."""
    cells = [(places_of(row, column), rows.get((row.key, column.key))) for row, column, _ in cells_of(table)]
    domains = [(places[0], tidy.generator) for places, tidy in cells if tidy and len(places) == 1]
    contents = dict.fromkeys(text for domain, text in domains if domain in DOMAINS and text)
    return f"Behind the domains: {'; '.join(contents)}. " if contents else ""


def _by_env(table, rows, name):
    """What cells of a single environment say in one tidy column: {label: text}, in the order of the environments."""
    cells = [(places_of(row, column), rows.get((row.key, column.key))) for row, column, _ in cells_of(table)]
    found = {places[0]: getattr(tidy, name) for places, tidy in cells if tidy and len(places) == 1}
    return {label: found[env] for env, label in ENVS.items() if found.get(env)}


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


def as_markdown(table, grids, note, groups):
    """GitHub Markdown: a heading, a table a panel, controls under a line of their own, notes."""
    parts = [f"# {table.name}: {table.title}", ""]
    for grid in grids:
        if len(grids) > 1:
            parts += [f"## {grid.title}", ""]
        if grid.empty:
            parts += ["*not run*", ""]
            continue
        labels = [f"{group}<br>{label}" if group else label for _, group, label in grid.header]
        parts += [f"| {grid.corner} | " + " | ".join(labels) + " |", "|:--|" + "--:|" * len(labels)]
        last = "arms"
        for row, tag, cells in grid.lines:
            if row.group != last:
                parts.append(f"| *{groups[row.group]}* |" + " |" * len(labels))
                last = row.group
            texts = [f"**{formats.plain(cell.text)}**" if cell.best else formats.plain(cell.text) for cell in cells]
            parts.append(f"| {formats.plain(grid.label(row, tag))} | " + " | ".join(texts) + " |")
        parts += ["", *(f"{line}\n" for line in grid.notes)]
    return "\n".join([*parts, *table.notes, *([""] if table.notes else []), formats.plain(note), ""])


def escape(text):
    """Plain text as LaTeX."""
    return "".join(TEX.get(character, character) for character in text)


def as_latex(table, grids, note, label):
    """LaTeX floats over both columns of a page; needs booktabs only."""
    floats, lines = [[]], 0
    for grid in grids:
        height = len(grid.lines) + 6 + sum(1 + len(note) // NOTE_WIDTH for note in grid.notes)
        if floats[-1] and lines + height > LINES_A_PAGE:
            floats.append([])
            lines = 0
        floats[-1].append(grid)
        lines += height
    texts = [_float(table, part, note, label, number) for number, part in enumerate(floats)]
    closing = [rf"\par\smallskip{{{escape(line)}\par}}" for line in table.notes]
    texts[-1] = texts[-1].replace(END, "\n".join([*closing, END]))
    return "\n".join(texts)


def _float(table, grids, note, label, number):
    caption = escape(table.title) + (". " + escape(note).replace("`", "") if not number else " (continued).")
    parts = [
        r"\begin{table*}[tp]",
        r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
        *([r"\addtocounter{table}{-1}"] if number else []),
        rf"\caption{{{caption}}}",
        *([] if number else [rf"\label{{{label}}}"]),
    ]
    for grid in grids:
        body = [r"not run\par"] if grid.empty else _tabular(grid)
        parts += ["", rf"\medskip\textbf{{{escape(grid.title)}}}\par\smallskip", *body]
        if grid.empty:
            continue
        parts += [rf"\par\smallskip{{{escape(line).replace('`', '')}\par}}" for line in grid.notes]
    return "\n".join([*parts, END, ""])


def _tabular(grid):
    parts = [rf"\begin{{tabular}}{{@{{}}l{'r' * len(grid.header)}@{{}}}}", r"\toprule", *_spans(grid)]
    parts.append(" & ".join([escape(grid.corner), *(escape(label) for _, _, label in grid.header)]) + r" \\")
    last = None
    for row, tag, cells in grid.lines:
        if row.group != last:
            parts.append(r"\midrule")
            last = row.group
        texts = [rf"\textbf{{{escape(cell.text)}}}" if cell.best else escape(cell.text) for cell in cells]
        parts.append(" & ".join([escape(grid.label(row, tag)), *texts]) + r" \\")
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
