"""Measurements: one tidy row for every cell of every table; tables are printed from nothing else."""

import io
from pathlib import Path

import pandas as pd

from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.random import rng_of
from jepa.reporting import domain_grid
from jepa.reporting.layout import TAGS, cells_of, methods_of, places_of, quantity_of
from jepa.reporting.papers import paper_of
from jepa.reporting.qantara_grid import TIMED
from jepa.reporting.quantities import UNDEFINED, rank_among
from jepa.reporting.records import read_generators, read_tags

KEYS = ["paper", "table", "row", "column"]
COLUMNS = [
    *KEYS,
    "value",  # ours
    "sd",  # population deviation over seeds
    "n",  # seeds; episodes for a rate; mazes for a range
    "lo",  # 95 % interval (seeds: bootstrap of the mean; rates: Wilson), or the ends of a range
    "hi",
    "episodes",  # of all seeds together, where a mean over seeds is one of rates, and their Wilson interval
    "wilson_lo",
    "wilson_hi",
    "scale",
    "tag",  # of the data; the weakest when a cell spans mazes
    "published",  # the paper's value
    "published_sd",
    "text",  # words about ours: `not run`, `undefined`, a verdict
    "published_text",  # the paper's words or range
    "steps",  # training steps of an arm; empty for domains, each of which has its own
    "protocol",  # how Qantara's evaluation pairs are kept apart from training
    "generator",  # how the episodes of Qantara's environment were made; empty when a cell spans several
]
MEASURED = ["value", "sd", "n", "lo", "hi", "episodes", "wilson_lo", "wilson_hi"]
NUMBERS = [*MEASURED, "published", "published_sd"]
PAPER_COLUMNS = ["table", "row", "column", "value", "sd", "note"]


def read_published(path):
    """Published numbers: {(table, row, column): (value, sd, text)}; words and ranges are text without value."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise JepaError(f"The published numbers {path} cannot be read ({error}); restore the file from git.") from None
    if list(table.columns) != PAPER_COLUMNS:
        raise JepaError(f"{path} must have the columns {', '.join(PAPER_COLUMNS)}; restore the file from git.")
    published = {}
    for line in table.itertuples(index=False):
        key = (line.table, line.row, line.column)
        if key in published:
            raise JepaError(f"{path} gives {' / '.join(key)} twice; keep one line.")
        try:
            published[key] = (float(line.value), float(line.sd) if line.sd else None, "")
        except ValueError:
            published[key] = (None, None, line.value)
    return published


def measure(table, records, published, scale, tags, steps=None, paper="mop", generators=None):
    """Tidy rows of one table of one paper, in its order (columns: COLUMNS).

    records: of the paper. published: of `read_published`. tags: {place: data tag}. generators: {place:
    how its episodes were made}. A cell that was not run has no value and the text `not run`; a cell without meaning
    (a control's gated readout) has no row.
    """
    rows, protocols, generators = [], records.protocols(), generators or {}
    for panel in paper_of(paper).tables[table].panels:
        external = [row.key for row in panel.rows if row.group == "external" and not row.methods]
        for row in panel.rows:
            for column in panel.columns:
                quantity = quantity_of(row, column)
                value, sd, text = published.get((table, row.key, column.key), (None, None, ""))
                if quantity is None and value is None and not text:
                    continue
                quoted = [published.get((table, name, column.key), (None,))[0] for name in external]
                places = places_of(row, column) if quantity else ()
                rng = rng_of("bootstrap", table, row.key, column.key)
                ours = _measured(paper, quantity, records, row, column, quoted, rng)
                rows.append(
                    {
                        **dict(zip(KEYS, (paper, table, row.key, column.key), strict=True)),
                        **{name: getattr(ours, name) for name in [*MEASURED, "text"]},
                        "scale": scale,
                        "tag": weakest(tags[p] for p in places if p in tags),
                        "published": value,
                        "published_sd": sd,
                        "published_text": text,
                        "steps": None if places and set(places) <= set(domain_grid.DATASETS) else steps,
                        "protocol": " ".join(sorted({protocols[p] for p in places if p in protocols})),
                        "generator": generators.get(places[0], "") if len(places) == 1 else "",
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _measured(paper, quantity, records, row, column, quoted, rng):
    if quantity is None:
        return UNDEFINED
    place = (records, methods_of(row, column), places_of(row, column), rng)
    if quantity.startswith("rank:"):
        rate = paper_of(paper).measured(quantity.removeprefix("rank:"), *place)
        return rank_among(rate, [value for value in quoted if value is not None])
    return paper_of(paper).measured(quantity, *place)


def weakest(tags):
    """The tag farthest from the paper's own data; empty for none."""
    return max(tags, key=TAGS.index, default="")


def write_measurements(table, files, paper_csv, out, scale, tag_files, steps=None, paper="mop"):
    """Measure one table of one paper from recorded results and write its tidy rows to the CSV `out`.

    files: MoP-JEPA's audits and executions, or Qantara's evaluations, dense diagnostics and floors; they say
    themselves what they are. paper_csv: the published numbers. tag_files: provenance of the datasets.
    """
    house = paper_of(paper)
    if table not in house.tables:
        raise JepaError(f"There is no table {table!r} of {paper}; there are {', '.join(house.tables)}.")
    records = house.read(files)
    tags = read_tags(tag_files, records.places(), house.datasets)
    steps = steps if steps is not None else "-".join(map(str, records.steps()))
    generators = read_generators(tag_files, house.datasets)
    _write(measure(table, records, read_published(paper_csv), scale, tags, steps, paper, generators), out)


def read_measurements(path):
    """Tidy rows from a CSV that `write_measurements` or `join_measurements` wrote; empty numbers are NaN."""
    try:
        rows = pd.read_csv(
            path,
            dtype=dict.fromkeys(set(COLUMNS) - set(NUMBERS), str),
            keep_default_na=False,
            na_values={name: [""] for name in NUMBERS},
        )
    except (OSError, ValueError) as error:
        raise JepaError(f"The measurements {path} cannot be read ({error}); run the rule that writes them.") from None
    if list(rows.columns) != COLUMNS:
        raise JepaError(f"{path} must have the columns {', '.join(COLUMNS)}; run the rule that writes it again.")
    for name in NUMBERS if len(rows) else ():
        if not pd.api.types.is_numeric_dtype(rows[name]):
            raise JepaError(f"{path} has words in its column `{name}`; run the rule that writes it again.")
    if (rows["sd"].notna() & rows["n"].isna()).any():
        raise JepaError(f"{path} has a deviation without its `n`; run the rule that writes it again.")
    unknown = sorted(set(rows["tag"]) - {"", *TAGS})
    if unknown:
        raise JepaError(f"{path} has the unknown data tag {unknown[0]!r}; run the rule that writes it again.")
    return rows


def join_measurements(files, out, timings):
    """Concatenate the tidy rows of several tables, in the order given, into two CSV files.

    out: every number that another run gives again, digit for digit on the same kind of machine. timings: the others.
    """
    rows = pd.concat([read_measurements(path) for path in files], ignore_index=True)
    cells = {cell for paper in rows["paper"].unique() for cell in _timed(paper)}
    timed = [cell in cells for cell in rows[KEYS].itertuples(index=False, name=None)]
    _write(rows[~pd.Series(timed, dtype=bool)], out)
    _write(rows[pd.Series(timed, dtype=bool)], timings)


def _timed(paper):
    """Cells of a paper's tables that tell what a clock says: (paper, table, row, column) of each."""
    for name, table in paper_of(paper).tables.items():
        for row, column, quantity in cells_of(table):
            if (quantity or "").partition(":")[0] in TIMED:
                yield (paper, name, row.key, column.key)


def _write(rows, out):
    buffer = io.StringIO()
    rows.to_csv(buffer, index=False, float_format="%.6g", lineterminator="\n")
    with atomic_path(Path(out)) as temporary:
        temporary.write_text(buffer.getvalue())
