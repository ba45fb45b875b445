"""Synthetic trajectories that branch, in the arrays of jepa.data.eth_ucy and jepa.data.cabs.

They stand in where real recordings cannot be had, so that every step of the workflow runs; they share no statistic with
people or taxis except that the same past has several futures.
"""

import numpy as np

from jepa.data import cabs, eth_ucy
from jepa.random import rng_of

WALKS = 400  # in each scene
CAB_WINDOWS = 100  # of each cab
BLOCK = 200.0  # m between two crossings


def branching_walks(seed, walks=WALKS):
    """People who walk straight on, or turn left or right by 60 degrees soon after the last observed step.

    Every scene has its own entrances and its own shares of the three branches. Returns the arrays of eth_ucy.load.
    """
    tracks, scenes = [], []
    for scene in [*eth_ucy.SCENES, ""]:
        rng = rng_of("synthetic walks", seed, scene)
        entrance = rng.uniform(-np.pi, np.pi, 3)[rng.integers(3, size=walks)]
        branch = rng.choice([-1, 0, 1], size=walks, p=rng.dirichlet(np.full(3, 8.0))) * np.pi / 3
        turn = rng.uniform(eth_ucy.OBSERVED, eth_ucy.OBSERVED + 3, walks)[:, None]
        speed = rng.normal(0.5, 0.08, (walks, 1)).clip(0.2)  # m a step
        heading = entrance[:, None] + branch[:, None] * (np.arange(eth_ucy.STEPS) - turn).clip(0, 2) / 2
        steps = speed[..., None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        tracks.append((steps + rng.normal(0, 0.02, steps.shape)).cumsum(axis=1) + rng.uniform(0, 10, (walks, 1, 2)))
        scenes += [scene] * walks
    return {"tracks": np.concatenate(tracks).astype(np.float32), "scene": np.array(scenes)}


def road_walks(seed, windows=CAB_WINDOWS):
    """Cabs on a square grid of streets that turn left or right at one crossing in four each, never back.

    Returns the arrays of cabs.windows.
    """
    rng = rng_of("synthetic road walks", seed)
    n, steps = cabs.CABS * windows, cabs.OBSERVED + cabs.PREDICTED
    speed = rng.uniform(4, 12, (n, 1))  # m/s
    # Blocks from the first crossing, at each step.
    way = rng.random((n, 1)) + cabs.SECONDS * np.arange(steps) * speed / BLOCK
    blocks = int(way.max()) + 1
    turns = rng.choice([-1, 0, 1], size=(n, blocks), p=[0.25, 0.5, 0.25])
    heading = (rng.integers(4, size=(n, 1)) + turns.cumsum(axis=1)) % 4
    streets = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[heading]
    # Crossings spread as the trips of a town: most near its centre.
    first = np.rint(rng.normal(0, 15, (n, 1, 2)))
    corners = np.concatenate([first, first + streets.cumsum(axis=1)], axis=1)
    block = way.astype(int)
    row = np.arange(n)[:, None]
    tracks = BLOCK * (corners[row, block] + (way - block)[..., None] * streets[row, block])
    return {"tracks": tracks.astype(np.float32), "cab": np.repeat(np.arange(cabs.CABS, dtype=np.int16), windows)}
