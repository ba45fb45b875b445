"""Table 1 of MoP-JEPA, the evidence chain: where the paper argues in words, the numbers that bear each link."""

from jepa.reporting.domain_grid import JUDGED
from jepa.reporting.layout import Column, Panel, Row, Table
from jepa.reporting.mop_grid import MAZES

TELEPORT = ("teleport",)


def link(key, label, methods, quantity, places):
    return Row(key, label, methods, quantity=quantity, places=places)


CHAIN = Panel(
    "Each link of the chain and what was measured",
    (
        link(
            "collapse destinations",
            "Collapse: destinations that dense covers (COV-R)",
            ("dense",),
            "mean:raw.cov_r",
            TELEPORT,
        ),
        link("collapse successors", "Collapse: successors a cell, dense", ("dense",), "edges:raw", MAZES),
        link("specialisation successors", "Specialisation: successors a cell, MoP-JEPA", ("mop",), "edges:raw", MAZES),
        link(
            "specialisation ensemble", "Specialisation: successors a cell, ensemble", ("ensemble",), "edges:raw", MAZES
        ),
        link(
            "specialisation fan-out",
            "Specialisation: two-step successors found, MoP-JEPA",
            ("mop",),
            "fanout:recovered",
            MAZES,
        ),
        link(
            "specialisation fan-out dense",
            "Specialisation: two-step successors found, dense",
            ("dense",),
            "fanout:recovered",
            MAZES,
        ),
        *(
            link(f"branching K = {heads}", f"Branching: COV-R with K = {heads}", (arm,), "mean:raw.cov_r", TELEPORT)
            for heads, arm in ((1, "mop-k1"), (3, "mop-k3"), (8, "mop"))
        ),
        link("branching rare", "Branching: two-step successors below 10 % found", ("mop",), "fanout:rare", MAZES),
        link("generality", "Generality: domains with context-conditional modes", ("mop",), "accepted:", JUDGED),
        link("planning dense", "Planning: realroute, dense", ("dense",), "range:raw.realroute", MAZES),
        link("planning", "Planning: realroute, MoP-JEPA", ("mop",), "range:raw.realroute", MAZES),
    ),
    (Column("ours", "ours", paper=True),),
    (
        "Ranges are over the three mazes. Successors a cell: proposed edges over cells; the mazes have 2.1–2.2.",
        "Generality counts the rows of the table of that name that were run, ETH/UCY once in latents and once in "
        "metres (means of scenes), conformers once, and of them those without a †; the two taxi rows are controls, "
        "which the paper's verdict rejects.",
    ),
)

TABLE1 = Table("table1", "Table 1", "The evidence chain, link by link", (CHAIN,))
