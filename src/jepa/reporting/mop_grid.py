"""Names of the MoP-JEPA grid: mazes, arms, controls, and the rows that several of its tables share.

Light on purpose: the Snakefile imports it, so nothing here needs numpy or pandas.
"""

from jepa.reporting.layout import Row

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
MDN_GRID = {  # arm: label
    f"mdn-e{d_eff}-k{K}-l{name}": f"d_eff {d_eff}, K {K}, λ {weight}"
    for d_eff in ("1", "8", "d")
    for K in (8, 16)
    for name, weight in (("0", "0"), ("001", ".01"), ("01", ".1"))
}
PAPER_EXECUTION = "rate:raw dijkstra neglogpi full first"  # 5 tasks x 3 seeds x 1 episode
ALL_EXECUTION = "rate:raw dijkstra neglogpi full all"
COMPARED = frozenset(ARMS) - {"codebook"}  # the best of these is bold; the codebook is a trained control
GROUPS = {"controls": "controls", "ceiling": "references", "external": "quoted: published OGBench baselines"}


def arm_rows(names=ARMS):
    """Rows of the learned arms, in the paper's order."""
    return tuple(Row(name, LABELS[name], (name,)) for name in names)


TELEPORT_CODES = Row("codebook-teleport", LABELS["codebook-teleport"], ("codebook-teleport",), places=("teleport",))
CONTROL_ROWS = tuple(Row(name, LABELS[name], (name,), "controls") for name in CONTROLS)
CEILING_ROW = Row("ceiling", "true edges not held out", (), "ceiling")
