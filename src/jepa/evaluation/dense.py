"""Errors of each query on held-out windows: they tell recipes apart even where success rates saturate.

All errors are mean squares over windows, blocks and dimensions: of latents, or of z-scored actions. The prefix is
clean and true up to the queried block, except in the open loop.
"""

import itertools

import torch

from jepa.data.episodes import clip_split
from jepa.planning.dispatches import bc, forward, gcbc, inverse, rollout
from jepa.random import rng_of, seed_of
from jepa.training.loop import participation_ratio

BYTES = 2**24  # of frames in a group of windows: what fits beside the keys of a frame of many tokens
ONE_STEP = ("forward_error", "copy_error", "inverse_error", "bc_error", "gcbc_error")


@torch.inference_mode()
def measure(model, episodes, held_out, *, seed, windows=512, k=2):
    """Diagnostics of one checkpoint.

    model: any kind of jepa.training.qantara.KINDS, put into eval mode. episodes: Episodes. held_out: ids of the
    episodes that training did not see; under the protocol `released`, of all, and the windows that training did not see
    count. windows: at most so many, drawn without replacement, the same for every recipe and seed. k: Euler steps of
    the action queries; latents are read off in one step.

    Returns {"forward_error", "copy_error", "forward_over_copy", "open_loop_error", "inverse_error", "bc_error",
    "gcbc_error", "participation_ratio", "parameters"}. copy_error is that of predicting no change; open_loop_error is
    that of the last of T blocks predicted from the first latent; gcbc_error is that of the action towards the window's
    last frame. What a model's dispatches never ask is None. parameters: those that are trained.

    The windows go through the model in groups of at most BYTES of frames, but for one window; their noise does not
    depend on the grouping.
    """
    settings = model.settings
    T, skip, size = settings["predictor"]["T"], settings["data"]["frame_skip"], settings["encoder"]["size"]
    _, starts = clip_split(episodes.windows(held_out, T, skip), settings["data"])
    starts = rng_of("dense windows", episodes.env).choice(starts, min(windows, len(starts)), replace=False)
    generator = torch.Generator(model.device).manual_seed(seed_of("dense noise", episodes.env, seed))
    noise = Noise(len(starts), generator)
    model.eval()
    together = max(1, BYTES // ((T + 1) * 3 * size**2))
    groups = [slice(first, first + together) for first in range(0, len(starts), together)]
    latents, errors = [], []
    for rows in groups:
        frames, raw, _ = episodes.batch(starts[rows], T, skip, size)
        z = model.encode(torch.from_numpy(frames).to(model.device))
        actions = model.normalise(torch.from_numpy(raw).to(model.device))
        latents.append(z.flatten(0, 1).float())
        errors.append({name: len(z) * error for name, error in _errors(model, z, actions, noise.of(rows), k).items()})
    result = dict.fromkeys((*ONE_STEP, "open_loop_error"))
    result |= {name: sum(group[name] for group in errors) / len(starts) for name in errors[0]}
    return {
        **result,
        "forward_over_copy": result["forward_error"] / result["copy_error"] if result["copy_error"] else None,
        "participation_ratio": participation_ratio(torch.cat(latents)),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


class Noise:
    """Standard normal noise of n rows, drawn once for all of them: the i-th draw of any group is the same draw."""

    def __init__(self, n, generator):
        self.n, self.generator, self.drawn = n, generator, []

    def of(self, rows):
        """draw(*shape) -> (rows, *shape) for the rows of a slice, which ask for the same shapes in the same order."""
        count = itertools.count()

        def draw(*shape):
            i = next(count)
            if i == len(self.drawn):
                self.drawn.append(torch.randn(self.n, *shape, generator=self.generator, device=self.generator.device))
            return self.drawn[i][rows]

        return draw


def _errors(model, z, actions, draw, k):
    """Mean errors of a group of windows in what the model is asked: {name: float}. z: (N, T + 1, d), actions:
    (N, T, da)."""
    T, d = actions.shape[1], z.shape[-1]
    steps = 1 if model.denoises else 0  # no noise to draw

    # One step from every true prefix.
    errors = {name: [] for name in ONE_STEP}
    prefix = model.start(z[:, 0])
    for t in range(T):
        if "cem" in model.dispatches:
            z_hat = forward(model, prefix, actions[:, t], 1, draw(steps, d))
            errors["forward_error"].append(_error(z_hat, z[:, t + 1]))
            errors["copy_error"].append(_error(z[:, t], z[:, t + 1]))
        if "video-inverse" in model.dispatches:
            errors["inverse_error"].append(_error(inverse(model, prefix, z[:, t + 1], k, draw), actions[:, t]))
        if "bc" in model.dispatches:
            errors["bc_error"].append(_error(bc(model, prefix, k, draw), actions[:, t]))
        if "gcbc" in model.dispatches:
            errors["gcbc_error"].append(_error(gcbc(model, prefix, z[:, -1]), actions[:, t]))
        if t + 1 < T:
            prefix = model.extend(prefix, actions[:, t], z[:, t + 1])
    result = {name: sum(values) / len(values) for name, values in errors.items() if values}

    # All T blocks from the first latent alone.
    if "cem" in model.dispatches:
        z_hat = rollout(model, model.start(z[:, 0]), actions, 1, draw(T, steps, d))[:, -1]
        result["open_loop_error"] = _error(z_hat, z[:, -1])
    return result


def _error(prediction, truth):
    return float((prediction - truth).square().mean())
