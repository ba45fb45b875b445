"""Figures of MoP-JEPA: those of planning (5-7, 9) and the list of all; the paper's values are hollow marks."""

from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from jepa.errors import JepaError
from jepa.reporting import contents, domain_grid, style
from jepa.reporting.layout import TAGS
from jepa.reporting.measurements import read_published
from jepa.reporting.mop_beliefs import figure2, figure3
from jepa.reporting.mop_diagram import figure1
from jepa.reporting.mop_generality_figures import figure4, figure8
from jepa.reporting.mop_grid import ARMS, DATASETS, LABELS, MAZES, SWEEP
from jepa.reporting.records import Records, read_tags, seed_values


def write_figure(name, files, paper_csv, out_pdf, out_png, scale, tag_files):
    """Draw one figure (a key of DRAWINGS) from recorded results, as PDF and PNG.

    files: of any kind that Records reads. paper_csv: the published numbers. tag_files: provenance of the datasets.
    Raises JepaError for an unknown name, a damaged file or untagged data; what was not run is marked in the figure.
    """
    if name not in DRAWINGS:
        raise JepaError(f"There is no figure {name!r}; there are {', '.join(DRAWINGS)}.")
    records = Records(files)
    tags = read_tags(tag_files, records.places(), DATASETS | domain_grid.DATASETS)
    published = {key: value for key, (value, _, _) in read_published(paper_csv).items()}
    with style.sheet():
        figure = DRAWINGS[name](records, published)
        if contents.FIGURES[name]:  # a diagram shows no data
            style.footnote(figure, _footnote(name, records, tags, scale))
        style.save(figure, out_pdf, out_png)


def _footnote(name, records, tags, scale):
    """What is shown: mazes and data of domains by their tag, scale, seeds."""
    shown = {cell[-1] for cell in contents.FIGURES[name]} & records.places()
    by_tag = {}
    for place in (*MAZES, *domain_grid.DATASETS):
        if place in shown:
            by_tag.setdefault(tags[place], {})[domain_grid.DATASETS.get(place, place)] = None
    if len(by_tag) > 1:
        data = "; ".join(f"{tag}: {', '.join(by_tag[tag])}" for tag in TAGS if tag in by_tag)
    else:
        data = next(iter(by_tag), "none")
    seeds = "–".join(str(count) for count in sorted(set(records.seeds())))
    return f"data: {data} · scale: {scale} · seeds: {seeds}"


def figure5(records, published):
    """planAll by arm, one panel a maze."""
    figure, axes = style.new_figure(style.TWO_COLUMNS, 2.15, len(MAZES))
    for axis, maze in zip(axes, MAZES, strict=True):
        _bars(axis, records, maze, "raw.plan_all", published, "table2", f"{maze} planAll")
        axis.set_title(maze)
    axes[0].set_ylabel("planAll (raw readout)")
    style.shares(axes)
    figure.legend(handles=[style.SEED_MARK, style.PAPER_MARK], loc="outside upper center", ncols=2)
    return figure


def figure6(records, published):
    """realroute by task: a group of bars a maze, with the split's ceiling and the displacement control."""
    figure, (axis,) = style.new_figure(style.TWO_COLUMNS, 2.2)
    width, step = 0.11, 0.12
    for middle, maze in enumerate(MAZES):
        for place, arm in enumerate(ARMS):
            x = middle + (place - (len(ARMS) - 1) / 2) * step
            style.bar(axis, x, arm, _values(records, arm, maze, "raw.realroute"), width)
            style.paper_mark(axis, x, published.get(("table3", arm, f"{maze} realroute")))
        ends = (middle - 0.43, middle + 0.43)
        ceiling = seed_values(records.audits_of(maze), "ceilings.train_graph_realroute")
        _level(axis, ends, ceiling, "--")
        _level(axis, ends, _values(records, "displacement", maze, "raw.realroute"), ":")
    axis.set_xlim(-0.5, len(MAZES) - 0.5)
    axis.set_xticks(range(len(MAZES)), MAZES)
    axis.tick_params(axis="x", length=0)
    axis.set_ylabel("realroute (raw readout)")
    style.shares([axis])
    lines = [
        Line2D([], [], color=style.REFERENCE, ls="--", lw=0.9, label="true edges not held out"),
        Line2D([], [], color=style.REFERENCE, ls=":", lw=1.1, label="displacement control"),
    ]
    figure.legend(
        handles=[*_swatches(ARMS), *lines, style.SEED_MARK, style.PAPER_MARK], loc="outside upper center", ncols=6
    )
    return figure


def figure7(records, published):
    """realroute against the true distance of the goal: mean and deviation over seeds."""
    figure, axes = style.new_figure(style.TWO_COLUMNS, 2.15, len(MAZES))
    arms = ("dense", "mdn", "mop")
    for axis, maze in zip(axes, MAZES, strict=True):
        missing = [arm for arm in arms if not _curve(axis, records, arm, maze)]
        _curve(axis, records, "train-edges", maze)
        axis.set_title(maze)
        axis.set_xlabel("true shortest-path distance")
        axis.set_xlim(0.5, max(axis.get_xlim()[1], 10))  # a maze that was not run has an axis too
        axis.xaxis.get_major_locator().set_params(integer=True)
        if missing:
            text = f"not run: {', '.join(style.SHORT[arm] for arm in missing)}"
            axis.text(0.97, 0.95, text, transform=axis.transAxes, ha="right", va="top", size=6, color="#888888")
    for arm in ("mop", "mdn"):
        mark = published.get(("intext", f"horizon {arm}", "medium-stitch d=6"))
        style.paper_mark(axes[0], 6, mark, style.COLOURS[arm])
    # the paper's "0.05-0.15 out to distance 14" on teleport is a range, not a point
    box = Rectangle((10, 0.05), 4, 0.1, fill=False, ec=style.COLOURS["mop"], lw=0.7, zorder=5)
    axes[MAZES.index("teleport")].add_patch(box)
    axes[0].set_ylabel("realroute (raw readout)")
    style.shares(axes)
    lines = [Line2D([], [], color=style.COLOURS[arm], marker="o", ms=2.5, label=LABELS[arm]) for arm in arms]
    lines.append(Line2D([], [], color=style.REFERENCE, ls="--", lw=0.9, label="graph of training edges"))
    figure.legend(handles=[*lines, style.PAPER_MARK], loc="outside upper center", ncols=5)
    return figure


def figure9(records, published):
    """Coverage of the teleport destinations against the number of heads."""
    figure, (axis,) = style.new_figure(style.ONE_COLUMN, 2.35)
    values = {heads: _values(records, arm, "teleport", "raw.cov_r") for heads, arm in SWEEP.items()}
    run = {heads: list(seeds.values()) for heads, seeds in values.items() if seeds}
    axis.plot(list(run), [sum(v) / len(v) for v in run.values()], color=style.COLOURS["mop"], marker="o", zorder=3)
    for heads, seeds in run.items():
        axis.scatter([heads] * len(seeds), seeds, **style.SEED)
    for heads in SWEEP:
        if heads not in run:
            style.not_run(axis, heads)
        style.paper_mark(axis, heads, published.get(("intext", f"K = {heads}", "cov_r")), style.COLOURS["mop"])
    _reference_arms(axis, records, published)
    axis.axvline(3, color=style.REFERENCE, ls=":", lw=0.9, zorder=1)
    axis.annotate("K = 3 modes", (3, 0.02), (3, 0), textcoords="offset points", size=6, color=style.REFERENCE)
    axis.set_xscale("log", base=2)
    axis.set_xticks(list(SWEEP), [str(heads) for heads in SWEEP])
    axis.minorticks_off()
    axis.set_xlabel("number of heads K")
    axis.set_ylabel("teleport COV-R (raw readout)")
    style.shares([axis])
    handles = [
        Line2D([], [], color=style.COLOURS["mop"], marker="o", label=LABELS["mop"]),
        Line2D([], [], color=style.COLOURS["mdn"], ls="", marker="s", label="MDN, K = 8"),
        Line2D([], [], color=style.COLOURS["dense"], ls="--", lw=1, label="dense"),
        style.SEED_MARK,
        style.PAPER_MARK,
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, columnspacing=0.9, handletextpad=0.4)
    return figure


def _reference_arms(axis, records, published):
    """Dense as a line over all K, MDN as a mark at its K."""
    dense = _values(records, "dense", "teleport", "raw.cov_r")
    if dense:
        axis.axhline(sum(dense.values()) / len(dense), color=style.COLOURS["dense"], ls="--", lw=1, zorder=2)
    mdn = _values(records, "mdn", "teleport", "raw.cov_r")
    if mdn:
        axis.scatter([8], [sum(mdn.values()) / len(mdn)], marker="s", s=16, color=style.COLOURS["mdn"], zorder=3)
    for arm, heads in (("dense", 1), ("mdn", 8)):
        style.paper_mark(axis, heads, published.get(("intext", f"K = {heads} {arm}", "cov_r")), style.COLOURS[arm])


def _values(records, method, maze, path):
    return seed_values(records.get("audits", method, maze), path)


def _bars(axis, records, maze, path, published, table, column):
    for x, arm in enumerate(ARMS):
        style.bar(axis, x, arm, _values(records, arm, maze, path), 0.74)
        style.paper_mark(axis, x, published.get((table, arm, column)))
    style.name_bars(axis, ARMS)


def _curve(axis, records, method, maze):
    """Mean over seeds by distance, with a band of one deviation. Returns whether there was anything to draw."""
    by_distance = {}
    for record in records.get("audits", method, maze):
        for point in record.points("raw.distance", "d", "realroute"):
            if point["realroute"] is not None:
                by_distance.setdefault(point["d"], []).append(point["realroute"])
    if not by_distance:
        return False
    distances = sorted(by_distance)
    means = [sum(by_distance[d]) / len(by_distance[d]) for d in distances]
    if method not in style.COLOURS:
        axis.plot(distances, means, color=style.REFERENCE, ls="--", lw=0.9)
        return True
    spread = [
        (sum((v - m) ** 2 for v in by_distance[d]) / len(by_distance[d])) ** 0.5
        for d, m in zip(distances, means, strict=True)
    ]
    low = [max(0, m - s) for m, s in zip(means, spread, strict=True)]
    high = [min(1, m + s) for m, s in zip(means, spread, strict=True)]
    axis.fill_between(distances, low, high, color=style.COLOURS[method], alpha=0.18, lw=0)
    axis.plot(distances, means, color=style.COLOURS[method], marker="o", ms=2.5)
    return True


def _level(axis, ends, values, dashes):
    if values:
        level = sum(values.values()) / len(values)
        axis.plot(ends, [level, level], color=style.REFERENCE, ls=dashes, lw=0.9 if dashes == "--" else 1.1, zorder=2)


def _swatches(arms):
    return [
        Patch(
            facecolor=style.COLOURS[arm],
            edgecolor="white",
            hatch="/////" if arm == "codebook" else None,
            label=style.SHORT[arm],
        )
        for arm in arms
    ]


DRAWINGS = {
    "figure1": figure1,
    "figure2": figure2,
    "figure3": figure3,
    "figure4": figure4,
    "figure5": figure5,
    "figure6": figure6,
    "figure7": figure7,
    "figure8": figure8,
    "figure9": figure9,
}
