"""The claims ledger: every published claim as a checkable row, evaluated over the measured tables.

`paper/claims.yaml` has three parts. `defaults`: scales and data tags at which a claim can be tested unless it says so
itself. `sets`: lists of keys by a name in capitals; a name that occurs in an expression makes one part of the claim for
each of its keys, all of which must hold ("on all mazes"). `claims`: a list, each with the keys NEEDED and, where it
differs from the defaults, `scales` and `tags`. `expressions` has the language of `expression`, `verdicts` the rule.
"""

import functools
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from jepa.errors import JepaError
from jepa.reporting.expressions import cells_of, identifier, parse
from jepa.reporting.layout import TAGS
from jepa.reporting.layout import cells_of as cells_of_table
from jepa.reporting.measurements import KEYS, read_measurements
from jepa.reporting.papers import PAPERS
from jepa.reporting.verdicts import SEEDS, conclude, judge, kind_of

NEEDED = ("id", "paper", "where", "statement", "published", "expression")
OPTIONAL = ("scales", "tags")
SCALES = ("smoke", "laptop", "paper")
MOST_PARTS = 64  # of one claim, for each comparison in its expression
WORD = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2,}(?![0-9A-Za-z])")  # the name of a set inside an identifier


@dataclass(frozen=True)
class Claim:
    """One claim. parts: ((label, Comparison), ...).

    The label says which keys of the sets a part is about, and which comparison it is where there are several.
    """

    id: str
    paper: str
    where: str
    statement: str
    published: str
    expression: str
    scales: tuple
    tags: tuple
    parts: tuple


def read_claims(path):
    """All claims of a file, in its order. Raises JepaError in one sentence that names the claim and what is wrong."""
    try:
        raw = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise JepaError(f"The claims {path} cannot be read ({reason}); restore the file from git.") from None
    if not isinstance(raw, dict) or set(raw) != {"defaults", "sets", "claims"}:
        raise JepaError(f"{path} must have the entries defaults, sets and claims, and no others.")
    if not isinstance(raw["claims"], list) or not raw["claims"]:
        raise JepaError(f"The entry claims of {path} must be a list of claims.")
    sets, defaults = _read_sets(raw["sets"]), raw["defaults"]
    if not isinstance(defaults, dict) or set(defaults) != set(OPTIONAL):
        raise JepaError(f"The entry defaults of {path} must have {' and '.join(OPTIONAL)}.")
    claims = [_read_claim(entry, number, sets, defaults) for number, entry in enumerate(raw["claims"], 1)]
    for number, claim in enumerate(claims):
        if claim.id in {earlier.id for earlier in claims[:number]}:
            raise JepaError(f"Claim {claim.id} stands twice in {path}; every id must be its own.")
    return claims


@functools.cache
def names_of(paper):
    """What an expression of this paper may name: {table: {row: {column: (row key, column key, kind)}}}.

    The three names are identifiers; kind is that of `verdicts.kind_of`. Cells without an interval are left out.
    """
    names = {}
    for key, table in PAPERS[paper].tables.items():
        for row, column, _ in cells_of_table(table):
            kind = kind_of(row, column)
            if kind is not None:
                cells = names.setdefault(identifier(key), {}).setdefault(identifier(row.key), {})
                cells[identifier(column.key)] = (row.key, column.key, kind)
    return names


def judge_claims(claims, measurements, scale):
    """Judge claims by tidy rows (of `read_measurements`) of any tables.

    Returns [(Claim, verdict, reason, deciding Part, [(label, Part), ...]), ...].
    """
    names = {paper: names_of(paper) for paper in PAPERS}
    rows = {tuple(getattr(row, key) for key in KEYS): row for row in measurements.itertuples(index=False)}
    judged = []
    for claim in claims:
        cells = {}
        for cell in (cell for _, comparison in claim.parts for cell in cells_of(comparison)):
            row, column, kind = names[claim.paper][cell.table][cell.row][cell.column]
            cells[cell] = kind, rows.get((claim.paper, cell.table, row, column))
        parts = [judge(comparison, cells, scale, claim, len(claim.parts)) for _, comparison in claim.parts]
        labels = [label for label, _ in claim.parts]
        judged.append((claim, *conclude(parts), list(zip(labels, parts, strict=True))))
    return judged


def read_all(files):
    """Tidy rows of several tables, one after another."""
    return pd.concat([read_measurements(path) for path in files], ignore_index=True)


def _read_sets(raw):
    if not isinstance(raw, dict):
        raise JepaError("The entry sets of the claims must give lists of keys by names in capitals.")
    for name, keys in raw.items():
        if not WORD.fullmatch(str(name)):
            raise JepaError(f"The set {name!r} of the claims must have a name of two capitals or more.")
        if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
            raise JepaError(f"The set {name} of the claims must be a list of keys of tables.")
    return raw


def _read_claim(entry, number, sets, defaults):
    name = entry["id"] if isinstance(entry, dict) and isinstance(entry.get("id"), str) else f"number {number}"

    def refuse(problem):
        raise JepaError(f"Claim {name}: {problem}.")

    if not isinstance(entry, dict):
        refuse(f"it must be a mapping with {', '.join(NEEDED)}")
    unknown = [str(key) for key in entry if key not in NEEDED + OPTIONAL]
    if unknown:
        refuse(f"the entry {', '.join(unknown)} is unknown; there are {', '.join(NEEDED + OPTIONAL)}")
    for key in NEEDED:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            refuse(f"the entry {key} must be a text (in quotes, if it is a number)")
    if entry["paper"] not in PAPERS:
        refuse(f"there is no paper {entry['paper']!r}; there are {', '.join(PAPERS)}")
    chosen = {}
    for key, allowed in (("scales", SCALES), ("tags", TAGS)):
        values = entry.get(key, defaults[key])
        if not isinstance(values, list) or not values or not all(value in allowed for value in values):
            refuse(f"the entry {key} is {values!r}; it must list some of {', '.join(allowed)}")
        chosen[key] = tuple(values)
    texts = {key: " ".join(entry[key].split()) for key in NEEDED}
    return Claim(**texts, **chosen, parts=_parts(texts, sets, refuse))


def _parts(texts, sets, refuse):
    """The parts of a claim: its expression with every combination of keys in place of the names of sets."""
    expression, known = texts["expression"], names_of(texts["paper"])
    words = list(dict.fromkeys(WORD.findall(expression)))
    used = [word for word in words if word in sets]
    combinations = list(itertools.islice(itertools.product(*(sets[word] for word in used)), MOST_PARTS + 1))
    if len(combinations) > MOST_PARTS:
        refuse(f"it has more than {MOST_PARTS} parts; use smaller sets")
    parts = []
    for keys in combinations:
        chosen = dict(zip(used, keys, strict=True))
        text = WORD.sub(lambda found, chosen=chosen: identifier(chosen.get(found[0], found[0])), expression)
        compared = parse(text, known, texts["id"])
        for cell in (cell for comparison in compared for cell in cells_of(comparison)):
            if cell.sd and known[cell.table][cell.row][cell.column][-1] != SEEDS:
                refuse(f"`{cell.table}.{cell.row}.{cell.column}.sd` is no deviation over seeds; use the cell itself")
        numbers = [(str(number),) for number in range(1, len(compared) + 1)] if len(compared) > 1 else [()]
        parts += [(", ".join(keys + number), part) for number, part in zip(numbers, compared, strict=True)]
    return tuple(parts)
