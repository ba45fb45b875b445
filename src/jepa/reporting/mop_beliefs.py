"""Figures 2 and 3 of MoP-JEPA: two-step beliefs in the latent plane, and the prediction at a teleport on the maze.

Both show the first seed that the dense predictor and MoP-JEPA have on the teleport maze, from their fan-out records
(jepa.evaluation.fanout), at the gated readout. The plane and the latents are each model's own.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from jepa.envs.point_maze import maze_graph
from jepa.reporting import style

MAZE = "teleport"
COMPARED = ("dense", "mop")
TRUTH, START = "#1b7837", "#777777"
WALL = "#3b3b3b"
GRID = 110  # points a side of a density surface
BANDWIDTH = 0.075  # of the kernels, in sides of the panel
MARGIN = 0.35  # of the pins' extent, around them
CLOSE = 0.26  # neighbours in Figure 2, in halves of a panel
RARELY = 0.01  # a rarer branch is not drawn in Figure 3
HALO = [withStroke(linewidth=1.4, foreground="white")]
RIM = [withStroke(linewidth=3, foreground="white")]
HEAT = LinearSegmentedColormap.from_list("heat", colormaps["Purples"](np.linspace(0, 0.7, 64)))
ELEVATION, TURNS = 34, range(-85, -4, 5)  # degrees, from which Figure 2 is looked at
LEFT, WIDTH, BOTTOM, HEIGHT = 0.02, 0.325, 0.045, 0.305  # of the panels of Figure 2, in shares of the figure


def figure2(records, published):
    """Rows: cells of three or four two-step successors. Columns: the log, the dense predictor, MoP-JEPA."""
    found = _records(records)
    figure = Figure(figsize=(style.TWO_COLUMNS, 6.2))
    figure.set_layout_engine("none")
    dense, mop = ({b["cell"]: b for b in found[arm].at("beliefs.cells")} if found else {} for arm in COMPARED)
    if not mop:
        return _empty(figure)
    for row, cell in enumerate(mop):  # the log chooses the cells, so both arms have the same
        bottom = BOTTOM + (2 - row) * HEIGHT
        turn = _turn([dense[cell], mop[cell]])
        columns = (
            ("empirical", mop, TRUTH),
            ("dense", dense, style.COLOURS["dense"]),
            ("MoP-JEPA", mop, style.COLOURS["mop"]),
        )
        for column, (title, beliefs, colour) in enumerate(columns):
            box = (LEFT + column * WIDTH, bottom, WIDTH, HEIGHT)
            axis = figure.add_axes(box, projection="3d", computed_zorder=False)
            _surface(axis, beliefs[cell], colour, turn, truth=column == 0, labelled=column != 1)
            if row == 0:
                figure.text(box[0] + WIDTH / 2, bottom + HEIGHT, title, ha="center", va="center", size=8)
        i, j = maze_graph(MAZE).cells[cell]
        ways = sum(s["cell"] != cell for s in mop[cell]["successors"])
        text = f"cell ({i}, {j}): {ways} successors"
        figure.text(0.01, bottom + HEIGHT / 2, text, rotation=90, ha="left", va="center", size=7)
    handles = [
        Line2D([], [], color=TRUTH, marker="o", ms=3, lw=0.9, label="true successor"),
        Line2D([], [], color=START, marker="o", ms=3, lw=0.9, label="return to the cell itself"),
    ]
    figure.legend(handles=handles, loc="lower right", ncols=2, bbox_to_anchor=(1.0, -0.005))
    return figure


def figure3(records, published):
    """One prediction at a teleport: the dense predictor beside MoP-JEPA, on the maze."""
    found = _records(records)
    if not found:
        return _empty(Figure(figsize=(style.TWO_COLUMNS, 2.9)))
    figure, axes = style.new_figure(style.TWO_COLUMNS, 2.9, 2)
    for axis, arm in zip(axes, COMPARED, strict=True):
        belief = found[arm].at("beliefs.teleport")
        image = _maze(axis, belief["cosine"])
        _branches(axis, belief)
        _heads(axis, belief, arm)
    axes[0].set_title("dense predictor")
    axes[1].set_title("MoP-JEPA: active heads and their weights")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.01, aspect=25, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.set_label("cosine to each cell's latent")
    bar.outline.set_linewidth(0.5)
    handles = [
        Line2D([], [], ls="", marker="*", ms=7, mfc="#ffd92f", mec="black", mew=0.5, label="teleport cell"),
        Line2D([], [], ls="", marker="o", ms=6.5, mfc="none", mec=TRUTH, mew=1.4, label="true branch, its frequency"),
        Line2D([], [], ls="", marker="x", ms=5, color=style.COLOURS["dense"], mew=1.6, label="dense prediction"),
        Line2D([], [], ls="", marker="x", ms=5, color=style.COLOURS["mop"], mew=1.6, label="active head, its weight"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def _records(records):
    """{arm: Record} of the first seed that all compared arms have; empty when there is none."""
    by_seed = {arm: {r.data["seed"]: r for r in records.get("fanout", arm, MAZE)} for arm in COMPARED}
    seeds = sorted(set.intersection(*map(set, by_seed.values())))
    return {arm: found[seeds[0]] for arm, found in by_seed.items()} if seeds else {}


def _empty(figure):
    figure.text(0.5, 0.5, "not run", ha="center", va="center", color="#888888")
    return figure


def density(points, weights, width, grid_x, grid_y):
    """Weighted sum of Gaussian kernels on a grid, highest value 1 (0 without points).

    points: (P, 2). weights: (P,). width: standard deviation. grid_x, grid_y: (g, g). Returns (g, g).
    """
    total = np.zeros(grid_x.shape)
    for (x, y), weight in zip(points, weights, strict=True):
        total += weight * np.exp(-((grid_x - x) ** 2 + (grid_y - y) ** 2) / (2 * width**2))
    return total / total.max() if total.max() > 0 else total


def _turn(beliefs):
    """The angle, one for all panels of a row, from which the two closest pins stand farthest apart, side by side."""

    def gap(turn):
        return min(np.diff(np.sort(_across(pins, turn))).min() for pins in map(_pins, beliefs))

    return max(TURNS, key=gap)


def _across(pins, turn):
    """How far to the right pins stand when the floor is seen from that angle, in halves of the panel."""
    angle = np.radians(turn)
    middle, half = _window(pins)
    return (pins - middle) @ (-np.sin(angle), np.cos(angle)) / half


def _sides(pins, turn):
    """How each percentage is aligned to its pin: away from the nearest neighbour where one is close, else centred."""
    gap = _across(pins, turn)[:, None] - _across(pins, turn)
    np.fill_diagonal(gap, np.inf)
    nearest = gap[np.arange(len(pins)), np.abs(gap).argmin(axis=1)]
    return ["center" if abs(step) > CLOSE else "left" if step > 0 else "right" for step in nearest]


def _pins(belief):
    return np.array([(successor["x"], successor["y"]) for successor in belief["successors"]])


def _window(pins):
    """Middle (2,) and half the side of the square of floor that shows all pins."""
    low, high = pins.min(axis=0), pins.max(axis=0)
    return (low + high) / 2, (high - low).max() * (0.5 + MARGIN)


def _surface(axis, belief, colour, turn, truth, labelled):
    """One panel of Figure 2: the density, pins at the true successors, and percentages at the pins."""
    middle, half = _window(_pins(belief))
    ticks = np.linspace(-half, half, GRID)
    grid_x, grid_y = np.meshgrid(middle[0] + ticks, middle[1] + ticks)
    source, share = (belief["successors"], "frequency") if truth else (belief["paths"], "weight")
    points = [(part["x"], part["y"]) for part in source]
    height = density(points, [part[share] for part in source], BANDWIDTH * 2 * half, grid_x, grid_y)
    ramp = LinearSegmentedColormap.from_list("ramp", ["#f4f4f4", colour])
    drawn = {"rcount": GRID, "ccount": GRID, "lw": 0, "antialiased": False, "rasterized": True, "zorder": 1}
    axis.plot_surface(grid_x, grid_y, height, cmap=ramp, vmin=0, vmax=1, **drawn)
    for successor, side in zip(belief["successors"], _sides(_pins(belief), turn), strict=True):
        mark = START if successor["cell"] == belief["cell"] else TRUTH
        x, y = successor["x"], successor["y"]
        axis.plot([x, x], [y, y], [0, 1.12], color=mark, lw=0.9, zorder=3)
        axis.scatter([x], [y], [1.12], color=mark, s=9, zorder=4, depthshade=False, linewidths=0)
        if labelled:
            value = successor["frequency"] if truth else _decoded(belief["paths"], successor["cell"])
            text = f"{100 * value:.0f} %"
            axis.text(x, y, 1.2, text, size=6, ha=side, va="bottom", color=mark, zorder=5, path_effects=HALO)
    axis.set(xlim=middle[0] + half * np.array([-1, 1]), ylim=middle[1] + half * np.array([-1, 1]), zlim=(0, 1.25))
    _frame(axis, turn)


def _decoded(paths, cell):
    """Router weight of the active paths that decode to a cell, as a share of all active paths."""
    total = sum(path["weight"] for path in paths)
    return sum(path["weight"] for path in paths if path["cell"] == cell) / total if total else 0.0


def _frame(axis, turn):
    axis.view_init(elev=ELEVATION, azim=turn)
    axis.set_box_aspect((1, 1, 0.62), zoom=0.98)
    axis.set_zticks([0, 0.5, 1], ["0", ".5", "1"])
    for part in (axis.xaxis, axis.yaxis, axis.zaxis):
        part.set_pane_color((1, 1, 1, 0))
        part.line.set_linewidth(0.5)
    axis.locator_params(axis="x", nbins=4)
    axis.locator_params(axis="y", nbins=4)
    axis.tick_params(labelsize=5, pad=-3.5, width=0.4)


def _maze(axis, cosine):
    """The maze with its walls, cells coloured by cosine. Returns the image, for its colour bar."""
    ids = maze_graph(MAZE).ids
    values = np.full(ids.shape, np.nan)
    if cosine is not None:
        values[ids >= 0] = np.array(cosine)[ids[ids >= 0]]
    axis.set_facecolor(WALL)
    image = axis.pcolormesh(values, cmap=HEAT, vmin=-1, vmax=1, edgecolors="white", linewidth=0.4)
    axis.set(aspect="equal", xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set_visible(False)
    return image


def _place(cell):
    """Where a cell is drawn: the middle of its square, column and row."""
    i, j = maze_graph(MAZE).cells[cell]
    return j + 0.5, i + 0.5


def _branches(axis, belief):
    x, y = _place(belief["cell"])
    axis.scatter([x], [y], marker="*", s=110, color="#ffd92f", edgecolors="black", linewidths=0.5, zorder=5)
    for branch in belief["successors"]:
        if branch["frequency"] < RARELY:
            continue
        x, y = _place(branch["cell"])
        axis.scatter([x], [y], s=80, facecolors="none", edgecolors=TRUTH, linewidths=1.6, zorder=4, path_effects=RIM)
        _say(axis, x, y + 0.62, f"{100 * branch['frequency']:.0f} %", TRUTH)


def _heads(axis, belief, arm):
    """A cross at each cell to which active heads decode, with their summed weight where there are several heads."""
    weights = {}
    for head in belief["heads"]:
        weights[head["cell"]] = weights.get(head["cell"], 0) + head["weight"]
    for cell, weight in weights.items():
        x, y = _place(cell)
        axis.scatter([x], [y], marker="x", s=26, color=style.COLOURS[arm], linewidths=1.6, zorder=6, path_effects=RIM)
        if arm == "mop":
            _say(axis, x, y - 0.66, f"$\\pi$ = {weight:.2f}".replace("0.", "."), style.COLOURS[arm])


def _say(axis, x, y, text, colour):
    axis.text(x, y, text, size=6, color=colour, ha="center", va="center", zorder=7, path_effects=HALO)


DRAWINGS = {"figure2": figure2, "figure3": figure3}
