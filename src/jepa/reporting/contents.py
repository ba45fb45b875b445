"""What can be reported, and which cells of the grid each table or figure is made of.

Light on purpose: the Snakefile imports it, so nothing here or below needs numpy or pandas.
"""

from jepa import cells
from jepa.errors import JepaError
from jepa.reporting.layout import ARMS, DATASETS, MAZES, SWEEP, quantity_of
from jepa.reporting.mop_tables import TABLES

FIGURES = {  # name: (methods, mazes) of the audits that it shows
    "figure5": (ARMS, MAZES),
    "figure6": ((*ARMS, "displacement"), MAZES),
    "figure7": (("dense", "mdn", "mop", "train-edges"), MAZES),
    "figure8": (ARMS, ("teleport",)),
    "figure9": ((*SWEEP.values(), "dense", "mdn"), ("teleport",)),
}
FROM_EXECUTIONS = ("rate", "rank", "ranking")
FROM_NOTHING = ("ceiling", "constant")  # a ceiling is in every audit of the maze

__all__ = ["DATASETS", "FIGURES", "TABLES", "needs"]


def needs(name, config):
    """Cells of the grid that a table or figure is made of, without those that this scale does not run.

    name: a key of TABLES or FIGURES. config: the whole configuration. Returns a list of (kind, method, maze),
    kind `audits` or `evals`, each once, in the order of the table. Raises JepaError for an unknown name.
    """
    if name in FIGURES:
        methods, mazes = FIGURES[name]
        wanted = [("audits", method, maze) for method in methods for maze in mazes]
    elif name in TABLES:
        wanted = _cells_of_table(TABLES[name])
    else:
        raise JepaError(f"Nothing is reported under the name {name!r}; there are {', '.join([*TABLES, *FIGURES])}.")
    run = {(kind, *cell[:2]) for kind in ("audits", "evals") for cell in cells.grid_cells(config, kind)}
    return [cell for cell in dict.fromkeys(wanted) if cell in run]


def _cells_of_table(table):
    wanted = []
    for panel in table.panels:
        for row in panel.rows:
            for column in panel.columns:
                quantity = (quantity_of(row, column) or "constant").partition(":")[0]
                if quantity not in FROM_NOTHING:
                    kind = "evals" if quantity in FROM_EXECUTIONS else "audits"
                    wanted += [(kind, method, maze) for method in row.methods for maze in column.mazes]
    return wanted
