"""What success on the evaluation pairs costs without a model: floors and ceilings that belong in every table.

random       uniform raw actions
stand-still  zero actions: the share of pairs that are solved before anything is done, or by doing nothing
replay       the demonstration's own actions, then zeros: the ceiling
goal-blind   the demonstrators' heuristic towards the target of another demonstration that passed the start:
             what a perfect imitator with an empty history reaches, because it cannot know the goal

`stand-still` and `replay` know no chance: they are played once a pair, the others with every evaluation seed.
`goal-blind` is no strict bound: a learned imitator sees its history, and draws a new intention with every action.
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
BY_CHANCE = ("random", "goal-blind")


def measure(episodes, manifest, training_ids, eval_seeds=1):
    """Run every floor on the pairs of a manifest.

    episodes: Episodes of the manifest. training_ids: episode ids that imitators may learn from.
    Returns {"env", "manifest", "protocol", "floors": {name: {"episodes", "sr", "sr_unsolved", "n", "n_unsolved",
    "variants"}}, "solved_at_start"}. `goal-blind` exists where a heuristic is known. Raises JepaError for a manifest
    that does not fit.
    """
    verify(manifest, episodes)
    env, floors = manifest["env"], {}
    for name in (*FIXED, "goal-blind") if env in EXPERTS else FIXED:
        cases = Cases(episodes, manifest, eval_seeds if name in BY_CHANCE else 1)
        world = simulator(env, len(cases))
        if name == "goal-blind":
            act = goal_blind(cases, episodes, training_ids, EXPERTS[env])
        else:
            act = fixed(name, world, cases, episodes)
        attempt = drive(world, cases, act)
        floors[name] = cases.score(attempt)
    return {
        "env": env,
        "manifest": describe(manifest),
        "protocol": manifest["protocol"],
        "floors": floors,
        "solved_at_start": float(attempt.solved_at_start.mean()),
    }


def drive(world, cases, act):
    """Run act(step, states) -> raw actions (n, da) on every case. Returns the Attempt."""
    attempt = Attempt(world, cases.starts, cases.goals, cases.manifest["budget"], cases.criteria)
    for step in range(attempt.budget):
        if not attempt.active.any():
            break
        attempt.step(act(step, world.state))
    return attempt


def fixed(name, world, cases, episodes):
    """The policy for `drive` of a floor that plays fixed actions: a name of FIXED."""
    actions = FIXED[name](world, cases, episodes)  # (n, budget, da)
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


def _random_actions(world, cases, episodes):
    shape = (cases.manifest["budget"], world.action_dim)
    return np.stack(
        [
            np.random.default_rng(seed).uniform(world.action_low, world.action_high, shape).astype(np.float32)
            for seed in cases.seeds("random floor")
        ]
    )


def _no_actions(world, cases, episodes):
    return np.zeros((len(cases), cases.manifest["budget"], world.action_dim), dtype=np.float32)


def _demonstrated_actions(world, cases, episodes):
    """The actions between start and own goal of each pair, then zeros. Returns (n, budget, da) float32."""
    pairs, actions = cases.manifest["pairs"], _no_actions(world, cases, episodes)
    taken = min(cases.manifest["offset"], cases.manifest["budget"])
    for case, pair in enumerate(cases.pair):
        start = pairs[pair]["start_row"]
        actions[case, :taken] = episodes.actions[start : start + taken]
    return actions


FIXED = {"random": _random_actions, "stand-still": _no_actions, "replay": _demonstrated_actions}
