"""The task that Reacher's demonstrations come from, dm_control's reacher-hard, and who can do it.

A target appears within reach; every control step with the finger's centre within 25 mm of it earns 1, so an episode of
500 steps earns at most 1000. A demonstrator is a function `act(state, target, joints)` to actions, for arms side by
side: state (N, 4), target (N, 2) in m, joints (N, 2) in rad, the posture over the target that was nearest at first.
"""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from jepa.envs.reacher import LINK, WRIST_LIMIT, finger, substeps
from jepa.errors import JepaError
from jepa.files import read_json

REACH = 0.025  # m: the radius of the target and that of the finger
NEAREST, FURTHEST = 0.05, 0.20  # m, of targets from the shoulder
STEPS = 500  # of 0.04 s, in an episode of reacher-hard
STIFFNESS = np.array([4.0, 4.0])  # torque share for a radian, of the PD controller
DAMPING = np.array([0.2, 0.05])  # torque share for a radian a second
OBSERVATION = 7


def sample_starts(n, rng):
    """Postures at rest, as dm_control draws them. rng: numpy Generator. Returns (n, 4) float32."""
    angles = rng.uniform((-np.pi, -WRIST_LIMIT), (np.pi, WRIST_LIMIT), (n, 2))
    return np.concatenate([angles, np.zeros((n, 2))], axis=1).astype(np.float32)


def sample_targets(n, rng):
    """Targets as dm_control draws them: uniform in direction and distance. Returns (n, 2) m."""
    radius, direction = rng.uniform((NEAREST, 0), (FURTHEST, 2 * np.pi), (n, 2)).T
    return radius[:, None] * np.stack([np.sin(direction), np.cos(direction)], axis=1)


def over_target(state, target):
    """Whether the finger earns the reward. state: (..., 4). target: (..., 2). Returns (...,) bool."""
    return np.linalg.norm(finger(state) - target, axis=-1) <= REACH


def postures(target):
    """Inverse kinematics: both ways to hold the finger over a target. target: (N, 2). Returns (N, 2 ways, 2) rad."""
    distance = np.linalg.norm(target, axis=-1).clip(2 * LINK * np.cos(WRIST_LIMIT / 2), 2 * LINK)
    half = np.arccos(distance / (2 * LINK))  # the links and the line to the target form an isosceles triangle
    bearing = np.arctan2(target[:, 1], target[:, 0])
    return np.stack([np.stack([bearing - side * half, side * 2 * half], axis=-1) for side in (1, -1)], axis=1)


def nearest_posture(state, target):
    """The posture over the target with the smallest largest turn of a joint, the shoulder's turns counted from where
    it is. state: (N, 4). target: (N, 2). Returns (N, 2) rad."""
    ways = postures(target)
    ways[..., 0] += 2 * np.pi * np.rint((state[:, None, 0] - ways[..., 0]) / (2 * np.pi))
    turn = np.abs(ways - state[:, None, :2]).max(-1)
    return ways[np.arange(len(ways)), turn.argmin(1)]


def pd(state, target, joints):
    """Proportional-derivative control towards the posture `joints`. A demonstrator: see the module. (N, 2)."""
    action = STIFFNESS * (joints - state[:, :2]) - DAMPING * state[:, 2:]
    return action.clip(-1, 1).astype(np.float32)


def observe(state, target):
    """What a learned actor sees: shoulder as cosine and sine, wrist, way from finger to target in tenths of a metre,
    velocities in tens of radians a second. state: (N, 4). target: (N, 2). Returns (N, 7) float32."""
    shoulder, wrist = state[:, :1], state[:, 1:2]
    way = 10 * (np.asarray(target) - finger(state))
    return np.concatenate([np.cos(shoulder), np.sin(shoulder), wrist, way, state[:, 2:] / 10], 1).astype(np.float32)


class Actor:
    """A learned demonstrator: a ReLU network whose last layer's tanh is the action. Plain numpy.

    layers: [(weight (out, in), bias (out,)), ...]. facts: what its config.json says.
    """

    def __init__(self, layers, facts=None):
        self.layers, self.facts = layers, facts or {}

    @classmethod
    def load(cls, folder):
        """The actor in `folder`: model.safetensors and config.json. Raises JepaError when either does not fit."""
        folder = Path(folder)
        facts = read_json(folder / "config.json")
        try:
            tensors = load_file(folder / "model.safetensors")
            count = len(tensors) // 2
            layers = [(tensors[f"layers.{i}.weight"], tensors[f"layers.{i}.bias"]) for i in range(count)]
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise JepaError(f"{folder} holds no actor ({error}); train it again with train_expert.py.") from None
        widths = [OBSERVATION, *(len(bias) for _, bias in layers)]
        shapes = [weight.shape for weight, _ in layers]
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise JepaError(f"The actor in {folder} has weights that are not finite; train it again.")
        if shapes != list(zip(widths[1:], widths[:-1], strict=True)) or widths[-1] != 2:
            raise JepaError(
                f"The actor in {folder} has layers of {widths}, not from {OBSERVATION} to 2; train it again."
            )
        return cls(layers, facts)

    def act(self, observation):
        """observation: (N, 7), see `observe`. Returns actions (N, 2) float32 in [-1, 1]."""
        x = observation
        for weight, bias in self.layers[:-1]:
            x = np.maximum(x @ weight.T + bias, 0)
        weight, bias = self.layers[-1]
        return np.tanh(x @ weight.T + bias)

    def __call__(self, state, target, joints):
        """A demonstrator: see the module."""
        return self.act(observe(state, target))


def returns(act, episodes, rng, steps=STEPS):
    """The rewards that a demonstrator earns in episodes of reacher-hard, without noise.

    rng: numpy Generator. Returns (earned (episodes,) int, of 2 * steps at most; reached (episodes,) bool, whether the
    target was reached at all).
    """
    state, target = sample_starts(episodes, rng), sample_targets(episodes, rng)
    joints = nearest_posture(state, target)
    earned = np.zeros(episodes, dtype=np.int64)
    for _ in range(steps):
        visited = substeps(state, act(state, target, joints))
        earned += over_target(visited, target[:, None]).sum(1)
        state = visited[:, -1]
    return earned, earned > 0
