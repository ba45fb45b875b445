"""Find the cell crossings of a point-maze dataset: the transitions that MoP-JEPA learns."""

import argparse
from pathlib import Path

import numpy as np

from jepa.data import crossings
from jepa.envs.point_maze import maze_graph
from jepa.errors import JepaError, run
from jepa.provenance import Record


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, type=Path, help="npz with the official OGBench keys")
    parser.add_argument("--maze", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--provenance", required=True, type=Path)
    arguments = parser.parse_args()
    record, graph = Record(__file__), maze_graph(arguments.maze)
    found = crossings.extract(*crossings.read_dataset(arguments.dataset), graph)
    if not len(found):
        raise JepaError(f"{arguments.dataset} holds no crossing between cells of {graph.name}; name its own dataset.")
    crossings.save(arguments.out, found, arguments.maze)
    seen = np.unique(np.stack([found.source, found.target]), axis=1).shape[1]
    print(f"{len(found.source)} crossings over {seen} distinct edges; the maze has {graph.edges.sum()}")
    record.write(arguments.provenance, inputs=[arguments.dataset], crossings=len(found.source), distinct_edges=seen)


if __name__ == "__main__":
    run(main)
