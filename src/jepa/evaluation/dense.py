"""Errors of each query on held-out windows: they tell recipes apart even where success rates saturate.

All errors are mean squares over windows, blocks and dimensions: of latents, or of z-scored actions. The prefix is
clean and true up to the queried block, except in the open loop.
"""

import torch

from jepa.data.episodes import clip_split
from jepa.planning.dispatches import bc, forward, gcbc, inverse, rollout
from jepa.random import rng_of, seed_of
from jepa.training.loop import participation_ratio


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
    """
    settings = model.settings
    T, skip, size = settings["predictor"]["T"], settings["data"]["frame_skip"], settings["encoder"]["size"]
    _, starts = clip_split(episodes.windows(held_out, T, skip), settings["data"])
    starts = rng_of("dense windows", episodes.env).choice(starts, min(windows, len(starts)), replace=False)
    device = model.device
    generator = torch.Generator(device).manual_seed(seed_of("dense noise", episodes.env, seed))

    def draw(*shape):
        return torch.randn(len(starts), *shape, generator=generator, device=device)

    model.eval()
    frames, raw, _ = episodes.batch(starts, T, skip, size)
    z = model.encode(torch.from_numpy(frames).to(device))
    actions = model.normalise(torch.from_numpy(raw).to(device))
    d = z.shape[-1]

    # One step from every true prefix.
    errors = {name: [] for name in ("forward_error", "copy_error", "inverse_error", "bc_error", "gcbc_error")}
    prefix = model.start(z[:, 0])
    for t in range(T):
        if "cem" in model.dispatches:
            errors["forward_error"].append(_error(forward(model, prefix, actions[:, t], 1, draw(1, d)), z[:, t + 1]))
            errors["copy_error"].append(_error(z[:, t], z[:, t + 1]))
        if "video-inverse" in model.dispatches:
            errors["inverse_error"].append(_error(inverse(model, prefix, z[:, t + 1], k, draw), actions[:, t]))
        if "bc" in model.dispatches:
            errors["bc_error"].append(_error(bc(model, prefix, k, draw), actions[:, t]))
        if "gcbc" in model.dispatches:
            errors["gcbc_error"].append(_error(gcbc(model, prefix, z[:, -1]), actions[:, t]))
        if t + 1 < T:
            prefix = model.extend(prefix, actions[:, t], z[:, t + 1])
    result = {name: sum(values) / len(values) if values else None for name, values in errors.items()}

    # All T blocks from the first latent alone.
    open_loop = None
    if "cem" in model.dispatches:
        open_loop = _error(rollout(model, model.start(z[:, 0]), actions, 1, draw(T, 1, d))[:, -1], z[:, -1])
    return {
        **result,
        "forward_over_copy": result["forward_error"] / result["copy_error"] if result["copy_error"] else None,
        "open_loop_error": open_loop,
        "participation_ratio": participation_ratio(z.flatten(0, 1).float()),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _error(prediction, truth):
    return float((prediction - truth).square().mean())
