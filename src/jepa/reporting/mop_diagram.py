"""MoP-JEPA's Figure 1, the argument as a diagram: branching, collapse, enumeration, audit.

The geometry is computed, not drawn by hand: the dense arrow is the minimiser of the expected cosine distance to the
drawn successors (Prop. 1), the mixture's arrows are the successors themselves (Prop. 3 with K = M).
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from jepa.reporting import style

MODES, WEIGHTS = np.deg2rad([-25, 85, 205]), np.array([0.42, 0.3, 0.28])  # directions of the successors, how often
ARROW = {"arrowstyle": "-|>", "lw": 1.0, "mutation_scale": 8, "shrinkA": 0, "shrinkB": 0}
AUDITS = (
    ("codebook", "does a predictor without\ncontext do as well?"),
    ("shuffled context", "is the context used?"),
    ("router gate", "do heads know when\nthey apply?"),
    ("precision", "are the edges real?"),
    ("realroute", "does the blind proposal\nhold a real route?"),
)


def conditional_mean(angles, weights):
    """u* = E[z] / |E[z]| of unit vectors at `angles` with `weights` (Prop. 1). Returns its angle."""
    mean = weights @ np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return float(np.arctan2(mean[1], mean[0]))


def figure1(records, published):
    """Stochastic branching, what one head and what K heads make of it, and what is asked of the answer."""
    figure = Figure(figsize=(style.TWO_COLUMNS, 1.75))
    axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.35))
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.grid(False)
    titles = ("1  many successors", "2  one head: their mean", "3  K hard-assigned heads")
    for axis, title in zip(axes, titles, strict=False):
        _sphere(axis)
        axis.set_title(title)
    _branching(axes[0])
    _collapse(axes[1])
    _enumeration(axes[2])
    _audits(axes[3])
    return figure


def _sphere(axis):
    axis.set(xlim=(-1.5, 1.5), ylim=(-1.15, 1.45), aspect="equal", anchor="N")
    axis.add_patch(Circle((0, 0), 1, fill=False, ec="#bbbbbb", lw=0.7))
    axis.add_patch(Circle((0, 0), 0.05, color="#333333"))
    axis.text(0, -0.2, "$c$", ha="center", va="center", size=8)
    for angle in MODES:
        axis.scatter([np.cos(angle)], [np.sin(angle)], s=34, color="#009E73", zorder=4, clip_on=False)


def _arrow(axis, angle, colour, end=0.93):
    tip = (end * np.cos(angle), end * np.sin(angle))
    axis.annotate("", tip, (0, 0), arrowprops=ARROW | {"color": colour})


def _label(axis, angle, text, colour, radius=1.26):
    axis.text(radius * np.cos(angle), radius * np.sin(angle), text, ha="center", va="center", size=6.5, color=colour)


def _branching(axis):
    for angle, weight, name in zip(MODES, WEIGHTS, "123", strict=True):
        axis.plot([0, np.cos(angle)], [0, np.sin(angle)], color="#009E73", lw=4 * weight, alpha=0.45)
        _label(axis, angle, f"$\\mu_{name}$", "#00694d")
    _caption(axis, "teleports, stitched walks, people:\n$p(z^+ | c)$ has $M$ modes")


def _collapse(axis):
    mean = conditional_mean(MODES, WEIGHTS)
    colour = style.COLOURS["dense"]
    _arrow(axis, mean, colour)
    axis.scatter([np.cos(mean)], [np.sin(mean)], marker="X", s=42, color=colour, zorder=5)
    _label(axis, mean, "$u^*$", colour, 1.26)
    _caption(axis, "$u^* = E[z^+]\\,/\\,\\|E[z^+]\\|$:\nno state of the world is there")


def _enumeration(axis):
    colour = style.COLOURS["mop"]
    for angle, name in zip(MODES, "123", strict=True):
        _arrow(axis, angle, colour)
        _label(axis, angle, f"$u_{name}$", colour, 1.3)
    _caption(axis, "each target trains its nearest head,\na router learns how often")


def _audits(axis):
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.set_title("4  then ask whether it is usable")
    height = 0.155
    for place, (name, question) in enumerate(AUDITS):
        low = 0.99 - (place + 1) * 0.195
        last = place == len(AUDITS) - 1
        box = FancyBboxPatch(
            (0.02, low),
            0.96,
            height,
            boxstyle="round,pad=0.012",
            fc="#e8eff6" if last else "#f4f4f4",
            ec="#888888",
            lw=0.5,
        )
        axis.add_patch(box)
        axis.text(0.04, low + height / 2, name, va="center", size=5.8, weight="bold" if last else "normal")
        axis.text(0.43, low + height / 2, question, va="center", size=5.0, color="#444444", linespacing=1.15)


def _caption(axis, text):
    axis.text(0.5, 0.02, text, transform=axis.transAxes, ha="center", va="top", size=5.8, color="#444444")
