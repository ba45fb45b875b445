"""One checkpoint, many queries: the edges of the noise square at inference (Qantara 2.2, App. G).

    edge      tau_a      tau_z      answers
    forward   1          0 -> 1     which latent follows this action?
    policy    0 -> 1     0          which action does the behaviour policy take here?
    video     0          0 -> 1     which latent follows, whatever the action?
    inverse   0 -> 1     1          which action leads to this latent?

Everywhere: prefix holds the clean past of N rows and ends in their current latents prefix.last (N, d); actions are
z-scored action blocks (N, da). `draw(*shape)` returns standard normal noise (N, *shape), for instance `drawer(...)`.

Regressions of the next latent answer the forward edge alone, and GCBC none of them: see `gcbc`.
"""

import torch

DISPATCHES = ("cem", "bc", "video-inverse", "gcbc")


def drawer(generators):
    """Noise that does not depend on company: row i is drawn from generators[i] alone, on that generator's device.

    generators: one torch.Generator per episode. Returns draw(*shape) -> (N, *shape) float32.
    """

    def draw(*shape):
        return torch.stack([torch.randn(shape, generator=g, device=g.device) for g in generators])

    return draw


def forward(model, prefix, action, k, noise):
    """Forward edge: the latent after a clean action, refined in k steps (2.2 "Latent planning", App. G).

    Step 0 asks at tau_z = 0, where the state slot holds the current latent. Step i asks at tau_z = i / k with the
    previous answer put back on the bridge's marginal, noise included, so that every input looks as in training.
    k = 1 never leaves tau_z = 0 and is deterministic; so is a model without that axis, which is asked once.
    action: (N, da). noise: (N, k, d), read by a model that denoises alone. Returns (N, d) float32.
    """
    if not model.denoises:
        return model.state(prefix, action, None, 1.0, 0.0)
    z_hat = prefix.last
    for step in range(k):
        tau = step / k
        slot = model.state_input(prefix.last, z_hat, tau, noise[:, step])
        z_hat = model.state(prefix, action, slot, 1.0, tau)
    return z_hat


def video(model, prefix, draw):
    """Video edge: the conditional mean of the next latent, with a Gaussian action slot (2.2; point evaluation at
    the edge's start, as Eq. 12 is approximated). Returns (N, d) float32."""
    slot = model.state_input(prefix.last, prefix.last, 0.0, draw(prefix.last.shape[1]))
    return model.state(prefix, draw(model.action_dim), slot, 0.0, 0.0)


def inverse(model, prefix, z_next, k, draw):
    """Inverse edge: k Euler steps to an action that leads to z_next (N, d). Returns (N, da)."""
    return _euler(model, prefix, z_next, 1.0, k, draw)


def bc(model, prefix, k, draw):
    """Behaviour cloning: k Euler steps along the policy edge, the state slot held at the current latent (Eq. 11).
    Returns (N, da)."""
    slot = model.state_input(prefix.last, prefix.last, 0.0, draw(prefix.last.shape[1]))
    return _euler(model, prefix, slot, 0.0, k, draw)


def video_inverse(model, prefix, k, draw):
    """Predict the next latent without an action, then the action that leads there (Eq. 12). Returns (N, da)."""
    return inverse(model, prefix, video(model, prefix, draw), k, draw)


def gcbc(model, prefix, z_goal):
    """Goal-conditioned behaviour cloning: the action from the current latent to z_goal (N, d). Returns (N, da)."""
    return model.action(prefix.last, z_goal)


def _euler(model, prefix, slot, tau_z, k, draw):
    action = draw(model.action_dim)
    for step in range(k):
        action = action + model.velocity(prefix, action, slot, step / k, tau_z) / k
    return action


def rollout(model, prefix, actions, k, noise):
    """Open loop: the latents after each of H clean actions, each prediction taken into the prefix of the next.

    actions: (N, H, da). noise: (N, H, k, d). Returns (N, H, d) float32.
    """
    latents = []
    for block in range(actions.shape[1]):
        if block:
            prefix = model.extend(prefix, actions[:, block - 1], latents[-1])
        latents.append(forward(model, prefix, actions[:, block], k, noise[:, block]))
    return torch.stack(latents, dim=1)
