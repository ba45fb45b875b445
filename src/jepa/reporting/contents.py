"""What can be reported, and which cells of the grids each table or figure is made of.

Light on purpose: the Snakefile imports it, so nothing here or below needs numpy or pandas. A name (`table3`,
`figure1`, `intext`) is one of a paper: `mop` or `qantara`.
"""

from collections import Counter

from jepa import cells
from jepa.errors import JepaError
from jepa.reporting import domain_grid, mop_tables, qantara_grid, qantara_tables
from jepa.reporting.layout import cells_of, methods_of, places_of
from jepa.reporting.mop_grid import ARMS, DATASETS, MAZES, SWEEP


def _cells(kind, methods, places):
    return tuple((kind, method, place) for method in methods for place in places)


def _domains(*names):
    return _cells("domains", ("all",), names)


TABLES = mop_tables.TABLES
TELEPORT = ("teleport",)
FIGURES = {  # name: the cells that it shows
    "figure1": (),
    "figure2": _cells("fanout", ("dense", "mop"), TELEPORT),
    "figure3": _cells("fanout", ("dense", "mop"), TELEPORT),
    "figure4": (
        *_domains(
            "visual-antmaze-teleport",
            "digits",
            "dino-port",
            *domain_grid.LATENT,
            *domain_grid.CONFORMERS,
        ),
        *_cells("fanout", ("dense", "mdn", "mop"), MAZES),
    ),
    "figure5": _cells("audits", ARMS, MAZES),
    "figure6": _cells("audits", (*ARMS, "displacement"), MAZES),
    "figure7": _cells("audits", ("dense", "mdn", "mop", "train-edges"), MAZES),
    "figure8": (*_cells("audits", ARMS, TELEPORT), *_domains(*domain_grid.ANTS)),
    "figure9": _cells("audits", (*SWEEP.values(), "dense", "mdn"), TELEPORT),
}
QANTARA_FIGURES = {
    "figure1": (("draws",),),
    "figure2": tuple(("rollouts", env) for env in qantara_grid.ENVS),
}
PAPERS = {"mop": (TABLES, FIGURES), "qantara": (qantara_tables.TABLES, QANTARA_FIGURES)}
# Tables and figures by target: what takes long and is no main result of its paper does not delay the rest.
GENERALITY = {"mop": ("table1", "generality", "figure4", "figure8")}
GRIDS = {"mop": ("ablations",)}
HEADLINE = {
    paper: tuple(
        name for name in (*of_tables, *of_figures) if name not in (GENERALITY.get(paper, ()) + GRIDS.get(paper, ()))
    )
    for paper, (of_tables, of_figures) in PAPERS.items()
}
FROM_EXECUTIONS = ("rate", "rank", "ranking")
FROM_DOMAINS = ("score", "millions", "gain", "codebook_share", "context_ratio", "verdict", "accepted")
FROM_NOTHING = ("ceiling", "constant")  # a ceiling is in every audit of the maze

__all__ = ["DATASETS", "FIGURES", "PAPERS", "TABLES", "figures", "needs", "runs", "tables"]


def tables(paper):
    """Names of a paper's tables, in order; `intext` is the last."""
    return tuple(PAPERS[paper][0])


def figures(paper):
    """Names of a paper's figures, in order."""
    return tuple(PAPERS[paper][1])


def needs(name, config, paper="mop"):
    """Cells of the grids that a table or figure is made of, without those that this scale does not run.

    name: of `tables(paper)` or `figures(paper)`. config: the whole configuration. Returns a list, each cell once, in
    the order of the table. MoP-JEPA: (kind, method, maze), kind `audits`, `evals` or `fanout`, and ("domains", "all",
    domain), whose file holds every arm. Qantara: ("evals", recipe, env, "cem-k4"), ("dense", recipe, env),
    ("goal_shuffle", recipe, env), ("floors", env), ("draws",) and ("rollouts", env). `runs` tells how many training
    seeds each has. Raises JepaError for an unknown name.
    """
    of_tables, of_figures = PAPERS[paper]
    if name in of_figures:
        wanted = of_figures[name]
    elif name in of_tables:
        wanted = _of_table(of_tables[name], qantara_grid.cells_of if paper == "qantara" else _of_quantity)
    else:
        raise JepaError(
            f"Nothing is reported under the name {name!r}; there are {', '.join([*of_tables, *of_figures])}."
        )
    run = runs(config, paper)
    return [cell for cell in dict.fromkeys(wanted) if cell in run]


def runs(config, paper):
    """Every cell that the grids of this scale run, with its number of training seeds: {cell: seeds}."""
    if paper == "qantara":
        return qantara_grid.runs(config)
    kinds = ("audits", "evals", "fanout", "domains")
    return dict(Counter((kind, *cell[:2]) for kind in kinds for cell in cells.grid_cells(config, kind)))


def _of_table(table, cells_behind):
    return [
        cell
        for row, column, quantity in cells_of(table)
        for cell in cells_behind(quantity or "constant", methods_of(row, column), places_of(row, column))
    ]


def _of_quantity(quantity, methods, mazes):
    name = quantity.partition(":")[0]
    if name in FROM_NOTHING:
        return []
    if name in FROM_DOMAINS:
        return _domains(*mazes)
    kind = "fanout" if name == "fanout" else "evals" if name in FROM_EXECUTIONS else "audits"
    return _cells(kind, methods, mazes)
