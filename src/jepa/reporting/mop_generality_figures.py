"""Figures 4 and 8 of MoP-JEPA: the evidence outside the point mazes, and coverage raw beside gated."""

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jepa.reporting import style
from jepa.reporting.domain_grid import ANTS, LATENT, SWEEP
from jepa.reporting.domain_quantities import mean_by_seed, scores_by_seed
from jepa.reporting.fanout_quantities import by_seed
from jepa.reporting.mop_grid import ARMS, MAZES
from jepa.reporting.records import seed_values

SHOWN = ("dense", "mdn", "mop", "codebook")
GENERALITY = (  # label, domains, published row and column of the table `generality`, whether the score is an error
    ("pixels\nCOV-R", ANTS[1:], "ant {arm}", f"{ANTS[1]} raw cov_r", False),
    ("digits\nrealised", ("digits",), "digits", "{arm}", False),
    ("ETH/UCY\n1 / minADE", LATENT, "pedestrians-latent", "{arm}", True),
)


def figure4(records, published):
    """Left: other domains. Middle: coverage against the number of branches. Right: two-step fan-out of the mazes."""
    figure, axes = style.new_figure(style.TWO_COLUMNS, 2.3, 3)
    _domains(axes[0], records, published)
    _branches(axes[1], records)
    _fanout(axes[2], records, published)
    axes[0].set_ylabel("higher is better")
    style.shares(axes)
    handles = [
        *(
            Patch(
                facecolor=style.COLOURS[arm],
                edgecolor="white",
                hatch="/////" if arm == "codebook" else None,
                label=style.SHORT[arm],
            )
            for arm in SHOWN
        ),
        style.SEED_MARK,
        style.PAPER_MARK,
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=6)
    return figure


def _domains(axis, records, published):
    """A group of bars a domain; inverse errors in units of the largest, so that all groups share one axis."""
    width = 0.18
    for group, (_, domains, row, column, inverse) in enumerate(GENERALITY):
        values = {arm: mean_by_seed(records, arm, domains) for arm in SHOWN}
        marks = {arm: published.get(("generality", row.format(arm=arm), column.format(arm=arm))) for arm in SHOWN}
        if inverse:
            values = _inverted(values)
        for place, arm in enumerate(SHOWN):
            x = group + (place - (len(SHOWN) - 1) / 2) * (width + 0.02)
            style.bar(axis, x, arm, values[arm], width)
            style.paper_mark(axis, x, marks[arm])
    ratio = mean_by_seed(records, "mop", ("dino-port",), metric="ratio")
    if ratio:
        text = f"DINO-WM port: error of mean head / winner = {sum(ratio.values()) / len(ratio):.3g}"
        axis.set_xlabel(text, size=5.6, color="#444444")
    axis.set_xticks(range(len(GENERALITY)), [label for label, *_ in GENERALITY], size=6)
    axis.set_xlim(-0.55, len(GENERALITY) - 0.45)
    axis.tick_params(axis="x", length=0)
    axis.set_title("other domains (1 / error: largest = 1)")


def _inverted(values):
    """1 / error of {arm: {seed: error}}, over the largest of all.

    An error of zero counts as the least that is not: its inverse has no place on an axis.
    """
    errors = [value for seeds in values.values() for value in seeds.values()]
    least = min([value for value in errors if value], default=1)
    return {arm: {seed: least / (value or least) for seed, value in seeds.items()} for arm, seeds in values.items()}


def _branches(axis, records):
    """Coverage of the conformer sweep against M, a line an arm."""
    for arm in SHOWN:
        points = {M: scores_by_seed(records, arm, name, "raw", "headline") for M, name in SWEEP.items()}
        points = {M: list(values.values()) for M, values in points.items() if values}
        if points:
            colour = style.COLOURS[arm]
            axis.plot(list(points), [sum(v) / len(v) for v in points.values()], color=colour, marker="o", ms=2.5)
            for M, values in points.items():
                axis.scatter([M] * len(values), values, **style.SEED)
    if not axis.lines:
        style.not_run(axis, 3)
    axis.set_xscale("log")
    axis.set_xticks(list(SWEEP), [str(M) for M in SWEEP])
    axis.minorticks_off()
    axis.set_xlabel("number of branches M (conformers)")
    axis.set_title("coverage as branches multiply")


def _fanout(axis, records, published):
    """Recovered share of the two-step successors at cells with three and four of them."""
    width = 0.24
    arms = ("dense", "mdn", "mop")
    for group, branching in enumerate(("3", "4")):
        for place, arm in enumerate(arms):
            x = group + (place - 1) * (width + 0.02)
            values = by_seed(records, arm, MAZES, "recovered", ways=(branching,))
            style.bar(axis, x, arm, values, width)
            style.paper_mark(axis, x, published.get(("intext", f"fanout {arm}", f"fanout {branching}")))
    axis.set_xticks(range(2), ["3-way cells", "4-way cells"])
    axis.set_xlim(-0.55, 1.55)
    axis.tick_params(axis="x", length=0)
    axis.set_title("two-step successors found")


def figure8(records, published):
    """Coverage of the teleport destinations: raw (light) beside gated (solid); the point maze and the ant."""
    figure, axes = style.new_figure(style.TWO_COLUMNS, 2.2, 3)
    panels = (
        ("pointmaze", "teleport", None, (("raw", "cov_r"), ("gated", "cov_r gated"))),
        ("antmaze (29-d)", None, ANTS[0], (("raw", f"{ANTS[0]} raw cov_r"), ("gated", f"{ANTS[0]} gated cov_r"))),
        ("visual antmaze", None, ANTS[1], (("raw", f"{ANTS[1]} raw cov_r"), ("gated", f"{ANTS[1]} gated cov_r"))),
    )
    for axis, (title, maze, domain, readouts) in zip(axes, panels, strict=True):
        for x, arm in enumerate(ARMS):
            for shift, (readout, column) in zip((-0.2, 0.2), readouts, strict=True):
                if maze:
                    values = seed_values(records.get("audits", arm, maze), f"{readout}.cov_r")
                    mark = published.get(("table5", arm, column))
                else:
                    values = scores_by_seed(records, arm, domain, readout, "cov_r")
                    mark = published.get(("generality", f"ant {arm}", column))
                if values or not _lacks_router(records, arm, domain):
                    style.bar(axis, x + shift, arm, values, 0.38, light=readout == "raw")
                style.paper_mark(axis, x + shift, mark)
        style.name_bars(axis, ARMS)
        axis.set_title(title)
    ceiling = seed_values(records.audits_of("teleport"), "ceilings.gated_cov_r")
    if ceiling:
        level = sum(ceiling.values()) / len(ceiling)
        axes[0].axhline(level, color=style.REFERENCE, ls="--", lw=0.9, zorder=2)
    axes[0].set_ylabel("COV-R")
    style.shares(axes)
    handles = [
        Patch(color="#777777", alpha=0.4, lw=0, label="raw"),
        Patch(color="#777777", lw=0, label="gated"),
        Line2D([], [], color=style.REFERENCE, ls="--", lw=0.9, label="gated ceiling"),
        style.SEED_MARK,
        style.PAPER_MARK,
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=5)
    return figure


def _lacks_router(records, arm, domain):
    """Was an arm run on a domain that has no gated readout, like a codebook, whose heads know no context?"""
    found = records.get("domains", arm, domain)
    return bool(found) and all(record.at("gated") is None for record in found)
