"""A Soft Actor-Critic expert for reacher-hard, by stable-baselines3 (Qantara App. A), kept as plain weights.

observation (7)  ->  256 ReLU  ->  256 ReLU  ->  2, tanh         see jepa.envs.reacher_hard: observe, Actor
"""

import gymnasium
import numpy as np
from safetensors.numpy import save_file

from jepa.envs.reacher import Simulator, substeps
from jepa.envs.reacher_hard import (
    OBSERVATION,
    STEPS,
    Actor,
    observe,
    over_target,
    returns,
    sample_starts,
    sample_targets,
)
from jepa.errors import JepaError
from jepa.files import atomic_path, write_json
from jepa.random import rng_of, seed_of

WIDTHS = (256, 256)
TRIALS = 100  # episodes of reacher-hard in which the actor is judged


class ReacherHard(gymnasium.Env):
    """reacher-hard behind the Gymnasium interface: one arm, observations as `observe` gives them, 500 steps.

    The reward of a step is the number of its two control steps with the finger over the target.
    """

    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATION,), np.float32)
        self.action_space = gymnasium.spaces.Box(Simulator.action_low, Simulator.action_high, dtype=np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._state, self._target = sample_starts(1, self.np_random), sample_targets(1, self.np_random)
        self._steps = 0
        return observe(self._state, self._target)[0], {}

    def step(self, action):
        visited = substeps(self._state, np.asarray(action)[None])
        self._state, self._steps = visited[:, -1], self._steps + 1
        reward = float(over_target(visited, self._target).sum())
        return observe(self._state, self._target)[0], reward, False, self._steps == STEPS, {}


def train(folder, seed, steps):
    """Train for `steps` environment steps and write folder/model.safetensors and folder/config.json.

    Other hyperparameters are the defaults of stable-baselines3. Returns the facts: kind, steps, seed, mean_return (of
    1000, without noise), reached (share of episodes that touch the target). Raises JepaError where
    stable-baselines3 is missing and for fewer steps than its warm-up.
    """
    try:
        from stable_baselines3 import SAC
    except ImportError:
        raise JepaError(
            "Training Reacher's expert needs stable-baselines3: run `pip install stable-baselines3==2.9.2`, or "
            "generate Reacher with the expert `ik`."
        ) from None
    learner = SAC(
        "MlpPolicy",
        ReacherHard(),
        policy_kwargs={"net_arch": list(WIDTHS)},
        seed=seed_of("reacher expert", seed) % 2**32,
        verbose=1,  # a table every ten episodes
    )
    if steps <= learner.learning_starts:
        raise JepaError(f"SAC learns from step {learner.learning_starts} on; give it more than {steps} steps.")
    learner.learn(steps, log_interval=10)
    return save(layers_of(learner.policy.actor), folder, seed, steps)


def layers_of(actor):
    """The deterministic part of stable-baselines3's actor as [(weight, bias), ...] of numpy arrays.

    actor: has `latent_pi`, a Sequential of Linear and ReLU modules, and `mu`, a Linear. Raises JepaError for others.
    """
    linear, others = [], []
    for module in (*actor.latent_pi, actor.mu):
        (linear if hasattr(module, "weight") else others).append(module)
    kinds = {type(module).__name__ for module in others}
    if kinds - {"ReLU"}:
        raise JepaError(f"The actor has layers of the kinds {', '.join(sorted(kinds))}; only ReLU can be exported.")
    return [(m.weight.detach().cpu().numpy(), m.bias.detach().cpu().numpy()) for m in linear]


def save(layers, folder, seed, steps):
    """Judge the actor and write it: see `train`, whose facts it returns."""
    earned, reached = returns(Actor(layers), TRIALS, rng_of("reacher expert trials", seed))
    facts = {
        "kind": "SAC actor for reacher-hard",
        "steps": steps,
        "seed": seed,
        "mean_return": round(float(earned.mean()), 2),
        "reached": round(float(reached.mean()), 4),
    }
    tensors = {}
    for i, (weight, bias) in enumerate(layers):
        tensors |= {f"layers.{i}.weight": np.ascontiguousarray(weight), f"layers.{i}.bias": bias}
    with atomic_path(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary)
    write_json(folder / "config.json", facts)
    return facts
