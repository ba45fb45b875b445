"""One look for all figures: sizes, one colour-blind safe colour an arm, marks for seeds and for the paper, saving."""

from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jepa.files import atomic_path

SHEET = Path(__file__).with_name("jepa.mplstyle")
ONE_COLUMN, TWO_COLUMNS = 3.35, 6.95  # inches
# Okabe and Ito's palette; MoP-JEPA and sweep arms are blue, dense is vermilion as in the paper.
COLOURS = {
    "dense": "#D55E00",
    "m3": "#E69F00",
    "var": "#CC79A7",
    "mdn": "#009E73",
    "mop": "#0072B2",
    "ensemble": "#56B4E9",
    "codebook": "#999999",
}
REFERENCE = "#444444"  # controls and ceilings
SHORT = {
    "dense": "dense",
    "m3": "M3",
    "var": "Var",
    "mdn": "MDN",
    "mop": "MoP",
    "ensemble": "ensemble",
    "codebook": "codebook",
}
PAPER = {"marker": "D", "s": 9, "facecolors": "white", "linewidths": 0.7, "zorder": 5}
SEED = {"s": 5, "color": "black", "alpha": 0.65, "linewidths": 0, "zorder": 4}
PAPER_MARK = Line2D([], [], ls="", marker="D", ms=3, mfc="white", mec="black", mew=0.7, label="paper")
SEED_MARK = Line2D([], [], ls="", marker="o", ms=2.2, color="black", alpha=0.65, mew=0, label="seed")


def sheet():
    """Context in which figures are made and saved."""
    return style.context(SHEET)


def new_figure(width, height, columns=1):
    """A figure with room for the footnote below its axes, and its axes, left to right, with one y axis."""
    figure = Figure(figsize=(width, height))
    figure.get_layout_engine().set(rect=(0, 0.055, 1, 0.945))
    axes = figure.subplots(1, columns, sharey=True, squeeze=False)[0]
    return figure, list(axes)


def bar(axis, x, arm, values, width, light=False):
    """One arm's bar: the mean over seeds, a dot a seed; `not run` where there is none. values: {seed: value}."""
    if not values:
        not_run(axis, x)
        return
    numbers = [values[seed] for seed in sorted(values)]
    axis.bar(
        x,
        sum(numbers) / len(numbers),
        width,
        color=COLOURS[arm],
        alpha=0.4 if light else 1,
        hatch="/////" if arm == "codebook" else None,
        edgecolor="white",
    )
    # a fixed fan instead of random jitter, so that the file is the same every time
    fan = [0.0] if len(numbers) == 1 else [width * 0.5 * (i / (len(numbers) - 1) - 0.5) for i in range(len(numbers))]
    axis.scatter([x + shift for shift in fan], numbers, **SEED)


def not_run(axis, x):
    """Say at x that there is nothing to show."""
    axis.text(x, 0.01, "not run", rotation=90, ha="center", va="bottom", size=5, color="#888888")


def paper_mark(axis, x, value, colour="black"):
    """The paper's value as a small hollow diamond; nothing where it gives none."""
    if value is not None:
        axis.scatter([x], [value], edgecolors=colour, **PAPER, clip_on=False)


def name_bars(axis, arms):
    """The arms' short names below bars at 0, 1, ..."""
    axis.set_xticks(range(len(arms)), [SHORT[arm] for arm in arms], rotation=35, ha="right")
    axis.tick_params(axis="x", length=0, pad=2.5)
    axis.set_xlim(-0.6, len(arms) - 0.4)


def shares(axes):
    """A y axis from 0 to 1 for shares, written without the leading zero."""
    for axis in axes:
        axis.set_ylim(0, 1.04)
        axis.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".50", ".75", "1"])


def footnote(figure, text):
    """Small print at the lower left: what data and scale the figure shows."""
    figure.text(0.006, 0.012, text, size=5.2, color="#666666", ha="left", va="bottom")


def save(figure, pdf, png):
    """Write PDF and PNG without dates or program versions, so that equal data gives equal bytes."""
    with atomic_path(pdf) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    with atomic_path(png) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
