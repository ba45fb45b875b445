"""Does the canvas reveal the goal? The goal-shuffle test of a checkpoint's dispatches.

`bc` and `video-inverse` are not told the goal. If they reach it, either the demonstrators' habit leads there, or the
goal can be seen in the frames. Each arm of the test keeps the starts and the noise and changes the goals:

    own       the goal of the pair: `offset` steps ahead in the demonstration
    shuffled  the goal of another pair; every pair gets another's, and every goal is used once
    earlier   the state `offset` steps *before* the start, where the episode has one: as near as the own goal, and off
              the demonstrator's way

How to read it. `canvas_difference` is the direct answer: 0 means that frames of the same states are the same to the
last grey level whatever the goal, so that nothing in them can reveal it. `render_difference` 0 means that these are
also the frames of training and of the other evaluations. Then the noise being equal, goal-blind dispatches do the same
in every arm, and their success in `own` is habit: it falls in `shuffled` and `earlier` towards what `random` and
`replay`, which know nothing of the new goal, reach by accident. If the canvas showed the goal, their success would stay
up as that of `cem` does, which is told the goal.

A fall alone proves little, because most shuffled goals cannot be reached within the budget by anybody: compare with
`cem` in the same arm, with the rates in `reachable`, which count only pairs that `cem` did reach, and with `earlier`.
Initially solved pairs count in `sr` and not in `sr_unsolved`; `solved_at_start` tells how many they are.

Frames of this test are drawn by the simulator with the goal of the episode set, not from the states alone.
"""

import numpy as np

from jepa.data.manifest import starts_and_goals
from jepa.envs.registry import render_states, simulator
from jepa.errors import JepaError
from jepa.evaluation.floors import FIXED, drive, fixed
from jepa.evaluation.rollouts import Cases, check, decider, describe, play
from jepa.evaluation.routes import share
from jepa.random import rng_of

CANVAS = 224  # pixels a side of the frames that are compared, beside the model's
COMPARED = 32  # states at most that are drawn for the comparison
DISPATCHES = (("cem", 4), ("bc", 2), ("video-inverse", 2))  # with the paper's steps (Qantara 3.1, App. G)
PLANNER = "cem"


def measure(model, episodes, manifest, settings, seed, dispatches=DISPATCHES):
    """Run the test on the pairs of a manifest.

    model, episodes, manifest, seed: as in `rollouts.evaluate`. settings: as there for `cem`. dispatches: (name, k) of
    those that are tested. Returns {"env", "seed", "manifest", "protocol", "goal_shuffle": {
        "canvas_difference", "render_difference": largest differences in grey levels, 0 to 255,
        "solved_at_start": {arm: share of pairs},
        "dispatches": {name: {"k", arm: what Cases.score returns}}, "floors": {name: {arm: likewise}},
        "reachable": {arm: {"n": pairs, initially unsolved, that `cem` reached, name: SR on them of each dispatch but
        `cem` and of each floor}} if `cem` is among the dispatches}}.
    `earlier` is left out where no episode has such a state. Raises JepaError as `evaluate` does, and for one pair only.
    """
    check(model, episodes, manifest)
    every, size = Cases(episodes, manifest, settings["eval_seeds"]), model.settings["encoder"]["size"]
    arms = {name: every.towards(goals, pairs) for name, (goals, pairs) in goals_of_arms(episodes, manifest).items()}
    attempts = {name: {} for name, _ in dispatches} | {name: {} for name in FIXED}
    for arm, cases in arms.items():
        for name, k in dispatches:
            look = canvas(cases.env, cases.goals, size)
            decide = decider(model, name, k, settings)
            attempts[name][arm], _ = play(model, cases, decide, look, ("evaluation", name, k, seed))
        for name in FIXED:
            world = simulator(cases.env, len(cases))
            attempts[name][arm] = drive(world, cases, fixed(name, world, cases, episodes))
    scores = {name: {arm: arms[arm].score(attempt) for arm, attempt in of.items()} for name, of in attempts.items()}
    result = differences(episodes, manifest, size) | {
        "solved_at_start": {arm: float(of.solved_at_start.mean()) for arm, of in attempts["random"].items()},
        "dispatches": {name: {"k": k, **scores[name]} for name, k in dispatches},
        "floors": {name: scores[name] for name in FIXED},
    }
    if PLANNER in attempts:
        result["reachable"] = {arm: _reachable(arm, cases, attempts) for arm, cases in arms.items()}
    return {
        "env": manifest["env"],
        "seed": seed,
        "manifest": describe(manifest),
        "protocol": manifest["protocol"],
        "goal_shuffle": result,
    }


def goals_of_arms(episodes, manifest):
    """The goals of each arm: {arm: (goals (P, ds), indices of the pairs that have one)}. Raises JepaError for P = 1."""
    pairs, offset = manifest["pairs"], manifest["offset"]
    if len(pairs) < 2:
        raise JepaError("The goal-shuffle test needs two evaluation pairs at least; freeze more.")
    own, every = starts_and_goals(episodes, manifest)[1], np.arange(len(pairs))
    ring = rng_of("goal shuffle", manifest["env"], manifest["hash"]).permutation(len(pairs))
    shuffled = np.empty_like(own)
    shuffled[ring] = own[np.roll(ring, 1)]  # one cycle through all pairs, so that none keeps its goal
    before = np.array([pair["start_row"] - offset for pair in pairs])
    inside = before >= episodes.ep_offset[[pair["episode"] for pair in pairs]]
    arms = {"own": (own, every), "shuffled": (shuffled, every)}
    if inside.any():
        arms["earlier"] = (episodes.states[np.where(inside, before, 0)], np.flatnonzero(inside))
    return arms


def canvas(env, goals, size):
    """The `look` of `control` that shows what the simulator draws while the episodes' goals (n, ds) are set."""
    viewer = simulator(env, len(goals))

    def look(states, rows):
        every = goals.copy()
        every[rows] = states
        viewer.set_state(every, goals)
        return viewer.frames(size, rows)

    return look


def differences(episodes, manifest, size):
    """{"canvas_difference", "render_difference"}, ints: the largest difference in grey levels between frames of the
    same starts under their own and under shuffled goals, and between either and frames drawn from states alone."""
    starts, env, rows = starts_and_goals(episodes, manifest)[0][:COMPARED], manifest["env"], slice(COMPARED)
    own, shuffled = (goals_of_arms(episodes, manifest)[arm][0][rows] for arm in ("own", "shuffled"))
    largest = {"canvas_difference": 0, "render_difference": 0}
    for side in {size, CANVAS}:
        alone = render_states(env, starts, side).astype(np.int16)
        shown = [canvas(env, goals, side)(starts, np.arange(len(starts))).astype(np.int16) for goals in (own, shuffled)]
        found = {
            "canvas_difference": np.abs(shown[0] - shown[1]).max(),
            "render_difference": max(np.abs(frames - alone).max() for frames in shown),
        }
        largest = {name: max(value, int(found[name])) for name, value in largest.items()}
    return largest


def _reachable(arm, cases, attempts):
    """Success on the pairs of an arm that were not solved at the start and that the planner reached."""
    planned = attempts[PLANNER][arm]
    pairs = np.unique(cases.pair[planned.success & ~planned.solved_at_start])
    counted = np.isin(cases.pair, pairs)
    rates = {
        name: share(of[arm].success[counted].sum(), counted.sum()) for name, of in attempts.items() if name != PLANNER
    }
    return {"n": len(pairs), **rates}
