"""Demonstrations of Two-Room: the noisy door-then-target heuristic, all episodes side by side (Qantara App. A)."""

import numpy as np

from jepa.data.episodes import write
from jepa.envs.two_room import Simulator, expert, sample_tasks
from jepa.errors import JepaError
from jepa.random import rng_of

MAX_STEPS = 100  # an episode ends at the target, or here


def generate(path, seed, episodes=10_000):
    """Generate `episodes` demonstrations into the HDF5 file `path` (see jepa.data.episodes).

    The same arguments give the same episodes. Returns the facts for provenance: generator, seed, episodes, rows,
    mean_steps, arrived (share of episodes that end at their target). Raises JepaError for fewer than one episode.
    """
    if episodes < 1:
        raise JepaError(f"Two-Room cannot be generated with {episodes} episodes; ask for at least 1.")
    states, actions, steps, target = demonstrate(episodes, rng_of("two_room demonstrations", seed))
    ep_len = steps + 1
    taken = np.arange(MAX_STEPS + 1) < ep_len[:, None]
    generator = "noisy door-then-target heuristic (jepa.data.generate_two_room)"
    facts = write(
        path,
        states=states[taken],
        actions=actions[taken],
        ep_len=ep_len,
        target=target,
        env="two_room",
        seed=seed,
        generator=generator,
    )
    return facts | {"arrived": round(float((steps < MAX_STEPS).mean()), 4)}


def demonstrate(episodes, rng):
    """Run the heuristic until its target is reached or 100 steps are over. rng: numpy Generator.

    Returns states: (E, 101, 2), actions: (E, 101, 2) with NaN from the last row of an episode on, steps: (E,) int64,
    the number of actions, and target: (E, 2).
    """
    simulator = Simulator(episodes)
    start, target = sample_tasks(episodes, rng)
    simulator.set_state(start)
    states = np.empty((episodes, MAX_STEPS + 1, 2), dtype=np.float32)
    actions = np.full_like(states, np.nan)
    steps = np.zeros(episodes, dtype=np.int64)
    states[:, 0] = start
    action, active = None, np.ones(episodes, dtype=bool)
    for t in range(MAX_STEPS):
        action = expert(simulator.state, target, rng, action)
        actions[active, t] = action[active]
        states[:, t + 1] = simulator.step(action, active)
        steps += active
        active &= ~simulator.reached(target)
    return states, actions, steps, target
