"""Success of a checkpoint's dispatches on the frozen evaluation pairs (Qantara 3.1, App. F)."""

import numpy as np
import torch

from jepa.data.manifest import starts_and_goals, verify
from jepa.envs.registry import simulator
from jepa.evaluation.routes import share
from jepa.planning.control import control, frames_of, latency, policy_of
from jepa.random import seed_of

PLANNER = ("candidates", "elites", "iterations", "horizon")


def evaluate(model, episodes, manifest, dispatch, k, settings, seed):
    """Drive every pair of the manifest, once for each evaluation seed, all of them side by side.

    model: a world model with encode, start, extend and query; it is put into eval mode. episodes: Episodes that the
    manifest was drawn from. dispatch: `cem`, `bc` or `video-inverse`, with k steps. settings: {eval_seeds}, for `cem`
    also {candidates, elites, iterations, horizon}. seed: the training seed, so that checkpoints of one recipe draw
    independent noise. The noise of an episode depends on its pair and its evaluation seed, not on the other pairs.

    Returns {"env", "seed", "dispatch", "k", "manifest", "episodes", "sr", "sr_unsolved", "n", "n_unsolved",
    "latency_ms", "batch_latency_ms", "protocol"}. latency_ms is the model's time for an environment step of one
    robot alone; batch_latency_ms is the same time with all episodes side by side, over all environment steps.
    Raises JepaError for a manifest that does not fit or an unknown dispatch.
    """
    verify(manifest, episodes)
    decide = policy_of(model, dispatch, k, {name: settings[name] for name in PLANNER if dispatch == "cem"})
    size = model.settings["encoder"]["size"]
    cases = Cases(episodes, manifest, settings["eval_seeds"])
    world = simulator(manifest["env"], len(cases))
    model.eval()
    generators = [
        torch.Generator(model.device).manual_seed(case_seed)
        for case_seed in cases.seeds("evaluation", dispatch, k, seed)
    ]
    lone = simulator(manifest["env"], 1)
    with network_precision(model):
        attempt, seconds = control(
            model,
            world,
            cases.starts,
            cases.goals,
            decide,
            budget=manifest["budget"],
            size=size,
            generators=generators,
        )
        start, goal = (frames_of(lone, states[:1], size)[0] for states in (cases.starts, cases.goals))
        lone_latency = latency(model, start, goal, decide, raw_dim=lone.action_dim)
    return {
        "env": manifest["env"],
        "seed": seed,
        "dispatch": dispatch,
        "k": k,
        "manifest": describe(manifest),
        **cases.score(attempt),
        "latency_ms": lone_latency,
        "batch_latency_ms": 1000 * seconds / int(attempt.steps.sum()),
        "protocol": "repaired",
    }


def network_precision(model):
    """bf16 inside the network where the recipe was trained so and the device is made for it, else float32. Latents,
    costs and the search's mean and std are float32 in any case."""
    bf16 = model.device.type == "cuda" and model.settings["training"]["precision"] == "bf16"
    return torch.autocast(model.device.type, torch.bfloat16, enabled=bf16)


def describe(manifest):
    """What an evaluation file says of its pairs: {"hash", "n", "offset", "budget"}."""
    return {"n": len(manifest["pairs"]), **{key: manifest[key] for key in ("hash", "offset", "budget")}}


class Cases:
    """The episodes of an evaluation: every pair with every evaluation seed. starts, goals: (n, ds) float32."""

    def __init__(self, episodes, manifest, eval_seeds):
        starts, goals = starts_and_goals(episodes, manifest)
        self.manifest = manifest
        self.pair = np.tile(np.arange(len(starts)), eval_seeds)
        self.eval_seed = np.repeat(np.arange(eval_seeds), len(starts))
        self.starts, self.goals = starts[self.pair], goals[self.pair]

    def __len__(self):
        return len(self.pair)

    def seeds(self, *purpose):
        """A seed for each episode, from what it is and not from where it stands. Returns a list of n ints."""
        pairs = self.manifest["pairs"]
        return [
            seed_of(*purpose, self.manifest["env"], pairs[pair]["start_row"], pairs[pair]["goal_row"], eval_seed)
            for pair, eval_seed in zip(self.pair, self.eval_seed, strict=True)
        ]

    def score(self, attempt):
        """Success rates of an Attempt: {"episodes", "sr", "sr_unsolved", "n", "n_unsolved"}; the unsolved are those
        whose start does not already fulfil the goal, and a rate over none of them is None."""
        unsolved = ~attempt.solved_at_start
        columns = (self.pair, self.eval_seed, attempt.success, attempt.steps, attempt.solved_at_start)
        names = ("pair", "eval_seed", "success", "steps", "solved_at_start")
        return {
            "episodes": [dict(zip(names, map(int, row), strict=True)) for row in zip(*columns, strict=True)],
            "sr": share(attempt.success.sum(), len(self)),
            "sr_unsolved": share((attempt.success & unsolved).sum(), unsolved.sum()),
            "n": len(self),
            "n_unsolved": int(unsolved.sum()),
        }
