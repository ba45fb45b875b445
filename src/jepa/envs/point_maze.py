"""The three OGBench point mazes: their simulator, their cells and their true transitions.

Nothing about a maze is copied here. Map, teleports and official tasks are read from the environment of the
installed `ogbench`, so the graph and the simulator cannot disagree.

    position of cell (i, j), row i and column j of the map, 4 x 4 units:   (x, y) = (4 j - 4, 4 i - 4)
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jepa.errors import JepaError

NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1))  # the order in which the OGBench oracle looks around


@dataclass(frozen=True)
class MazeSpec:
    """One maze with its official OGBench v0 dataset.

    name: maze name in config and paths. env_id: Gymnasium id. dataset: file stem of the data.
    dataset_type: `navigate` (a new goal when one is reached) or `stitch` (short episodes, goal four cells
    away). train_episodes, episode_steps: official size; the validation file holds a tenth as many episodes.
    """

    name: str
    env_id: str
    dataset: str
    dataset_type: str
    train_episodes: int
    episode_steps: int


MAZES = {
    spec.name: spec
    for spec in (
        MazeSpec("medium-stitch", "pointmaze-medium-v0", "pointmaze-medium-stitch", "stitch", 5000, 201),
        MazeSpec("large-stitch", "pointmaze-large-v0", "pointmaze-large-stitch", "stitch", 5000, 201),
        MazeSpec("teleport", "pointmaze-teleport-v0", "pointmaze-teleport-navigate", "navigate", 1000, 1001),
    )
}


@dataclass(frozen=True, eq=False)
class MazeGraph:
    """Free cells of a maze and the transitions that exist between them.

    name: maze name.
    cells: (n, 2) int, (i, j) in row-major order; the row number is the CELL ID used everywhere.
    centres: (n, 2) float, xy.
    edges: (n, n) bool, the true transitions E: `adjacent` or teleport.
    adjacent: (n, n) bool, free 4-neighbours.
    inbound: (m,) int, cells that teleport. destinations: (q,) int, where to. Both empty without teleports.
    tasks: (5, 2) int, (init, goal) of the official tasks.
    low, high: (2,) float, box around the free cells. unit: side of a cell.
    ids: (rows, columns) int, cell id at each place of the map, -1 at walls.

    Walks out of an inbound cell are in E: the teleport acts within 1.5 of the centre and a cell reaches out
    to 2, so a walker can step in and out again; rare, but seen in the data. One of the 2 x 3 teleports of
    `teleport` joins two adjacent cells, (5, 1) -> (6, 1); that is one edge, hence |E| = 94 + 6 - 1 = 99.
    """

    name: str
    cells: np.ndarray
    centres: np.ndarray
    edges: np.ndarray
    adjacent: np.ndarray
    inbound: np.ndarray
    destinations: np.ndarray
    tasks: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit: float
    ids: np.ndarray

    def cell_of(self, xy):
        """The cell of each position. xy: (..., 2). Returns (...,) int cell ids, -1 outside of all cells."""
        place = np.floor((np.asarray(xy, dtype=np.float64) + 1.5 * self.unit) / self.unit).astype(np.int64)
        j, i = place[..., 0], place[..., 1]
        rows, columns = self.ids.shape
        inside = (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
        return np.where(inside, self.ids[np.where(inside, i, 0), np.where(inside, j, 0)], -1)


def maze_spec(maze):
    """The MazeSpec of a maze name. Raises JepaError for an unknown name."""
    if maze not in MAZES:
        raise JepaError(f"There is no maze named {maze!r}; choose one of {', '.join(MAZES)}.")
    return MAZES[maze]


@functools.cache
def maze_graph(maze):
    """The MazeGraph of a maze, with read-only arrays. Raises JepaError for an unknown name."""
    env = make_env(maze)
    simulator = env.unwrapped
    cells = np.argwhere(simulator.maze_map == 0)
    ids = np.full(simulator.maze_map.shape, -1)
    ids[tuple(cells.T)] = np.arange(len(cells))

    adjacent = np.abs(cells[:, None] - cells[None]).sum(-1) == 1
    teleports = simulator._teleport_info or {"teleport_in_ijs": [], "teleport_out_ijs": []}
    inbound, destinations = (
        np.array([ids[ij] for ij in teleports[key]], dtype=np.int64) for key in ("teleport_in_ijs", "teleport_out_ijs")
    )
    edges = adjacent.copy()
    edges[np.ix_(inbound, destinations)] = True

    centres = np.array([simulator.ij_to_xy(ij) for ij in cells], dtype=np.float64)
    unit = float(simulator._maze_unit)
    graph = MazeGraph(
        name=maze,
        cells=cells,
        centres=centres,
        edges=edges,
        adjacent=adjacent,
        inbound=inbound,
        destinations=destinations,
        tasks=np.array([[ids[task["init_ij"]], ids[task["goal_ij"]]] for task in simulator.task_infos]),
        low=centres.min(0) - unit / 2,
        high=centres.max(0) + unit / 2,
        unit=unit,
        ids=ids,
    )
    env.close()
    for value in vars(graph).values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)  # the graph is cached and shared
    return graph


def make_env(maze, **kwargs):
    """The OGBench environment of a maze. kwargs: of `gymnasium.make`. Raises JepaError on an unknown name."""
    spec = maze_spec(maze)
    import gymnasium
    import ogbench.locomaze  # noqa: F401  (registers the environments)

    env = gymnasium.make(spec.env_id, **kwargs)
    # ogbench passes the maze to MuJoCo through a temporary file that it never removes.
    Path(env.unwrapped.fullpath).unlink(missing_ok=True)
    return env


def set_state(env, xy):
    """Place the point at xy: (2,), at rest, without a step. A teleport there happens in the next step."""
    env.unwrapped.set_state(np.asarray(xy, dtype=np.float64), np.zeros(2))
