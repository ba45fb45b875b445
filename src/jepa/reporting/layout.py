"""Names of the MoP-JEPA grid, and the parts that a table is declared with.

Light on purpose: the Snakefile imports it, so nothing here needs numpy or pandas.
"""

from dataclasses import dataclass

MAZES = ("medium-stitch", "teleport", "large-stitch")  # the paper's column order
DATASETS = {
    "medium-stitch": "pointmaze-medium-stitch",
    "teleport": "pointmaze-teleport-navigate",
    "large-stitch": "pointmaze-large-stitch",
}
ARMS = (
    "dense",
    "m3",
    "var",
    "mdn",
    "mop",
    "ensemble",
    "codebook",
)  # the paper's row order; ensemble is in its text
CONTROLS = ("displacement", "symmetrised", "train-edges", "majority")
SWEEP = {1: "mop-k1", 2: "mop-k2", 3: "mop-k3", 4: "mop-k4", 8: "mop", 16: "mop-k16"}  # heads: arm
LABELS = {
    "dense": "dense (JEPA)",
    "m3": "M3-JEPA",
    "var": "Var-JEPA",
    "mdn": "MDN",
    "mop": "MoP-JEPA",
    "ensemble": "ensemble",
    "codebook": "codebook",
    "codebook-teleport": "codebook (teleport targets)",
    "displacement": "displacement codebook",
    "symmetrised": "symmetrised training edges",
    "train-edges": "training edges",
    "majority": "majority edge",
}
TAGS = ("official", "same", "kind", "mechanism")  # from the paper's own data to the weakest stand-in
TAG_MEANINGS = {
    "official": "the paper's data",
    "same": "regenerated with the official algorithm and simulator",
    "kind": "same kind of data: the claim can be tested, the number is not comparable",
    "mechanism": "exercises the mechanism only",
}
PAPER_EXECUTION = "rate:raw dijkstra neglogpi full first"  # 5 tasks x 3 seeds x 1 episode
ALL_EXECUTION = "rate:raw dijkstra neglogpi full all"


@dataclass(frozen=True)
class Column:
    """One measured column. `quantity` is `name:argument` of a function in `jepa.reporting.quantities`.

    group: header above the label. paper: print the published value beside it. best: set the best arm bold.
    ceiling: quantity of the ceiling row here (None: no ceiling). spread: print the deviation over seeds.
    """

    key: str
    label: str
    mazes: tuple
    quantity: str | None = None
    group: str = ""
    paper: bool = False
    best: bool = False
    ceiling: str | None = None
    spread: bool = True


@dataclass(frozen=True)
class Row:
    """One row of one panel: the methods that it compares or shows, and in which group it stands.

    quantity overrides the column's; argument is added to it. mazes and only (keys of columns) say where the
    row has cells; external rows are quoted and have no cells of ours but those that `only` names.
    """

    key: str
    label: str
    methods: tuple = ()
    group: str = "arms"  # arms | controls | ceiling | external
    quantity: str | None = None
    argument: str = ""
    mazes: tuple = MAZES
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
    """A numbered table of the paper, or the companion table of in-text results."""

    key: str
    name: str
    title: str
    panels: tuple


def quantity_of(row, column):
    """What the cell (row, column) measures, as `name:argument`; None where the row has nothing to measure."""
    if row.group == "ceiling" and not row.methods:
        return column.ceiling
    if not set(column.mazes) <= set(row.mazes) or (row.only and column.key not in row.only):
        return None
    quantity = row.quantity or column.quantity
    if quantity is None or not row.methods:
        return None
    return f"{quantity} {row.argument}" if row.argument else quantity


def arm_rows(names=ARMS):
    """Rows of the learned arms, in the paper's order."""
    return tuple(Row(name, LABELS[name], (name,)) for name in names)


TELEPORT_CODES = Row("codebook-teleport", LABELS["codebook-teleport"], ("codebook-teleport",), mazes=("teleport",))
CONTROL_ROWS = tuple(Row(name, LABELS[name], (name,), "controls") for name in CONTROLS)
CEILING_ROW = Row("ceiling", "split ceiling", (), "ceiling")
