"""Figures 1 and 2 of Qantara: the sampling square from real draws, and decoded rollouts.

Inputs are npz files without pickled objects, written where torch may be imported:

draws (Figure 1): mode (N,) str, a key of MODES; tau_a, tau_z (N,) float in [0, 1] of the noisy tokens that the
    training sampler drew; one entry a (row, mode, noisy block).
rollouts (Figure 2), one file an environment: env () str; rows (R,) str, labels from top to bottom; columns (C,) int,
    the time of each column in blocks, the first is the context; frames (R, C, H, W, 3) uint8; protocol () str, a key
    of PROTOCOLS, printed where the file has it.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Rectangle

from jepa.data.arrays import read_npz
from jepa.errors import JepaError
from jepa.reporting import style
from jepa.reporting.qantara_grid import ENVS, PROTOCOLS
from jepa.reporting.records import read_tags
from jepa.reporting.token_diagram import BLUE, SAND, draw_tokens

MODES = {  # colour, label, where the label stands, its rotation
    "forward": (BLUE, "forward: planning", (1.145, 0.5), 90),
    "policy": (SAND, "policy: behaviour cloning", (0.5, -0.145), 0),
    "inverse": ("#009E73", "inverse: video-inverse, 2nd query", (0.5, 1.15), 0),
    "video": ("#CC79A7", "video: video-inverse, 1st query", (-0.145, 0.5), 90),
    "joint": ("#777777", "joint: trained, never queried", (0.56, 0.44), 45),
}
CORNERS = {  # (tau_a, tau_z): the dispatches that query it, and the place of the text
    (0, 0): ("(0, 0)  BC, video start", (0.15, 0.03), "left", "bottom"),
    (1, 0): ("(1, 0)\nplanning starts", (0.965, 0.1), "right", "bottom"),
    (0, 1): ("(0, 1)\ninverse starts", (0.035, 0.965), "left", "top"),
    (1, 1): ("clean end  (1, 1)", (0.88, 0.965), "right", "top"),
}
SHOWN = 400  # draws a mode
ORDER = ("push_t", "cube", "two_room", "reacher")  # of the environments in Figure 2
LABELS, GAP, SPACE, HEADING, TIMES = 0.66, 0.07, 0.025, 0.22, 0.24  # of Figure 2, inches
BAND = 0.06  # width of the band in which draws are spread beside their line


def write_figure(name, input_files, out_pdf, out_png, scale, tag_files=()):
    """Draw `figure1` (one file of draws) or `figure2` (rollout files, any number) as PDF and PNG.

    tag_files: provenance of the datasets of the rollouts. Raises JepaError for an unknown name or a damaged file.
    """
    if name not in DRAWINGS:
        raise JepaError(f"There is no figure {name!r}; there are {', '.join(DRAWINGS)}.")
    with style.sheet():
        DRAWINGS[name](input_files, out_pdf, out_png, scale, tag_files)


def figure1(files, out_pdf, out_png, scale, tag_files):
    """Left: the block-causal token sequence. Right: draws of the training sampler on the noise square."""
    if len(files) != 1:
        raise JepaError(f"Figure 1 shows one file of draws, not {len(files)}; pass the file that the sampler wrote.")
    mode, tau_a, tau_z = _draws(files[0])
    figure = Figure(figsize=(style.TWO_COLUMNS, 3.0))
    figure.get_layout_engine().set(rect=(0, 0.045, 1, 0.955), w_pad=0.02)
    left, right = figure.subplots(1, 2, width_ratios=(1.17, 1))
    draw_tokens(left)
    _square(right, mode, tau_a, tau_z)
    style.footnote(figure, f"draws of the training sampler ({min(SHOWN, len(mode))} a mode at most) · scale: {scale}")
    style.save(figure, out_pdf, out_png)


def _square(axis, mode, tau_a, tau_z):
    axis.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec="black", lw=0.6, zorder=3))
    for name, (colour, label, place, rotation) in MODES.items():
        x, y = (tau[mode == name][:SHOWN] for tau in (tau_a, tau_z))
        beside = BAND * (np.arange(len(x)) * 0.6180339887 % 1 - 0.5 if name == "joint" else _outwards(len(x)))
        shift_x, shift_y = {"forward": (1, 0), "video": (-1, 0), "inverse": (0, 1), "policy": (0, -1)}.get(
            name, (0.7071, -0.7071)
        )
        axis.scatter(x + shift_x * beside, y + shift_y * beside, s=2.2, color=colour, lw=0, alpha=0.75, zorder=2)
        text = label if len(x) else f"{label} (not trained)"
        axis.text(*place, text, color=colour, rotation=rotation, ha="center", va="center", size=6.3)
    for (tau_a_end, tau_z_end), (text, place, ha, va) in CORNERS.items():
        axis.scatter([tau_a_end], [tau_z_end], s=17, color="black", lw=0, zorder=5, clip_on=False)
        axis.text(*place, text, ha=ha, va=va, size=5.8, linespacing=1.15, zorder=6)
    for start, end, name in (
        ((1, 0), (1, 1), "forward"),
        ((0, 0), (1, 0), "policy"),
        ((0, 1), (1, 1), "inverse"),
        ((0, 0), (0, 1), "video"),
    ):
        ends = {"shrinkA": 3, "shrinkB": 3, "mutation_scale": 7, "lw": 1, "zorder": 4}
        arrow = FancyArrowPatch(start, end, arrowstyle="-|>", color=MODES[name][0], **ends)
        axis.add_patch(arrow)
    axis.set(xlim=(-0.21, 1.21), ylim=(-0.21, 1.21), aspect="equal")
    axis.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    axis.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    axis.set_xlabel(r"action time $\tau^a$  (0 noise, 1 clean)")
    axis.set_ylabel(r"state time $\tau^z$  (0 previous latent, 1 clean)")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.set_title(r"drawn $(\tau^a, \tau^z)$ of noisy blocks, spread beside their line", size=7)


def _outwards(count):
    """Offsets in (0.25, 1.25), evenly spread in every stretch of the line: density shows as density."""
    return 0.25 + np.arange(count) * 0.6180339887 % 1


def figure2(files, out_pdf, out_png, scale, tag_files):
    """Decoded open-loop rollouts, two environments side by side; a dashed line ends the context.

    Within an environment rows are action sources, columns times.
    """
    found = {result["env"]: result for result in map(_rollouts, files)}
    found = [found[env] for env in ORDER if env in found]
    tags = read_tags(tag_files, {r["env"] for r in found}, {env: env for env in ENVS})
    across = min(len(found), 2) or 1
    columns = max((len(r["columns"]) for r in found), default=7)
    block = (style.TWO_COLUMNS if across == 2 else 4.7) / across
    tile = (block - LABELS - GAP - 0.06) / columns
    bands = [found[i : i + across] for i in range(0, len(found), across)]
    heights = [HEADING + tile * max(len(r["rows"]) for r in band) + TIMES for band in bands] or [1.0]
    figure = Figure(figsize=(block * across, sum(heights) + 0.2))
    figure.set_layout_engine("none")
    height = figure.get_size_inches()[1]
    for place, band in enumerate(bands):
        for column, result in enumerate(band):
            _grid(figure, result, tags[result["env"]], tile, column * block, height - sum(heights[:place]))
    if not found:
        figure.text(0.5, 0.5, "not run", color="#888888", ha="center")
    missing = ", ".join(ENVS[env] for env in ORDER if env not in {r["env"] for r in found})
    style.footnote(figure, f"scale: {scale}" + (f" · not run: {missing}" if missing else ""))
    style.save(figure, out_pdf, out_png)


def _grid(figure, result, tag, tile, left, top):
    """One environment's heading and images, with their upper left corner at (left, top), in inches from below."""
    rows, columns, frames = result["rows"], result["columns"], result["frames"]
    wide, high = LABELS + GAP + tile * len(columns), HEADING + tile * len(rows) + TIMES
    width, height = figure.get_size_inches()
    # one axis in inches, y downwards: an axis for each image would take seconds
    axis = figure.add_axes((left / width, (top - high) / height, wide / width, high / height))
    axis.set_axis_off()
    protocol = f" · protocol: {result['protocol']}" if result["protocol"] else ""
    axis.text(LABELS, 0.15, ENVS[result["env"]], size=7.5, weight="bold")
    axis.text(wide - SPACE, 0.15, f"data: {tag}" + protocol, size=6, color="#666666", ha="right")
    side, end = tile - SPACE, HEADING + tile * len(rows) - SPACE
    for i, label in enumerate(rows):
        y = HEADING + i * tile
        axis.text(LABELS - 0.05, y + side / 2, label, size=5.8, ha="right", va="center")
        for j in range(len(columns)):
            x = LABELS + j * tile + (GAP if j else 0)
            axis.imshow(frames[i, j], interpolation="nearest", extent=(x, x + side, y + side, y), aspect="auto")
            axis.add_patch(Rectangle((x, y), side, side, fill=False, lw=0.4, ec="#bbbbbb"))
    for j, time in enumerate(columns):
        x = LABELS + j * tile + (GAP if j else 0)
        axis.text(x + side / 2, end + 0.05, f"$t = {time}$", size=5.6, ha="center", va="top")
    x = LABELS + tile + (GAP - SPACE) / 2
    axis.add_artist(Line2D([x, x], [HEADING, end], color="black", ls="--", lw=0.8))
    axis.set(xlim=(0, wide), ylim=(high, 0))


def _load(path, needed):
    arrays = read_npz(path, "what this figure shows")
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise JepaError(f"{path} lacks `{missing[0]}`; delete it and run the rule that writes it again.")
    return arrays


def _draws(path):
    arrays = _load(Path(path), ("mode", "tau_a", "tau_z"))
    mode, tau_a, tau_z = (arrays[name] for name in ("mode", "tau_a", "tau_z"))
    inside = all(tau.shape == mode.shape == (len(mode),) and ((tau >= 0) & (tau <= 1)).all() for tau in (tau_a, tau_z))
    unknown = sorted(set(mode.tolist()) - set(MODES))
    if not inside or unknown:
        what = f"the unknown mode {unknown[0]!r}" if unknown else "draws outside [0, 1] or of unequal number"
        raise JepaError(f"{path} has {what}; delete it and run the rule that writes it again.")
    return mode, tau_a, tau_z


def _rollouts(path):
    arrays = _load(Path(path), ("env", "rows", "columns", "frames"))
    rows, columns, frames = arrays["rows"].tolist(), arrays["columns"].tolist(), arrays["frames"]
    env = str(arrays["env"])
    if env not in ENVS:
        raise JepaError(f"{path} is of the unknown environment `{env}`; known are {', '.join(ENVS)}.")
    if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[:2] != (len(rows), len(columns)):
        raise JepaError(f"{path} must have uint8 `frames` (rows, columns, H, W, 3), not {frames.dtype} {frames.shape}.")
    protocol = str(arrays.get("protocol", ""))
    if protocol and protocol not in PROTOCOLS:
        raise JepaError(f"{path} is of the unknown protocol {protocol!r}; known are {', '.join(PROTOCOLS)}.")
    return {"env": env, "rows": rows, "columns": columns, "frames": frames, "protocol": protocol}


DRAWINGS = {"figure1": figure1, "figure2": figure2}
