"""The table of MoP-JEPA's ablations on the mazes, one panel a question."""

from jepa.reporting.layout import Column, Panel, Row, Table
from jepa.reporting.mop_grid import LABELS, MAZES, MDN_GRID

TELEPORT = ("teleport",)
LARGE = ("large-stitch",)
VARIANTS = tuple(MDN_GRID)


def scored(panel, parts, mazes=MAZES, grouped=True, spread=False):
    """The same columns for each maze. parts: (key, label, quantity), with True at the end beside a published value."""
    return tuple(
        Column(
            f"{panel} {maze} {key}",
            label,
            (maze,),
            quantity,
            maze if grouped else "",
            paper=bool(paper),
            spread=spread,
        )
        for maze in mazes
        for key, label, quantity, *paper in parts
    )


PICKED = tuple(f"grid {maze} realroute" for maze in MAZES)
UNDER_TUNED = Panel(
    "Is the MDN under-tuned? The whole grid of d_eff, K and λ",
    (
        *(Row(name, label, (name,)) for name, label in MDN_GRID.items()),
        Row("grid chosen", "chosen by NLL", VARIANTS, quantity="chosen:nll raw.realroute", only=PICKED),
        Row(
            "grid chosen gaussian",
            "chosen by Gaussian NLL",
            VARIANTS,
            quantity="chosen:nll_gaussian raw.realroute",
            only=PICKED,
        ),
        Row("grid strongest", "strongest, with hindsight", VARIANTS, quantity="strongest:raw.realroute", only=PICKED),
        Row("mdn", "MDN of the other tables: d_eff d, K 8, λ 1", ("mdn",)),
        Row("grid mop", LABELS["mop"], ("mop",)),
    ),
    scored(
        "grid",
        (
            ("nll", "NLL", "nll:nll"),
            ("nll gaussian", "Gaussian", "nll:nll_gaussian"),
            ("realroute", "realroute", "mean:raw.realroute", True),
        ),
    ),
    (
        "NLL: in nats, of validation crossings whose edges are not held out, with respect to the empirical measure of "
        "their targets: 0 for a model that spreads over all of them, so that variants with other d_eff, K and latent "
        "spaces compare. Gaussian: of the mixture as a density in all d dimensions of its own latent space, as d_eff d "
        "is trained on. *: the least of the grid. d_eff: the dimensions that the weight of log sigma counts.",
        "The paper gives its strongest variant for each maze, and no rule of choice. Where the grid has fewer seeds "
        "than the last two rows, they are the first of theirs.",
    ),
)

STEPS = ("2k", "6k", "20k", "60k")
BUDGET = Panel(
    "Training budget on teleport (raw readout)",
    (
        *(
            Row(f"{arm} {steps}", f"{LABELS[arm]}, {steps} steps", (f"{arm}-{steps}",))
            for arm in ("mop", "mdn")
            for steps in STEPS
        ),
        *(
            Row(
                f"ratio {steps}",
                f"MoP-JEPA over MDN, {steps} steps",
                (f"mop-{steps}", f"mdn-{steps}"),
                quantity="quotient:raw.realroute",
                only=("budget teleport realroute",),
            )
            for steps in STEPS
        ),
    ),
    scored(
        "budget",
        (
            ("realroute", "realroute", "mean:raw.realroute"),
            ("realroute gated", "realroute, gated", "mean:gated.realroute"),
            ("planAll", "planAll", "mean:raw.plan_all"),
            ("precision", "precision", "mean:raw.precision"),
            ("cov_r", "COV-R", "mean:raw.cov_r"),
        ),
        TELEPORT,
        grouped=False,
        spread=True,
    ),
    ("Each budget is a training of its own, with its own schedule of the learning rate.",),
)

DESIGN = Panel(
    "Assignment, separation and the weights of Eq. 6 on teleport",
    (
        Row("hard", "MoP-JEPA: hard, λ_route 1, λ_bal .1", ("mop",)),
        Row("anneal fast", "annealed over 10 % of training", ("mop-anneal-fast",)),
        Row("anneal slow", "annealed over 80 % of training", ("mop-anneal-slow",)),
        Row("no assignment", "no assignment (ensemble)", ("ensemble",)),
        Row("separation .1", "separation loss, weight .1", ("mop-sep",)),
        Row("separation 1", "separation loss, weight 1", ("mop-sep-strong",)),
        Row("literal", "λ_bal term as written, or λ_bal 0", ("mop-literal",)),
        Row("lambda_bal .01", "λ_bal .01", ("mop-bal001",)),
        Row("lambda_bal 1", "λ_bal 1", ("mop-bal1",)),
        Row("lambda_route 0", "λ_route 0", ("mop-route0",)),
        Row("lambda_route .1", "λ_route .1", ("mop-route01",)),
        Row("lambda_route 10", "λ_route 10", ("mop-route10",)),
    ),
    (
        *scored(
            "design",
            (
                ("realroute", "realroute", "mean:raw.realroute"),
                ("realroute gated", "gated", "mean:gated.realroute"),
                ("precision", "precision", "mean:raw.precision"),
                ("recall", "recall", "mean:raw.recall_train"),
                ("successors", "successors a cell", "edges:raw"),
                ("cov_r", "COV-R", "mean:raw.cov_r"),
                ("cov_r gated", "COV-R, gated", "mean:gated.cov_r"),
            ),
            TELEPORT,
            grouped=False,
            spread=True,
        ),
        Column("claim", "the paper's words", paper=True),
    ),
    (
        "Annealed: soft assignments whose temperature falls from 1 to .01, then hard ones. Separation: the mean of "
        "exp(−distance / .1) over pairs of heads, ours, since the paper gives no formula. The balance term as written "
        "has no gradient, which trains the same model as λ_bal 0. recall: of the training edges.",
    ),
)

FEATURES = ("dense", "mdn", "mop")
READOUT = Panel(
    "Readout and input features (realroute, raw readout unless said otherwise)",
    (
        *(Row(f"readout {arm}", LABELS[arm], (arm,)) for arm in FEATURES),
        *(Row(f"readout {arm} fourier", f"{LABELS[arm]}, Fourier features", (f"{arm}-fourier",)) for arm in FEATURES),
    ),
    (
        *scored(
            "readout",
            (
                ("raw", "centre", "mean:raw.realroute"),
                ("gated", "gated", "mean:gated.realroute"),
                ("excluding own", "excl. own", "mean:raw.exclude_own.realroute"),
                ("votes", "votes", "mean:raw.votes.realroute"),
            ),
        ),
        *(
            Column(
                f"readout cov_r {match}",
                f"cos {match}".replace("0.", "."),
                TELEPORT,
                f"sweep:raw.match_sweep cov_r match={match}",
                "COV-R on teleport",
                spread=False,
            )
            for match in (0.5, 0.65, 0.8, 0.9)
        ),
    ),
    (
        "excl. own: a prediction is never decoded to its own cell; votes: edges with 5 % of the votes of many contexts "
        "of a cell; cos: what a match needs. Fourier features: three octaves of sines beside the coordinates.",
    ),
)

MATCHED = Panel(
    "Matched capacity on large-stitch: K = 16, three times the steps",
    (
        Row("matched mop", LABELS["mop"], ("mop-matched",)),
        Row("matched mdn", LABELS["mdn"], ("mdn-matched",)),
        Row(
            "matched ratio",
            "MoP-JEPA over MDN",
            ("mop-matched", "mdn-matched"),
            quantity="quotient:raw.realroute",
            only=("matched large-stitch realroute",),
        ),
    ),
    scored(
        "matched",
        (
            ("realroute", "realroute", "mean:raw.realroute", True),
            ("found", "found path", "mean:raw.realroute_found"),
            ("realroute gated", "gated", "mean:gated.realroute"),
            ("planAll", "planAll", "mean:raw.plan_all", True),
            ("precision", "precision", "mean:raw.precision", True),
        ),
        LARGE,
        grouped=False,
        spread=True,
    ),
)

ABLATIONS = Table(
    "ablations",
    "Ablations",
    "what the results on the mazes hang on",
    (UNDER_TUNED, BUDGET, DESIGN, READOUT, MATCHED),
    ("Steps: those of the other tables unless a row says its own.",),
)
