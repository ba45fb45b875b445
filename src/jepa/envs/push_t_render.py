"""Frames of Push-T: white table, grey walls, a green T where the demonstrators were to put it, grey block, blue agent.

The green T has the fixed pose (256, 256, pi/4) and never moves with the goal of an evaluation, as in the released
environment. Colours, outlines and their widths are the released ones. Edges are anti-aliased over one pixel of the
frame, whatever its size, so that small frames still tell positions to a fraction of a pixel; the released frames
sample the canvas instead, and at their size of 96 px the two differ by less than one grey level on average.
"""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

CANVAS = 512
TARGET = (256.0, 256.0, np.pi / 4)  # the green T's pose
WHITE, WALL, GOAL = (255, 255, 255), (211, 211, 211), (144, 238, 144)
AGENT, AGENT_INNER = (65, 105, 225), (78, 126, 255)
BLOCK, BLOCK_INNER = (119, 136, 153), (143, 163, 184)
RECTANGLES = ((0, 15, 60, 15), (0, 75, 15, 45))  # centre and half sides, in the block's frame: bar, arm
GOAL_ARM = (0, 67.5, 15, 52.5)
BLOCK_CENTRE, BLOCK_RADIUS = (0.0, 50.0), 83.0  # a disc around the block with its outline, in the block's frame
OUTLINE = 2.0  # px to either side of the block's edges
AGENT_RADIUS, AGENT_INNER_RADIUS = 15.0, 11.0
WALLS = ((5, 255.5, 2.5, 253), (506, 255.5, 2.5, 253), (255.5, 5, 253, 2.5), (255.5, 506, 253, 2.5))
RENDERED_PIXELS = 2**16  # blended together, so that the intermediate arrays stay in the cache


def render(state, size):
    """Frames of the states. state: (N, 5 or more): agent's x and y, block's x and y, block's angle.

    Lengths are px of the 512-px canvas. size: pixels of a side. Returns (N, 3, size, size) uint8, RGB.
    """
    state = np.asarray(state, dtype=np.float32)
    frames = np.empty((len(state), 3, size, size), dtype=np.uint8)
    frames[:] = np.rint(_background(size)).astype(np.uint8)
    pixel = CANVAS / size
    _draw(frames, state, BLOCK_RADIUS, _block_centre, lambda x, y, s: _block(x, y, s, pixel), (BLOCK, BLOCK_INNER))
    _draw(frames, state, AGENT_RADIUS, lambda s: s[:, :2], lambda x, y, s: _agent(x, y, s, pixel), (AGENT, AGENT_INNER))
    return frames


def _draw(frames, state, radius, centre, layers, colours):
    """Draw one object into each frame, inside a square window that holds the disc around it.

    frames: (n, 3, size, size) uint8, written in place. centre: states -> (m, 2), of the disc. layers: x, y (the
    windows' pixels, broadcastable to (m, w, w)), states -> shares of each pixel, one array per colour.
    """
    size = frames.shape[-1]
    pixel = CANVAS / size
    window = min(size, int(np.ceil(2 * radius / pixel)) + 2)
    windows = sliding_window_view(frames, (window, window), axis=(2, 3), writeable=True)
    together = max(1, RENDERED_PIXELS // window**2)
    colours = np.array(colours, dtype=np.float32)
    for start in range(0, len(state), together):
        part = slice(start, start + together)
        middle = (centre(state[part]) + 0.5) / pixel - 0.5
        # An object far outside the canvas has its window at the border and covers nothing of it.
        first = np.rint((middle - (window - 1) / 2).clip(0, size - window)).astype(np.int64)
        grid = _canvas(first[:, :, None] + np.arange(window), pixel)
        shares = layers(grid[:, 0, None, :], grid[:, 1, :, None], state[part])
        rest = 1 - sum(shares)
        rows = np.arange(len(first)) + start
        for channel in range(3):
            where = (rows, channel, first[:, 1], first[:, 0])
            value = rest * windows[where]
            for share, colour in zip(shares, colours[:, channel], strict=True):
                value += share * colour
            windows[where] = np.rint(value, out=value).astype(np.uint8)


def _block_centre(state):
    """Centres of the discs around the blocks, (m, 2)."""
    cos, sin = np.cos(state[:, 4]), np.sin(state[:, 4])
    (u, v) = BLOCK_CENTRE
    return state[:, 2:4] + np.stack([cos * u - sin * v, sin * u + cos * v], axis=1)


def _block(x, y, state, pixel):
    """Shares of outline and inside; each rectangle has its own outline, the arm's lies over the bar."""
    u, v = _in_block(x, y, *(state[:, i, None, None] for i in (2, 3, 4)))
    line = inside = np.float32(0)
    for rectangle in RECTANGLES:
        distance = _outside(u, v, rectangle)
        outer, inner = _covered(distance - OUTLINE, pixel), _covered(distance + OUTLINE, pixel)
        line = line * (1 - outer) + outer - inner
        inside = inside * (1 - outer) + inner
    return line, inside


def _agent(x, y, state, pixel):
    """Shares of the outer ring and of the inner disc."""
    dx, dy = x - state[:, 0, None, None], y - state[:, 1, None, None]
    distance = np.sqrt(dx * dx + dy * dy)
    outer, inner = _covered(distance - AGENT_RADIUS, pixel), _covered(distance - AGENT_INNER_RADIUS, pixel)
    return outer - inner, inner


def _in_block(x, y, block_x, block_y, angle):
    """Coordinates of canvas points in the frame of a block at this pose."""
    dx, dy = x - block_x, y - block_y
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * dx + sin * dy, cos * dy - sin * dx


def _outside(x, y, rectangle):
    """Signed distance from points to a rectangle along the nearer axis, px; negative inside."""
    middle_x, middle_y, half_x, half_y = rectangle
    return np.maximum(np.abs(x - np.float32(middle_x)) - half_x, np.abs(y - np.float32(middle_y)) - half_y)


def _covered(distance, pixel):
    """Share of a pixel that a shape covers whose edge is `distance` px outside its centre: a ramp one pixel wide."""
    return (np.float32(0.5) - distance / np.float32(pixel)).clip(0, 1)


def _canvas(index, pixel):
    """Canvas coordinate of the centre of pixel `index` of a frame; canvas pixel i covers [i - 0.5, i + 0.5)."""
    return ((index + 0.5) * pixel - 0.5).astype(np.float32)


@cache
def _background(size):
    """The empty table with the green T, (3, size, size) float32."""
    pixel = CANVAS / size
    along = _canvas(np.arange(size), pixel)
    x, y = along[None, :], along[:, None]
    u, v = _in_block(x, y, *TARGET)
    # The arm begins inside the bar, so that no seam shows. A pixel of the canvas on an edge belongs to the T.
    goal = _covered(np.minimum(_outside(u, v, RECTANGLES[0]), _outside(u, v, GOAL_ARM)) - 0.5, pixel)
    # Walls are thinner than a pixel of small frames: they are sampled at its centre, as in the released frames.
    wall = _covered(np.min([_outside(x, y, rectangle) for rectangle in WALLS], axis=0), 1)
    white, green, grey = (np.array(colour, dtype=np.float32)[:, None, None] for colour in (WHITE, GOAL, WALL))
    table = white * (1 - goal) + green * goal
    return table * (1 - wall) + grey * wall
