"""What a checkpoint imagines, made visible: open-loop rollouts under three action sources, decoded (Qantara App. H)."""

import numpy as np
import torch

from jepa.data.episodes import clip_split
from jepa.models.decoder import Decoder, fit_decoder
from jepa.planning.dispatches import bc, drawer, forward, video_inverse
from jepa.random import rng_of, seed_of

BLOCKS = 6  # steps after the context frame (Figure 2)
ROWS = ("ground truth", "demo", "BC", "video-inverse")


def decoded_rollouts(model, episodes, *, steps=600, batch_size=64, windows=1, k=2, forward_k=4):
    """Train a decoder on the frozen encoder and decode rollouts from held-out frames.

    Row `demo` follows the recorded actions, `BC` and `video-inverse` choose their own; all share the first latent and
    the forward edge, and see no frame after the first. Column 0 of these rows is the decoded context frame.

    Returns {"frames": (windows, 4, BLOCKS + 1, size, size, 3) uint8 in the order of ROWS, "loss": of the decoder}.
    """
    settings, device = model.settings, model.device
    data, size = settings["data"], settings["encoder"]["size"]
    skip = data["frame_skip"]
    split = episodes.split(data["holdout"], data["split_seed"], data.get("protocol", "repaired"))
    training, held_out = (clip_split(episodes.windows(ids, BLOCKS, skip), data)[i] for i, ids in enumerate(split))
    rng = rng_of("decoder", episodes.env)
    model.eval()

    def frames_of(starts, blocks):
        frames, actions, _ = episodes.batch(starts, blocks, skip, size)
        return torch.from_numpy(frames).to(device), torch.from_numpy(actions).to(device)

    def draw(_):
        frames = frames_of(rng.choice(training, max(1, batch_size // 4)), 3)[0]
        with torch.no_grad():
            z = model.encode(frames)
        return z.flatten(0, 1).float(), frames.flatten(0, 1).float() / 255

    torch.manual_seed(seed_of("decoder", episodes.env))
    decoder = Decoder(settings["encoder"]["d"], size).to(device)
    loss = fit_decoder(decoder, draw, steps)

    with torch.inference_mode():
        frames, actions = frames_of(rng.choice(held_out, windows, replace=False), BLOCKS)
        z = model.encode(frames[:, :1])[:, 0].float()
        actions = model.normalise(actions)
        noise = drawer([torch.Generator(device).manual_seed(seed_of("decoded", i)) for i in range(windows)])
        sources = (
            lambda prefix, t: actions[:, t],
            lambda prefix, t: bc(model, prefix, k, noise),
            lambda prefix, t: video_inverse(model, prefix, k, noise),
        )
        rows = [frames.float() / 255]
        for choose in sources:
            latents = _imagine(model, z, choose, noise, forward_k)
            rows.append(decoder(latents.flatten(0, 1)).unflatten(0, latents.shape[:2]))
    pixels = (torch.stack(rows, dim=1) * 255).round().to(torch.uint8).permute(0, 1, 2, 4, 5, 3)
    return {"frames": np.ascontiguousarray(pixels.cpu().numpy()), "loss": loss}


def _imagine(model, z, choose, noise, k):
    """Latents (N, BLOCKS + 1, d) of a rollout that never looks again; z: (N, d) is the first."""
    prefix, latents = model.start(z), [z]
    for t in range(BLOCKS):
        action = choose(prefix, t)
        latents.append(forward(model, prefix, action, k, noise(k, z.shape[1])))
        prefix = model.extend(prefix, action, latents[-1])
    return torch.stack(latents, dim=1)
