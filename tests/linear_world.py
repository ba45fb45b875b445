"""A world whose model is known exactly: a point on a plane, latents that are its position, one velocity field an edge.

Used wherever a test needs a world model with the interface of Qantara and the true answer to every query.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from jepa.data.episodes import Episodes
from jepa.envs import registry
from jepa.models.bridge import bridge

SKIP, SPEED = 5, 5.0
HEADING = torch.tensor([0.8, -0.4])  # where the demonstrators always go
SETTINGS = {
    "kind": "qantara",
    "encoder": {"size": 8, "d": 2},
    "predictor": {"T": 4, "gamma": 1.0},
    "data": {"frame_skip": SKIP},
    "training": {"precision": "fp32"},
}


class Plane:
    """A Simulator: n points on an endless plane, 5 units a step, success within 16. Frames carry the state's bytes."""

    state_dim, action_dim = 2, 2
    action_low, action_high = np.full(2, -1, dtype=np.float32), np.full(2, 1, dtype=np.float32)

    def __init__(self, n):
        self.state = np.zeros((n, 2), dtype=np.float32)
        self.rendered = 0

    def set_state(self, states, goals=None):
        self.state = np.array(states, dtype=np.float32)

    def step(self, actions, active=None):
        moved = self.state + np.float32(SPEED) * np.clip(actions, -1, 1).astype(np.float32)
        self.state = np.where(active[:, None], moved, self.state)

    def frames(self, size, index=None):
        return picture(self.state if index is None else self.state[index], size)

    def reached(self, goals):
        return np.linalg.norm(self.state - goals, axis=1) < 16


def picture(states, size):
    """Frames (n, 3, size, size) uint8 whose first eight pixels are the bytes of the state."""
    frames = np.zeros((len(states), 3, size, size), dtype=np.uint8)
    frames.reshape(len(states), -1)[:, :8] = np.ascontiguousarray(states, dtype=np.float32).view(np.uint8)
    return frames


@dataclass
class Prefix:
    z: torch.Tensor  # (N, 2)
    past: tuple = ()  # of (action, z), oldest first

    @property
    def last(self):
        return self.z

    def repeat(self, candidates):
        return self._of(lambda x: x.repeat_interleave(candidates, 0))

    def select(self, index):
        return self._of(lambda x: x[index])

    def _of(self, rows):
        return Prefix(rows(self.z), tuple((rows(action), rows(z)) for action, z in self.past))


class LinearModel(nn.Module):
    """Latent = position / 10. Every answer is exact and every velocity field is the straight flow to one action."""

    action_dim = 2 * SKIP
    denoises = True
    dispatches = ("cem", "bc", "video-inverse")
    tokens_a_frame = 1

    def __init__(self, **predictor):
        super().__init__()
        self.device = torch.device("cpu")
        self.unused = nn.Parameter(torch.zeros(1))
        self.settings = SETTINGS | {"predictor": SETTINGS["predictor"] | predictor}
        self.asked = []  # (prefix, a_tilde, z_tilde, tau_a, tau_z) of each query

    def encode(self, frames):
        data = frames.numpy().reshape(*frames.shape[:2], -1)[..., :8]
        return torch.from_numpy(np.ascontiguousarray(data).view(np.float32).copy()) / 10

    def normalise(self, raw):
        return (raw - 0.1) / 0.5

    def denormalise(self, actions):
        return actions * 0.5 + 0.1

    def start(self, z):
        return Prefix(z)

    def extend(self, prefix, action, z):
        return Prefix(z, (*prefix.past, (action, z))[-3:])

    def state_input(self, z_prev, z_next, tau, noise):
        return bridge(z_prev, z_next, torch.tensor(tau), self.settings["predictor"]["gamma"], noise)

    def velocity(self, *arguments):
        return self.query(*arguments)[0]

    def state(self, *arguments):
        return self.query(*arguments)[1]

    def query(self, prefix, a_tilde, z_tilde, tau_a, tau_z):
        self.asked.append((prefix, a_tilde, z_tilde, tau_a, tau_z))
        expert = self.normalise(HEADING.repeat(SKIP)).expand_as(a_tilde)
        action = self.to_reach(prefix.z, z_tilde) if tau_z == 1 else expert
        velocity = (action - a_tilde) / (1 - tau_a) if tau_a < 1 else torch.zeros_like(a_tilde)
        return velocity, self.after(prefix.z, a_tilde if tau_a == 1 else expert)

    def after(self, z, action):
        """The latents after an action block (N, da)."""
        return z + SPEED / 10 * self.denormalise(action).unflatten(1, (SKIP, 2)).sum(1)

    def to_reach(self, z, z_next):
        """The action block of equal steps that leads from z to z_next."""
        return self.normalise(((z_next - z) * 10 / SPEED / SKIP).repeat(1, SKIP))


def generators(seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def demonstrations(count=20, rows=61, spread=0.1):
    """Episodes on the plane, each in its own direction: HEADING plus N(0, spread^2), one Episodes."""
    rng = np.random.default_rng(0)
    direction = HEADING.numpy() + spread * rng.standard_normal((count, 1, 2))
    actions = np.repeat(direction, rows, axis=1).astype(np.float32)
    actions[:, -1] = np.nan
    states = np.zeros((count, rows, 2), dtype=np.float32)
    states[:, 0] = rng.uniform(0, 200, (count, 2))
    for t in range(rows - 1):
        states[:, t + 1] = states[:, t] + np.float32(SPEED) * actions[:, t]
    lengths = np.full(count, rows)
    offsets, origin = np.arange(count) * rows, np.arange(count)
    return Episodes(states.reshape(-1, 2), actions.reshape(-1, 2), lengths, offsets, states[:, -1], origin, "plane")


@pytest.fixture
def plane(monkeypatch):
    """The plane under its name in the registry."""
    known, added = registry.module, SimpleNamespace(Simulator=Plane, render=picture)
    monkeypatch.setattr(registry, "module", lambda name: added if name == "plane" else known(name))
