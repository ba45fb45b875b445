"""What success on the evaluation pairs costs without a model: floors and ceilings that belong in every table.

random       uniform raw actions
stand-still  no movement: the share of pairs that are solved before anything is done
replay       the demonstration's own actions, then none: the ceiling
goal-blind   the demonstrators' heuristic towards the target of another demonstration that passed the start:
             what a perfect imitator with an empty history reaches, because it cannot know the goal

The last is no strict bound: a learned imitator sees its history, and draws a new intention with every action.
"""

import numpy as np
from scipy.spatial import cKDTree

from jepa.data.manifest import verify
from jepa.envs import two_room
from jepa.envs.registry import simulator
from jepa.evaluation.rollouts import Cases, describe
from jepa.planning.control import Attempt

EXPERTS = {"two_room": two_room.expert}  # environments whose heuristic takes (state, target, rng, previous action)
NEIGHBOURS = 32  # demonstrations near a start among which the goal-blind imitator cannot choose


def measure(episodes, manifest, training_ids, eval_seeds=1):
    """Run every floor on the pairs of a manifest.

    episodes: Episodes of the manifest. training_ids: episode ids that imitators may learn from.
    Returns {"env", "manifest", "floors": {name: {"episodes", "sr", "sr_unsolved", "n", "n_unsolved"}},
    "solved_at_start"}. `goal-blind` exists where a heuristic is known. Raises JepaError for a manifest that does not
    fit.
    """
    verify(manifest, episodes)
    cases = Cases(episodes, manifest, eval_seeds)
    world, budget = simulator(manifest["env"], len(cases)), manifest["budget"]
    policies = {
        "random": open_loop(_random_actions(cases, world, budget)),
        "stand-still": open_loop(np.zeros((len(cases), budget, world.action_dim), dtype=np.float32)),
        "replay": open_loop(_demonstrated_actions(cases, episodes, budget)),
    }
    if manifest["env"] in EXPERTS:
        policies["goal-blind"] = goal_blind(cases, episodes, training_ids, EXPERTS[manifest["env"]])
    floors = {}
    for name, act in policies.items():
        attempt = drive(world, cases, act, budget)
        floors[name] = cases.score(attempt)
    return {
        "env": manifest["env"],
        "manifest": describe(manifest),
        "floors": floors,
        "solved_at_start": float(attempt.solved_at_start.mean()),
    }


def drive(world, cases, act, budget):
    """Run act(step, states) -> raw actions (n, da) on every case. Returns the Attempt."""
    attempt = Attempt(world, cases.starts, cases.goals, budget)
    for step in range(budget):
        attempt.step(act(step, world.state))
    return attempt


def open_loop(actions):
    """The policy that plays actions (n, budget, da) back."""
    return lambda step, states: actions[:, step]


def goal_blind(cases, episodes, training_ids, expert):
    """The heuristic with a resampled target: of a demonstration drawn among those that passed nearest to the start.

    expert(state (1, ds), target (1, ds), rng, previous) -> (1, da), called with a generator of each case's own.
    Returns a policy for `drive`.
    """
    # Rows from which a demonstration still acts, and where it was going.
    passing = np.concatenate(
        [np.arange(episodes.ep_offset[e], episodes.ep_offset[e] + episodes.ep_len[e] - 1) for e in training_ids]
    )
    episode = np.repeat(training_ids, episodes.ep_len[training_ids] - 1)
    count = min(NEIGHBOURS, len(passing))
    near = cKDTree(episodes.states[passing]).query(cases.starts, k=[*range(1, count + 1)])[1]
    rngs = [np.random.default_rng(seed) for seed in cases.seeds("goal-blind floor")]
    chosen = [row[rng.integers(count)] for row, rng in zip(near, rngs, strict=True)]
    targets = episodes.target[episode[chosen]]
    previous = [None] * len(cases)

    def act(step, states):
        for case, rng in enumerate(rngs):
            one = slice(case, case + 1)
            previous[case] = expert(states[one], targets[one], rng, previous[case])
        return np.concatenate(previous)

    return act


def _random_actions(cases, world, budget):
    shape = (budget, world.action_dim)
    return np.stack(
        [
            np.random.default_rng(seed).uniform(world.action_low, world.action_high, shape).astype(np.float32)
            for seed in cases.seeds("random floor")
        ]
    )


def _demonstrated_actions(cases, episodes, budget):
    """The actions between start and goal of each pair, then zeros. Returns (n, budget, da) float32."""
    pairs, offset = cases.manifest["pairs"], cases.manifest["offset"]
    actions = np.zeros((len(cases), budget, episodes.actions.shape[1]), dtype=np.float32)
    taken = min(offset, budget)
    for case, pair in enumerate(cases.pair):
        start = pairs[pair]["start_row"]
        actions[case, :taken] = episodes.actions[start : start + taken]
    return actions
