"""The panel on two-step fan-out in the companion table of MoP-JEPA's in-text results."""

from jepa.reporting.layout import Column, Panel, Row
from jepa.reporting.mop_grid import LABELS, MAZES

FANOUT = Panel(
    "Two-step fan-out: share of the successors of three- and four-way cells that a model lists (all mazes)",
    (
        *(Row(f"fanout {arm}", LABELS[arm], (arm,)) for arm in ("dense", "mdn", "mop")),
        *(Row(f"fanout {arm} raw", f"{LABELS[arm]}, raw readout", (arm,), argument="raw") for arm in ("mdn", "mop")),
        Row("fanout displacement", LABELS["displacement"], ("mop",), "controls", argument="displacement"),
    ),
    (
        Column("fanout 3", "3-way", MAZES, "fanout:recovered 3"),
        Column("fanout 4", "4-way", MAZES, "fanout:recovered 4"),
        Column("fanout pooled", "both", MAZES, "fanout:recovered", paper=True),
        Column("fanout rare", "below 10 %", MAZES, "fanout:rare"),
        Column("fanout complete 4", "4-way, all four", MAZES, "fanout:complete 4", paper=True),
        Column("fanout precision", "precision", MAZES, "fanout:precision"),
        Column("fanout returns", "both, with returns", MAZES, "fanout:recovered returns"),
    ),
    (
        "Successors: cells that the training log reaches in two crossings, without the start itself (which lies amid "
        "them, so that their mean decodes to it); the last column counts returns to the start as well.",
        "A successor is recovered when a path of two predictions, both by active heads (gated unless said otherwise), "
        "decodes to it with a cosine of at least .65. Precision: listed cells that are two true transitions away.",
        "The displacement codebook learns nothing; it is walked twice. The paper gives 82–88 % without saying of what.",
    ),
)
