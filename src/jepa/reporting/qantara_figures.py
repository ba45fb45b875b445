"""Figures 1 and 2 of Qantara: the sampling square from real draws, and decoded rollouts.

Inputs are npz files without pickled objects, written where torch may be imported:

draws (Figure 1): mode (N,) str, a key of MODES; tau_a, tau_z (N,) float in [0, 1] of the noisy tokens that the
    training sampler drew; one entry a (row, mode, noisy block).
rollouts (Figure 2), one file an environment: env () str; rows (R,) str, labels from top to bottom; columns (C,) int,
    the time of each column in blocks, the first is the context; frames (R, C, H, W, 3) uint8.
"""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Rectangle

from jepa.errors import JepaError
from jepa.reporting import style
from jepa.reporting.qantara_grid import ENVS
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
    """Decoded open-loop rollouts: rows are action sources, columns times; a dashed line ends the context."""
    found = [_rollouts(path) for path in files]
    found = [next(r for r in found if r["env"] == env) for env in ENVS if any(r["env"] == env for r in found)]
    tags = read_tags(tag_files, {r["env"] for r in found}, {env: env for env in ENVS})
    rows = sum(len(r["rows"]) for r in found)
    columns = max((len(r["columns"]) for r in found), default=7)
    tile = (style.TWO_COLUMNS - 0.95) / columns * (0.62 if columns <= 8 else 1)
    figure = Figure(figsize=(0.95 + tile * columns, 0.5 + (tile + 0.03) * max(rows, 1) + 0.22 * len(found)))
    figure.set_layout_engine("none")
    width, height = figure.get_size_inches()
    top = height - 0.08
    for result in found:
        top -= 0.2
        figure.text(0.9 / width, (top + 0.05) / height, ENVS[result["env"]], size=7.5, weight="bold")
        top = _grid(figure, result, tile, top)
    if not found:
        figure.text(0.5, 0.5, "not run", color="#888888", ha="center")
    missing = ", ".join(label for env, label in ENVS.items() if env not in {r["env"] for r in found})
    data = ", ".join(f"{ENVS[r['env']]} {tags[r['env']]}" for r in found) or "none"
    style.footnote(figure, f"data: {data} · scale: {scale}" + (f" · not run: {missing}" if missing else ""))
    style.save(figure, out_pdf, out_png)


def _grid(figure, result, tile, top):
    """One environment's images below `top` (inches). Returns where they end."""
    width, height = figure.get_size_inches()
    rows, columns, frames = result["rows"], result["columns"], result["frames"]
    gap = 0.07  # after the context column
    for i, label in enumerate(rows):
        bottom = top - (i + 1) * (tile + 0.03)
        for j in range(len(columns)):
            left = 0.9 + j * tile + (gap if j else 0)
            axis = figure.add_axes((left / width, bottom / height, (tile - 0.03) / width, (tile - 0.03) / height))
            axis.imshow(frames[i, j], interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(visible=True, linewidth=0.4, color="#bbbbbb")
            if i == len(rows) - 1:
                axis.set_xlabel(f"$t = {columns[j]}$", size=6.3, labelpad=2)
        figure.text(0.84 / width, (bottom + tile / 2) / height, label, size=6.8, ha="right", va="center")
    end = top - len(rows) * (tile + 0.03)
    x = (0.9 + tile + gap / 2 - 0.015) / width
    figure.add_artist(Line2D([x, x], [end / height, (top - 0.03) / height], color="black", ls="--", lw=0.8))
    return end - 0.2


def _load(path, needed):
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise JepaError(f"{path} cannot be read ({error}); delete it and run the rule that writes it.") from None
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
    return {"env": env, "rows": rows, "columns": columns, "frames": frames}


DRAWINGS = {"figure1": figure1, "figure2": figure2}
