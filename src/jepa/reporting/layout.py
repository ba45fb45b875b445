"""The parts that a table is declared with, the same for both papers.

A place is what a model is trained for and measured on: a maze (MoP-JEPA) or an environment (Qantara).
Light on purpose: the Snakefile imports it, so nothing here needs numpy or pandas.
"""

from dataclasses import dataclass

TAGS = ("official", "same", "kind", "mechanism")  # from the paper's own data to the weakest stand-in
TAG_MEANINGS = {
    "official": "the paper's data",
    "same": "regenerated with the official algorithm and simulator",
    "kind": "same kind of data: the claim can be tested, the number is not comparable",
    "mechanism": "exercises the mechanism only",
}


@dataclass(frozen=True)
class Column:
    """One measured column. `quantity` is `name:argument` of a function of the paper's quantities.

    places: where it is measured; () leaves that to the row. methods: which, where the row does not say. group:
    header above the label. paper: print the published value beside it; a column without any quantity is published
    values alone. best: set the best method bold. ceiling, count: quantities of the rows of that group that name no
    methods (None: no such cell). spread: print the deviation over seeds.
    """

    key: str
    label: str
    places: tuple = ()
    quantity: str | None = None
    group: str = ""
    paper: bool = False
    best: bool = False
    ceiling: str | None = None
    spread: bool = True
    methods: tuple = ()
    count: str | None = None


@dataclass(frozen=True)
class Row:
    """One row of one panel: the methods that it compares or shows, and in which group it stands.

    quantity overrides the column's; argument is added to it. places (() for all) and only (keys of columns) say
    where the row has cells; external rows are quoted and have no cells of ours but those that `only` names.
    """

    key: str
    label: str
    methods: tuple = ()
    group: str = "arms"  # arms | external | controls | floors | ceiling | count
    quantity: str | None = None
    argument: str = ""
    places: tuple = ()
    only: tuple = ()


@dataclass(frozen=True)
class Panel:
    """Rows by columns under one title; a table is a sequence of panels. notes: sentences below the panel."""

    title: str
    rows: tuple
    columns: tuple
    notes: tuple = ()


@dataclass(frozen=True)
class Table:
    """A numbered table of the paper, or the companion table of in-text results. notes: sentences at its end."""

    key: str
    name: str
    title: str
    panels: tuple
    notes: tuple = ()


def methods_of(row, column):
    """The methods that the cell (row, column) shows or compares."""
    return row.methods or column.methods


def places_of(row, column):
    """The mazes or environments on which the cell (row, column) is measured."""
    return column.places or row.places


def quantity_of(row, column):
    """What the cell (row, column) measures, as `name:argument`; None where the row has nothing to measure."""
    if row.group in ("ceiling", "count") and not methods_of(row, column):
        return getattr(column, row.group)
    elsewhere = row.places and not set(column.places) <= set(row.places)
    if elsewhere or (row.only and column.key not in row.only) or not methods_of(row, column):
        return None
    quantity = row.quantity or column.quantity
    return f"{quantity} {row.argument}" if quantity and row.argument else quantity


def cells_of(table):
    """Every (row, column, quantity) of a table, in print order; quantity None where nothing is measured."""
    for panel in table.panels:
        for row in panel.rows:
            for column in panel.columns:
                yield row, column, quantity_of(row, column)
