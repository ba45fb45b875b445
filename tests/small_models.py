"""World models small enough for tests, with every weight away from its initial value."""

import copy

import torch

from jepa.models.noise_square import MODES
from jepa.models.qantara import Qantara

DA, D, T = 6, 8, 4
SETTINGS = {
    "kind": "qantara",
    "encoder": {"kind": "conv", "size": 16, "width": 4, "depth": 3, "projector": 16, "d": D},
    "predictor": {
        "width": 16, "depth": 2, "heads": 2, "mlp": 32, "T": T, "dropout": 0.0,
        "residual": True, "bridge": True, "gamma": 1.0,
    },
    "sampling": {"modes": list(MODES), "sampler": "edges", "copies": 5, "tau": "chain"},
    "loss": {"lambda_z": 3.0, "lambda_a": 1.0, "lambda_sig": 0.09, "projections": 16},
    "training": {"batch_size": 8},
    "data": {"frame_skip": 3},
}  # fmt: skip


def recipe(**sections):
    settings = copy.deepcopy(SETTINGS)
    for name, values in sections.items():
        settings[name] |= values
    return settings


def model_of(cls=Qantara, trained=True, **sections):
    """A model whose zero-initialised parts are random, so that everything can matter (trained=False: as built)."""
    torch.manual_seed(0)
    model = cls(recipe(**sections), DA)
    if trained:
        for part in (model.trunk, model.state_head, getattr(model, "action_head", model.state_head)):
            for parameter in part.parameters():
                torch.nn.init.normal_(parameter, std=0.3)
    return model


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def history(model, blocks, n=3, seed=2):
    """A prefix of `blocks` random blocks after block 0, and what it is made of: z (n, blocks + 1, d), actions."""
    g = generator(seed)
    z, actions = torch.randn(n, blocks + 1, D, generator=g), torch.randn(n, blocks, DA, generator=g)
    prefix = model.start(z[:, 0])
    for t in range(blocks):
        prefix = model.extend(prefix, actions[:, t], z[:, t + 1])
    return prefix, z, actions
