"""Demonstrations of Cube: OGBench's planning oracle, with a new target after each placement (Qantara App. A)."""

import contextlib

import numpy as np
from tqdm import tqdm

from jepa.data.episodes import write
from jepa.envs import cube
from jepa.errors import JepaError
from jepa.random import rng_of

STEP_TIME = 0.05  # s, of one action
HEIGHT = 0.02  # m, of the centre of a cube on the table
OFFSET = 25  # steps from a start to its goal in the evaluation, for the share of pairs that are solved at the start


def generate(path, seed, episodes, steps=200, noise=0.1, progress=True):
    """Generate `episodes` demonstrations of `steps` actions into the HDF5 file `path` (see jepa.data.episodes).

    noise: of the plans, as a share of the largest action; 0.1 is OGBench's `cube-single-play`. An episode depends
    on the seed and its number, not on the others. Its row of `target` is its last state with the cube at the last
    target.

    Returns the facts for provenance: generator, seed, episodes, rows, mean_steps, arrived (share of finished plans
    that end with the cube within 4 cm of the target), placements (such plans in an episode, on average), solved_pairs
    (share of the pairs of rows 25 steps apart whose cubes are within 4 cm of each other). Raises JepaError for fewer
    than one episode or step.
    """
    if episodes < 1 or steps < 1:
        raise JepaError(f"Cube cannot be generated with {episodes} episodes of {steps} steps; ask for at least 1.")
    bar = tqdm(range(episodes), unit="episode", disable=not progress)
    results = [demonstrate(episode, seed, steps, noise) for episode in bar]
    states, actions, target, plans, placements = (np.stack(column) for column in zip(*results, strict=True))
    generator = "planning oracle, a new target after each placement (jepa.data.generate_cube)"
    facts = write(path, states=states, actions=actions, target=target, env="cube", seed=seed, generator=generator)
    solved = cube.reached(states[:, :-OFFSET], states[:, OFFSET:])
    return facts | {
        "arrived": round(float(placements.sum() / plans.sum()), 4) if plans.sum() else None,
        "placements": round(float(placements.mean()), 3),
        "solved_pairs": round(float(solved.mean()), 4) if solved.size else None,
    }


def demonstrate(episode, seed, steps, noise):
    """One demonstration. Returns states: (steps + 1, 41), actions: (steps + 1, 5) with NaN in the last row, target:
    (41,), and how many plans were finished, and how many of them with the cube at its target."""
    world = cube.physics()
    from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle

    rng = rng_of("cube demonstrations", seed, episode)
    oracle = CubePlanOracle(env=world, noise=noise)
    states = np.empty((steps + 1, cube.Simulator.state_dim), dtype=np.float32)
    actions = np.full((steps + 1, cube.Simulator.action_dim), np.nan, dtype=np.float32)
    states[0] = cube.sample_starts(1, rng)[0]
    place, plans, placements = None, 0, 0
    for t in range(steps):
        if place is None:
            place = np.append(rng.uniform(*world._target_sampling_bounds), HEIGHT), rng.uniform(0, 2 * np.pi)
            with _numpy_seeded(rng):
                oracle.reset(None, _seen(states[t], place, t))
        actions[t] = oracle.select_action(None, _seen(states[t], place, t))
        states[t + 1] = cube.step(states[t : t + 1], actions[t : t + 1])[0]
        target = _at(states[t + 1], place)
        if oracle.done:
            plans += 1
            placements += int(cube.reached(states[t + 1], target))
            place = None
    return states, actions, target, plans, placements


def _seen(state, place, t):
    """What the oracle is told of a state: OGBench's dictionary, with our target and time. place: (x, y, z), yaw."""
    cube.place(state)
    return cube.physics().compute_ob_info() | {
        "time": np.array([t * STEP_TIME]),
        "privileged/target_block": 0,
        "privileged/target_block_pos": place[0],
        "privileged/target_block_yaw": np.array([place[1]]),
    }


def _at(state, place):
    """The state with its cube at a place."""
    position, yaw = place
    moved = state.copy()
    moved[cube.CUBE] = position
    moved[cube.CUBE.stop : cube.CUBE.stop + 4] = np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)
    return moved


@contextlib.contextmanager
def _numpy_seeded(rng):
    """Seed numpy's global generator, from which OGBench's oracle draws its plans, and leave it as it was."""
    before = np.random.get_state()
    np.random.seed(int(rng.integers(2**32)))
    try:
        yield
    finally:
        np.random.set_state(before)
