"""Top views of a maze with a point in it, drawn by numpy: no simulator and no graphics library."""

import numpy as np

WALL, FREE, TELEPORT, POINT = (60, 60, 70), (235, 235, 235), (150, 190, 240), (220, 40, 40)  # colours, RGB
UNIT = 4.0  # side of a cell; the centre of cell (i, j) is at (4 j - 4, 4 i - 4)
RADIUS = 2.0  # of the point: as wide as a cell, so that it spans pixels; its body has 0.7


def draw_maze(position, ids, inbound, size):
    """Frames of a point at `position` (N, 2): (N, 3, size, size) uint8.

    ids: (rows, columns) int cell ids, -1 at walls. inbound: (m,) int, cells in another colour. The whole map is shown,
    its longer side as wide as the frame; what lies beside it is wall.
    """
    rows, columns = ids.shape
    pixel = UNIT * max(rows, columns) / size
    centre = -1.5 * UNIT + pixel * (np.arange(size) + 0.5)  # of each pixel, in x and in y
    cell = np.floor((centre + 1.5 * UNIT) / UNIT).astype(int)
    padded = np.full((max(rows, columns),) * 2, -1)
    padded[:rows, :columns] = ids
    shown = padded[np.ix_(cell, cell)]  # (y, x)
    empty = np.where((shown >= 0)[..., None], FREE, WALL)
    empty = np.where(np.isin(shown, inbound)[..., None], TELEPORT, empty).astype(np.float32)

    position = np.asarray(position, dtype=np.float32)
    dx = centre.astype(np.float32) - position[:, :1]
    dy = centre.astype(np.float32) - position[:, 1:]
    distance = np.sqrt(dx[:, None, :] ** 2 + dy[:, :, None] ** 2)
    cover = np.clip((RADIUS - distance) / pixel + 0.5, 0, 1)[..., None]  # soft edge, one pixel wide
    frames = empty * (1 - cover) + np.asarray(POINT, np.float32) * cover
    return np.ascontiguousarray(frames.round().astype(np.uint8).transpose(0, 3, 1, 2))
