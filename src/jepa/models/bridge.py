"""The two interpolants of Qantara: noise to data for actions, a Brownian bridge for latents.

tau is the time of a token: 1 is the clean end, 0 the source. Shapes: actions (..., da), latents (..., d),
tau (...,), noise like the data.
"""


def flow_interpolant(action, tau, noise):
    """Noise-to-data flow matching (Qantara Eq. 3): 0 gives the noise, 1 the action. Its velocity is action - noise."""
    tau = tau.unsqueeze(-1)
    return tau * action + (1 - tau) * noise


def bridge(z_prev, z_next, tau, gamma, noise):
    """Brownian bridge between consecutive clean latents (Qantara Eq. 4): 0 gives z_prev, 1 gives z_next.

    gamma: 1 is the stochastic-interpolant canonical value, sqrt(2) the Schroedinger-bridge one (App. D).
    """
    tau = tau.unsqueeze(-1)
    return (1 - tau) * z_prev + tau * z_next + gamma * (tau * (1 - tau)).sqrt() * noise


def noise_bridge(z_next, tau, noise):
    """The ablation without a bridge (App. E): the source is Gaussian noise instead of the previous latent."""
    return flow_interpolant(z_next, tau, noise)
