"""Cell crossings: the transitions that the mixture models learn and the planners use.

    visit      the longest run of steps of one episode inside one cell
    crossing   two consecutive visits c -> c' of one episode

    row        0  1  2  3  4  5  6  7
    cell       a  a  a  b  b  c  c  c
    crossings  first [0, 3) second [3, 5)     a -> b
               first [3, 5) second [5, 8)     b -> c

A visit is a slice of rows without gaps: a row in no cell (-1; none occurs in point mazes) ends the visit and
belongs to none.

A teleport needs no special case: the row of the jump still shows the inbound cell and the row after it the
destination. The action of the former was chosen at the destination and would tell the outcome, so no action
is kept here.
"""

from dataclasses import dataclass

import numpy as np

from jepa.data.arrays import read_npz
from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.random import rng_of

HELD_OUT_SHARE = 0.2  # of the unique transitions (MoP-JEPA, Setup)


@dataclass(frozen=True, eq=False)
class Crossings:
    """M crossings as slices of N observations.

    observations: (N, 2) float32. first_start, first_len, second_start, second_len: (M,) int64, the rows of
    the two visits. source, target: (M,) int64, the cell ids of the two visits; always different.
    """

    observations: np.ndarray
    first_start: np.ndarray
    first_len: np.ndarray
    second_start: np.ndarray
    second_len: np.ndarray
    source: np.ndarray
    target: np.ndarray

    def __len__(self):
        return len(self.source)


def extract(observations, terminals, graph):
    """All crossings of a dataset, in the order of time.

    observations: (N, 2) float. terminals: (N,) bool, true on the last row of an episode. graph: MazeGraph.
    A crossing that is no transition of E, such as a diagonal one in an open 2 x 2 block, would be kept: it
    happened, and `graph.edges[source, target]` tells it apart. The official data hold none.
    """
    observations = np.asarray(observations, dtype=np.float32)
    cell = graph.cell_of(observations)
    ends = np.asarray(terminals, dtype=bool)
    rows = len(cell)
    new_visit = np.ones(rows, dtype=bool)
    new_visit[1:] = (cell[1:] != cell[:-1]) | ends[:-1]
    start = np.flatnonzero(new_visit)
    length = np.diff(start, append=rows)
    visited = cell[start]
    episode = (np.cumsum(ends) - ends)[start]

    kept = visited >= 0
    start, length, visited, episode = start[kept], length[kept], visited[kept], episode[kept]
    crossed = np.flatnonzero((episode[1:] == episode[:-1]) & (visited[1:] != visited[:-1]))
    return Crossings(
        observations=observations,
        first_start=start[crossed],
        first_len=length[crossed],
        second_start=start[crossed + 1],
        second_len=length[crossed + 1],
        source=visited[crossed],
        target=visited[crossed + 1],
    )


def save(path, crossings, maze):
    """Write crossings and the name of their maze to one npz file, complete or not at all."""
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, maze=np.array(maze), **vars(crossings))


def load(path, graph):
    """Read what `save` wrote. Raises JepaError when the file is missing, damaged, or of another maze than `graph`."""
    arrays = read_npz(path, "crossings", ("maze", *Crossings.__dataclass_fields__))
    maze = str(arrays.pop("maze"))
    if maze != graph.name:
        raise JepaError(f"{path} holds crossings of the maze {maze}, not of {graph.name}; name the right file.")
    found = Crossings(**arrays)
    if (problem := _problem(found, graph)) is not None:
        raise JepaError(f"{path} is no file of crossings ({problem}); delete it and extract again.")
    return found


def read_dataset(path):
    """Observations (N, 2) float and terminals (N,) of a point-maze dataset. Raises JepaError for another file."""
    arrays = read_npz(path, "a point-maze dataset", ("observations", "terminals"))
    observations, terminals = arrays["observations"], arrays["terminals"]
    if not _are_positions(observations) or terminals.shape != (len(observations),) or terminals.dtype.kind not in "biu":
        raise JepaError(
            f"{path} is no point-maze dataset: observations {observations.dtype} {observations.shape} must be finite "
            f"numbers (N, 2), and terminals {terminals.dtype} {terminals.shape} one flag a row; fetch it again."
        )
    return observations, terminals


def _are_positions(array):
    return array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind == "f" and bool(np.isfinite(array).all())


def _problem(found, graph):
    """What is wrong with crossings that were read, in words; None for nothing."""
    columns = [value for name, value in vars(found).items() if name != "observations"]
    if not _are_positions(found.observations):
        return "its observations are not finite positions (N, 2)"
    if len({column.shape for column in columns}) != 1 or any((c.ndim, c.dtype) != (1, np.int64) for c in columns):
        return "its columns are not whole numbers of one length"
    if not len(found):
        return "it holds no crossing"
    rows = len(found.observations)
    for start, length in ((found.first_start, found.first_len), (found.second_start, found.second_len)):
        # Compared without a sum, which could overflow.
        if (start < 0).any() or (length < 1).any() or (length > rows).any() or (start > rows - length).any():
            return f"a visit lies outside of its {rows} rows"
    if any((cells < 0).any() or (cells >= len(graph.cells)).any() for cells in (found.source, found.target)):
        return f"a cell is none of the {len(graph.cells)} of the maze"
    return None


def holdout(graph, seed):
    """Held-out edges: (n, n) bool, round(0.2 |E|) true transitions, equally likely (MoP-JEPA, Setup).

    All crossings of a held-out edge are dropped from training. The draw depends on the maze and the seed
    only, so that every arm and every data size meets the same splits; therefore the few true edges that the
    oracle never walks may be drawn as well, and training lacks those in any case.
    """
    source, target = np.nonzero(graph.edges)
    count = round(HELD_OUT_SHARE * len(source))
    chosen = rng_of("holdout", graph.name, seed).choice(len(source), size=count, replace=False)
    mask = np.zeros_like(graph.edges)
    mask[source[chosen], target[chosen]] = True
    return mask


def sample_pairs(crossings, index, rng):
    """A uniformly drawn step of each visit of the crossings `index`.

    index: (B,) int. rng: numpy Generator. Returns s: (B, 2) and s_next: (B, 2) float32 positions.
    """
    index = np.asarray(index)
    offset = rng.random((2, *index.shape))
    first = crossings.first_start[index] + (offset[0] * crossings.first_len[index]).astype(np.int64)
    second = crossings.second_start[index] + (offset[1] * crossings.second_len[index]).astype(np.int64)
    return crossings.observations[first], crossings.observations[second]


def features(xy, graph, fourier=0):
    """Model input: positions scaled to [-1, 1] by the maze box, then sin and cos of 2^j pi x for j < fourier.

    xy: (..., 2). Returns (..., 2 + 4 * fourier) float32, in the order x, y, then for each j: sin x, sin y,
    cos x, cos y. No cell identity enters.
    """
    scaled = 2 * (np.asarray(xy, dtype=np.float64) - graph.low) / (graph.high - graph.low) - 1
    waves = [wave(2.0**j * np.pi * scaled) for j in range(fourier) for wave in (np.sin, np.cos)]
    return np.concatenate([scaled, *waves], axis=-1).astype(np.float32)
