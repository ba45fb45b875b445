"""The companion table of MoP-JEPA's in-text results, one panel a result."""

from jepa.reporting.layout import Column, Panel, Row, Table
from jepa.reporting.mop_fanout import FANOUT
from jepa.reporting.mop_grid import ARMS, LABELS, MAZES, SWEEP

TELEPORT = ("teleport",)


def by_maze(quantity=None, paper=False, mazes=MAZES, prefix=""):
    """One column a maze."""
    return tuple(Column(f"{prefix}{maze}", maze, (maze,), quantity, paper=paper) for maze in mazes)


def over_mazes(quantity=None):
    """The column that spans the mazes, for numbers that the paper gives without naming one."""
    return Column("over mazes", "over mazes", MAZES, quantity, paper=True)


def prefixed(prefix, names=ARMS):
    """Arm rows with a prefix, because a row's key is unique in its table."""
    return tuple(Row(f"{prefix} {name}", LABELS[name], (name,)) for name in names)


ENSEMBLE = Panel(
    "An ensemble of independent heads is one dense predictor",
    (
        *prefixed("realroute", ("ensemble", "dense", "mop")),
        *(
            Row(f"successors {name}", f"{LABELS[name]}: successors a cell", (name,), quantity="edges:raw")
            for name in ("ensemble", "dense", "mop")
        ),
    ),
    (*by_maze("mean:raw.realroute"), over_mazes("range:raw.realroute")),
    ("Successors a cell: proposed edges over cells, raw readout; about 1 when the heads do not spread.",),
)

DIFFERENCES = Panel(
    "MoP-JEPA minus MDN, paired by seed (bootstrap 95 % interval)",
    (
        Row("mop - mdn realroute", "realroute, raw", ("mop", "mdn"), quantity="paired:raw.realroute"),
        Row("mop - mdn realroute gated", "realroute, gated", ("mop", "mdn"), quantity="paired:gated.realroute"),
        Row("mop - mdn found", "found path, raw", ("mop", "mdn"), quantity="paired:raw.realroute_found"),
        Row("mop - mdn firstpath", "first path, raw", ("mop", "mdn"), quantity="paired:raw.firstpath"),
        Row("mop - mdn planAll", "planAll, raw", ("mop", "mdn"), quantity="paired:raw.plan_all"),
    ),
    by_maze("paired", paper=True, prefix="difference "),
)

RATIOS = Panel(
    "MoP-JEPA over MDN: ratio of the means",
    (Row("mop / mdn realroute", "realroute, raw", ("mop", "mdn"), quantity="quotient:raw.realroute"),),
    (*by_maze("quotient", prefix="ratio "), over_mazes("quotient")),
)


GATES = Panel(
    "Gate sweep on teleport: a head is active above the weight t",
    tuple(
        Row(f"gate {name} 1/{parts}", f"{LABELS[name]}, t = 1/{parts}", (name,), argument=f"gate={1 / parts}")
        for name in ("mop", "mdn")
        for parts in (64, 32, 16, 8, 4)
    ),
    (
        Column("gate cov_r", "COV-R", TELEPORT, "sweep:gated.gate_sweep cov_r", paper=True),
        Column("gate cov_p", "COV-P", TELEPORT, "sweep:gated.gate_sweep cov_p", paper=True),
        Column("gate shuffle", "off-context COV-R", TELEPORT, "sweep:gated.gate_sweep shuffle_off", paper=True),
    ),
    ("The paper says .74 → .40 over the sweep, so its two ends are set beside ours.",),
)

EXECUTION = Panel(
    "Execution over all episodes: successes / episodes, Wilson 95 % interval over (task, seed) pairs",
    prefixed("execution"),
    (
        *(
            Column(
                f"{maze} {readout}",
                readout,
                (maze,),
                f"rate:{readout} dijkstra neglogpi full all",
                group=maze,
            )
            for maze in ("medium-stitch", "large-stitch", "teleport")
            for readout in ("raw", "gated")
        ),
        Column(
            "teleport expected",
            "raw, expected cost",
            TELEPORT,
            "rate:raw expected neglogpi full all",
            group="teleport",
        ),
    ),
)

SOUNDNESS = Panel(
    "Soundness of the executor (5 tasks × 3 seeds × 1 episode)",
    (
        Row("truth", "true graph", ("truth",), argument="full first"),
        *(
            Row(
                f"corrupted {repair}",
                f"10 % false edges, {policy}",
                ("truth-corrupted",),
                argument=f"{repair} first",
            )
            for repair, policy in (
                ("none", "no repair"),
                ("stall", "repair of stalled edges"),
                ("full", "full repair"),
            )
        ),
    ),
    (
        *by_maze("rate:raw dijkstra neglogpi", mazes=("medium-stitch", "large-stitch"), prefix="executor "),
        Column(
            "executor pooled",
            "medium and large",
            ("medium-stitch", "large-stitch"),
            "rate:raw dijkstra neglogpi",
            paper=True,
        ),
        Column("executor teleport", "teleport", TELEPORT, "rate:raw dijkstra neglogpi"),
        Column("executor teleport expected", "teleport, expected cost", TELEPORT, "rate:raw expected neglogpi"),
    ),
    ("On teleport an optimistic plan on the true graph can end in the dead cell.",),
)

UNIFORM_KEYS = ("medium-stitch uniform", "large-stitch uniform")
UNIFORM = Panel(
    "Uniform edge costs against −log π (raw readout, all episodes)",
    (
        *prefixed("uniform cost"),
        Row(
            "ranking unchanged",
            "ranking of the arms unchanged",
            ARMS,
            quantity="ranking:neglogpi uniform",
            only=UNIFORM_KEYS,
        ),
    ),
    tuple(
        Column(
            f"{maze} {cost}",
            {"neglogpi": "−log π", "uniform": "uniform"}[cost],
            (maze,),
            f"rate:raw dijkstra {cost} full all",
            group=maze,
            paper=cost == "uniform",
        )
        for maze in ("medium-stitch", "large-stitch")
        for cost in ("neglogpi", "uniform")
    ),
    ("The ranking counts as changed when any two arms strictly change places, noise or not.",),
)

HEADS = Panel(
    "Number of heads on teleport",
    (
        *(Row(f"K = {heads}", f"MoP-JEPA, K = {heads}", (name,)) for heads, name in SWEEP.items()),
        Row("K = 1 dense", LABELS["dense"], ("dense",)),
        Row("K = 8 mdn", "MDN, K = 8", ("mdn",)),
    ),
    (
        Column("cov_r", "COV-R, raw", TELEPORT, "mean:raw.cov_r", paper=True),
        Column("cov_r gated", "COV-R, gated", TELEPORT, "mean:gated.cov_r"),
        Column("cov_p", "COV-P, gated", TELEPORT, "mean:gated.cov_p"),
    ),
)

OFFICIAL = Panel(
    "Official-goal success of the planner inside the model (raw)",
    prefixed("official goals"),
    (*by_maze("mean:raw.official_goal", prefix="official "), over_mazes("range:raw.official_goal")),
)

CODES = Panel(
    "The codebook's planAll is the number of its decoded codes over the number of cells",
    (
        Row("codebook planAll", "planAll", ("codebook",), quantity="mean:raw.plan_all"),
        Row("codebook D/n", "decoded codes / cells", ("codebook",), quantity="codes:"),
    ),
    by_maze("mean", paper=True, prefix="codes "),
)

HORIZON = Panel(
    "Verified routes against the true distance d of the goal (realroute, raw)",
    prefixed("horizon", ("dense", "mdn", "mop")),
    (
        Column("medium-stitch d=6", "medium-stitch, d = 6", ("medium-stitch",), "distance:6-6", paper=True),
        Column("teleport d=8-9", "teleport, d = 8–9", TELEPORT, "distance:8-9", paper=True),
        Column("teleport d=10-14", "teleport, d = 10–14", TELEPORT, "distance:10-14", paper=True),
    ),
)

INTEXT = Table(
    "intext",
    "In-text results",
    "numbers that the paper gives outside its tables",
    (
        ENSEMBLE,
        DIFFERENCES,
        RATIOS,
        GATES,
        EXECUTION,
        SOUNDNESS,
        UNIFORM,
        HEADS,
        OFFICIAL,
        CODES,
        HORIZON,
        FANOUT,
    ),
)
