"""Fan-out records for tests: measured on a random walk, with models whose answers are known."""

import json

import numpy as np

from jepa.data.crossings import holdout
from jepa.envs.point_maze import maze_graph
from jepa.evaluation import controls
from jepa.evaluation.fanout import measure
from worlds import codebook, embed_of, knowing, random_walk_log

ARMS = ("dense", "mdn", "mop", "ensemble", "codebook")


def follow_of(graph, predict):
    """The predictor on one-hot latents: what `predict` says at the centre of their cell."""
    return lambda latents: predict(graph.centres[np.asarray(latents).argmax(axis=1)])


def record(graph, predict, heldout, log, **settings):
    return measure(predict, embed_of(graph), follow_of(graph, predict), graph, heldout, log, **settings)


def models(graph, heldout, log):
    """{arm: predict}: the mixtures know the training edges, the dense predictor and the ensemble the majority edge."""
    counts = controls.crossing_counts(log, graph)
    known, best = graph.edges & ~heldout & (counts > 0), controls.majority(graph, heldout, counts)[0]
    whole = knowing(graph, known)
    return {
        "dense": knowing(graph, best, heads=1),
        "mdn": whole,
        "mop": whole,
        "ensemble": knowing(graph, best, heads=2),
        "codebook": codebook(graph, [0, 5, 9]),
    }


def make(folder, seeds=3, mazes=("medium-stitch", "teleport", "large-stitch"), arms=ARMS):
    """Write fan-out records below `folder`. Returns their paths."""
    files = []
    for maze in mazes:
        graph = maze_graph(maze)
        log = random_walk_log(graph, np.random.default_rng(0))
        for seed in range(seeds):
            heldout = holdout(graph, seed)
            for arm, predict in models(graph, heldout, log).items():
                if arm not in arms:
                    continue
                path = folder / "audits/mop" / arm / maze / f"fanout-seed{seed}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                name = {"method": arm, "seed": seed, "split_seed": seed}
                path.write_text(json.dumps(name | record(graph, predict, heldout, log), allow_nan=False))
                files.append(path)
    return files
