"""Errors of each query on held-out windows: they tell recipes apart even where success rates saturate.

All errors are mean squares over windows, blocks and dimensions: of latents, or of z-scored actions. The prefix is
clean and true up to the queried block, except in the open loop.
"""

import torch

from jepa.planning.dispatches import bc, forward, inverse, rollout
from jepa.random import rng_of, seed_of
from jepa.training.loop import participation_ratio


@torch.inference_mode()
def measure(model, episodes, held_out, *, seed, windows=512, k=2):
    """Diagnostics of one checkpoint.

    model: a Qantara or LeWM, put into eval mode. episodes: Episodes. held_out: episode ids that training did not
    see. windows: at most so many, drawn without replacement, the same for every recipe and seed. k: Euler steps of the
    action queries; latents are read off in one step.

    Returns {"forward_error", "copy_error", "forward_over_copy", "open_loop_error", "inverse_error", "bc_error",
    "participation_ratio", "parameters"}. copy_error is that of predicting no change; open_loop_error is that of the
    last of T blocks predicted from the first latent; the action errors are None for a model without an action head.
    """
    settings = model.settings
    T, skip, size = settings["predictor"]["T"], settings["data"]["frame_skip"], settings["encoder"]["size"]
    starts = episodes.windows(held_out, T, skip)
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
    errors = {"forward_error": [], "copy_error": [], "inverse_error": [], "bc_error": []}
    prefix = model.start(z[:, 0])
    for t in range(T):
        errors["forward_error"].append(_error(forward(model, prefix, actions[:, t], 1, draw(1, d)), z[:, t + 1]))
        errors["copy_error"].append(_error(z[:, t], z[:, t + 1]))
        if settings["kind"] == "qantara":
            errors["inverse_error"].append(_error(inverse(model, prefix, z[:, t + 1], k, draw), actions[:, t]))
            errors["bc_error"].append(_error(bc(model, prefix, k, draw), actions[:, t]))
        if t + 1 < T:
            prefix = model.extend(prefix, actions[:, t], z[:, t + 1])
    result = {name: sum(values) / len(values) if values else None for name, values in errors.items()}

    # All T blocks from the first latent alone.
    imagined = rollout(model, model.start(z[:, 0]), actions, 1, draw(T, 1, d))
    return {
        **result,
        "forward_over_copy": result["forward_error"] / result["copy_error"] if result["copy_error"] else None,
        "open_loop_error": _error(imagined[:, -1], z[:, -1]),
        "participation_ratio": participation_ratio(z.flatten(0, 1).float()),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _error(prediction, truth):
    return float((prediction - truth).square().mean())
