"""Success of a checkpoint's dispatches on the frozen evaluation pairs (Qantara 3.1, App. F)."""

import copy

import numpy as np
import torch

from jepa.data.manifest import starts_and_goals, verify
from jepa.envs import registry
from jepa.envs.registry import render_states, simulator
from jepa.errors import JepaError
from jepa.evaluation.routes import share
from jepa.planning.control import control, latency, policy_of
from jepa.random import seed_of

PLANNER = ("candidates", "elites", "iterations", "horizon")
TIMED = ("latency_ms", "batch_latency_ms")  # of what `evaluate` returns; the rest is the same in every run


def evaluate(model, episodes, manifest, dispatch, k, settings, seed):
    """Drive every pair of the manifest, once for each evaluation seed, all of them side by side.

    model: a world model with encode, start, extend and query; it is put into eval mode. episodes: Episodes that the
    manifest was drawn from. dispatch, k: see `policy_of`. settings: {eval_seeds}, for `cem` also {candidates, elites,
    iterations, horizon}. seed: the training seed, so that checkpoints of one recipe draw independent noise. The noise
    of an episode depends on its pair and its evaluation seed, not on the other pairs.

    Returns {"env", "seed", "dispatch", "k", "manifest", "episodes", "sr", "sr_unsolved", "n", "n_unsolved", "variants",
    "latency_ms", "batch_latency_ms", "protocol"}. latency_ms is the model's time for an environment step of one
    robot alone; batch_latency_ms is the same time with all episodes side by side, over all environment steps.
    Raises JepaError for a manifest that does not fit the episodes or the model, or an unknown dispatch.
    """
    check(model, episodes, manifest)
    decide = decider(model, dispatch, k, settings)
    size, cases = model.settings["encoder"]["size"], Cases(episodes, manifest, settings["eval_seeds"])
    attempt, seconds = play(model, cases, decide, drawing(cases.env, size), ("evaluation", dispatch, k, seed))
    start, goal = (render_states(cases.env, states[:1], size)[0] for states in (cases.starts, cases.goals))
    with network_precision(model):
        alone = latency(model, start, goal, decide, raw_dim=attempt.simulator.action_dim)
    return {
        "env": manifest["env"],
        "seed": seed,
        "dispatch": dispatch,
        "k": k,
        "manifest": describe(manifest),
        **cases.score(attempt),
        "latency_ms": alone,
        "batch_latency_ms": 1000 * seconds / int(attempt.steps.sum()),
        "protocol": manifest["protocol"],
    }


def check(model, episodes, manifest):
    """Raise JepaError when the pairs are not those of the episodes, or were drawn under another protocol than the
    model was trained under: then it may have seen what is called held out."""
    verify(manifest, episodes)
    trained = model.settings["data"].get("protocol", "repaired")
    if trained != manifest["protocol"]:
        raise JepaError(
            f"The model was trained under the protocol {trained}, but the evaluation pairs are {manifest['protocol']}; "
            "train it again or freeze the pairs again, so that both are the same."
        )


def decider(model, dispatch, k, settings):
    """`policy_of`, with what the dispatch needs of an evaluation's settings."""
    return policy_of(model, dispatch, k, {name: settings[name] for name in PLANNER if dispatch == "cem"})


def play(model, cases, decide, look, purpose):
    """Drive all cases by `decide`; `look` is as in `control`. purpose: what the noise of the cases is drawn for.

    The model is put into eval mode. Returns (attempt, seconds spent in the model).
    """
    model.eval()
    generators = [torch.Generator(model.device).manual_seed(seed) for seed in cases.seeds(*purpose)]
    with network_precision(model):
        return control(
            model,
            simulator(cases.env, len(cases)),
            cases.starts,
            cases.goals,
            decide,
            look=look,
            budget=cases.manifest["budget"],
            generators=generators,
            criteria=cases.criteria,
        )


def drawing(env, size):
    """The `look` of `control` that draws states alone, as training frames are; states that are the same, once."""

    def look(states, rows):
        different, place = np.unique(states, axis=0, return_inverse=True)
        return render_states(env, different, size)[place.ravel()]

    return look


def network_precision(model):
    """bf16 inside the network where the recipe was trained so and the device is made for it, else float32. Latents,
    costs and the search's mean and std are float32 in any case."""
    bf16 = model.device.type == "cuda" and model.settings["training"]["precision"] == "bf16"
    return torch.autocast(model.device.type, torch.bfloat16, enabled=bf16)


def describe(manifest):
    """What an evaluation file says of its pairs: {"hash", "n", "offset", "budget"}."""
    return {"n": len(manifest["pairs"]), **{key: manifest[key] for key in ("hash", "offset", "budget")}}


class Cases:
    """The episodes of an evaluation: every pair with every evaluation seed. starts, goals: (n, ds) float32.

    criteria: {name: function} of the environment's module, its VARIANTS: see Attempt.
    """

    def __init__(self, episodes, manifest, eval_seeds):
        starts, goals = starts_and_goals(episodes, manifest)
        self.manifest, self.env = manifest, manifest["env"]
        self.criteria = getattr(registry.module(self.env), "VARIANTS", {})
        self.pair = np.tile(np.arange(len(starts)), eval_seeds)
        self.eval_seed = np.repeat(np.arange(eval_seeds), len(starts))
        self.starts, self.goals = starts[self.pair], goals[self.pair]

    def __len__(self):
        return len(self.pair)

    def towards(self, goals, pairs):
        """The same starts and seeds with other goals. goals: (P, ds), one a pair of the manifest. pairs: the indices
        of the pairs that take part."""
        other, chosen = copy.copy(self), np.isin(self.pair, pairs)
        other.pair, other.eval_seed, other.starts = self.pair[chosen], self.eval_seed[chosen], self.starts[chosen]
        other.goals = goals[other.pair]
        return other

    def seeds(self, *purpose):
        """A seed for each episode, from what it is and not from where it stands. Returns a list of n ints."""
        pairs = self.manifest["pairs"]
        return [
            seed_of(*purpose, self.env, pairs[pair]["start_row"], pairs[pair]["goal_row"], eval_seed)
            for pair, eval_seed in zip(self.pair, self.eval_seed, strict=True)
        ]

    def score(self, attempt):
        """Success rates of an Attempt: {"episodes", "sr", "sr_unsolved", "n", "n_unsolved", "variants"}.

        The unsolved are those whose start does not already fulfil the goal; a rate over none of them is None.
        variants: {name: {"sr", "sr_unsolved"}} by the environment's other criteria, unsolved by the same criterion.
        """
        columns = (self.pair, self.eval_seed, attempt.success, attempt.steps, attempt.solved_at_start)
        names = ("pair", "eval_seed", "success", "steps", "solved_at_start")
        return {
            "episodes": [dict(zip(names, map(int, row), strict=True)) for row in zip(*columns, strict=True)],
            **_rates(attempt.success, attempt.solved_at_start),
            "n": len(self),
            "n_unsolved": int((~attempt.solved_at_start).sum()),
            "variants": {name: _rates(hit, attempt.variants_at_start[name]) for name, hit in attempt.variants.items()},
        }


def _rates(success, solved_at_start):
    """{"sr", "sr_unsolved"} of (n,) bool arrays."""
    unsolved = ~solved_at_start
    return {
        "sr": share(success.sum(), len(success)),
        "sr_unsolved": share((success & unsolved).sum(), unsolved.sum()),
    }
