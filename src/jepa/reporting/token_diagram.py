"""The left half of Qantara's Figure 1: blocks of (action, latent) tokens and which of them attend to which."""

from matplotlib.patches import FancyBboxPatch, Rectangle

BLUE, SAND = "#0072B2", "#B36B00"  # latents and the planning edge; actions and the policy edge
BLOCKS = 5  # 0 to T = 4
CLEAN = 2  # blocks of the clean prefix in the drawing
ARROW = {"arrowstyle": "-|>", "lw": 0.5, "mutation_scale": 5, "color": "#444444"}
CLEAN_FILL, NOISY_FILL = "#e8eff6", "#fbeedd"


def draw_tokens(axis):
    """Tokens with their heads above, the block-causal mask below."""
    axis.set(xlim=(0, 10.4), ylim=(0, 8.2), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.grid(False)
    for block in range(BLOCKS):
        _block(axis, block)
    axis.add_patch(
        FancyBboxPatch((0.35, 6.05), 9.75, 0.55, boxstyle="round,pad=0.05", fc="#eeeeee", ec="#666666", lw=0.6)
    )
    axis.text(
        5.2,
        6.33,
        "predictor: block-causal transformer, AdaLN by each token's $\\tau$",
        ha="center",
        va="center",
        size=6.3,
    )
    _span(axis, 0.3, 0.3 + CLEAN * 2, "clean prefix ($\\tau = 1$)")
    _span(axis, 0.3 + CLEAN * 2, 0.3 + BLOCKS * 2, "noisy blocks (to denoise)")
    _mask(axis)


def _block(axis, block):
    left, noisy = 0.3 + 2 * block, block >= CLEAN
    fill = NOISY_FILL if noisy else CLEAN_FILL
    axis.add_patch(
        FancyBboxPatch((left + 0.1, 4.55), 1.75, 1.05, boxstyle="round,pad=0.04", fc=fill, ec="#999999", lw=0.5)
    )
    action = r"\tilde{a}" if noisy else "a"
    latent = r"\tilde{z}" if noisy else "z"
    names = ("start" if block == 0 else f"${action}_{{{block - 1}}}$", f"${latent}_{{{block}}}$")
    heads = (f"$v^a_{{{block - 1}}}$", rf"$\hat{{z}}_{{{block}}}$")
    for slot, (name, colour) in enumerate(zip(names, (SAND, BLUE), strict=True)):
        x = left + 0.53 + 0.9 * slot
        size = 5.6 if name == "start" else 8
        axis.text(x, 5.07, name, ha="center", va="center", size=size, color=colour)
        axis.annotate("", (x, 6.0), (x, 5.62), arrowprops=ARROW)
        if noisy:
            axis.annotate("", (x, 7.05), (x, 6.67), arrowprops=ARROW)
            axis.text(x, 7.36, heads[slot], ha="center", va="center", size=8, color=colour)
    axis.text(left + 0.97, 4.72, f"block {block}", ha="center", va="center", size=5, color="#666666")


def _span(axis, start, end, text):
    axis.plot([start + 0.12, start + 0.12, end - 0.12, end - 0.12], [4.35, 4.25, 4.25, 4.35], color="#666666", lw=0.6)
    axis.text((start + end) / 2, 4.0, text, ha="center", va="center", size=6)


def _mask(axis):
    """Token i (row) sees token j (column) iff block(j) <= block(i)."""
    size, left, top = 0.33, 1.6, 3.55
    tokens = 2 * BLOCKS
    for row in range(tokens):
        for column in range(tokens):
            sees = column // 2 <= row // 2
            inside = column // 2 == row // 2
            colour = ("#8c8c8c" if inside else "#cccccc") if sees else "white"
            corner = (left + column * size, top - (row + 1) * size)
            axis.add_patch(Rectangle(corner, size, size, fc=colour, ec="white" if sees else "#eeeeee", lw=0.4))
    axis.add_patch(
        Rectangle((left, top - tokens * size), tokens * size, tokens * size, fill=False, ec="#666666", lw=0.6)
    )
    for block in range(BLOCKS):
        axis.text(
            left - 0.1, top - (2 * block + 1) * size, f"block {block}", size=5, ha="right", va="center", color="#666666"
        )
    for x, y, colour, text in (
        (5.4, 2.9, "#8c8c8c", "within a block: both ways"),
        (5.4, 2.25, "#cccccc", "earlier blocks: seen"),
        (5.4, 1.6, "white", "later blocks: hidden"),
    ):
        axis.add_patch(Rectangle((x, y - 0.17), 0.34, 0.34, fc=colour, ec="#999999", lw=0.5))
        axis.text(x + 0.5, y, text, size=6.3, va="center")
    axis.text(5.4, 0.85, "row: the token that looks\ncolumn: the token seen", size=5.6, va="center", color="#666666")
