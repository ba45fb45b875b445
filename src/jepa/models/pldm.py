"""PLDM, a baseline: LeWM's encoder and predictor, kept from collapsing by variance, covariance and inverse dynamics.

Sobal et al., "Learning from reward-free offline data: a case for planning with latent dynamics models" (2025):
VICReg's variance and covariance of the latents, similarity of consecutive latents, and an inverse dynamics head.
Two choices follow LeWM's library (stable-worldmodel, scripts/train/config/pldm.yaml, read in two forks that agree): the
predictor is teacher-forced, where Sobal et al. unroll a recurrent one, and variance, temporal variance, covariance and
similarity weigh 18, 0.7, 12 and 0.2. That file gives inverse dynamics the weight 0; it is 1 here, because the term
belongs to the method.
"""

import torch
from torch import nn
from torch.nn import functional as F

from jepa.models.lewm import LeWM
from jepa.models.sigreg import participation_ratio


def variance_hinge(z, dim, epsilon=1e-4):
    """Mean of max(0, 1 - std) over dimensions: 0 where every standard deviation along `dim` is at least 1.

    z: (B, F, d). dim: 0 for the batch, 1 for the frames of a window. epsilon: VICReg's, inside the square root, which
    keeps the gradient finite at a point; there the hinge is 1 - sqrt(epsilon). In float32 also under autocast.
    """
    with torch.autocast(z.device.type, enabled=False):
        return F.relu(1 - (z.float().var(dim) + epsilon).sqrt()).mean()


def covariance_penalty(z):
    """Mean square of the off-diagonal covariances over the batch, of each frame apart. z: (B, F, d).

    In float32 also under autocast, which would round the product's operands to bf16.
    """
    batch, _, d = z.shape
    with torch.autocast(z.device.type, enabled=False):
        z = z.float()
        centred = (z - z.mean(0)).transpose(0, 1)
        covariance = centred.mT @ centred / (batch - 1)
        off_diagonal = covariance.square().sum((1, 2)) - covariance.diagonal(dim1=1, dim2=2).square().sum(1)
        return off_diagonal.mean() / (d * (d - 1))


class PLDM(LeWM):
    """LeWM's network under PLDM's loss.

    settings["loss"]: {lambda_var, lambda_var_time, lambda_cov, lambda_sim, lambda_inverse}, weights of the terms beside
    the prediction error.
    """

    def __init__(self, settings, action_dim):
        super().__init__(settings, action_dim)
        hidden = settings["predictor"]["mlp"]
        self.inverse_head = nn.Sequential(nn.Linear(2 * self.d, hidden), nn.GELU(), nn.Linear(hidden, action_dim))

    def loss(self, frames, actions, generator):
        """Prediction error and the five terms that keep latents apart. The arguments are as in Qantara.loss."""
        z = self.encode(frames)
        error = F.mse_loss(self.predict(z[:, :-1], actions, generator), z[:, 1:])
        inferred = self.inverse_head(torch.cat([z[:, :-1], z[:, 1:]], -1))
        terms = {
            "var": variance_hinge(z, 0),
            "var_time": variance_hinge(z, 1),
            "cov": covariance_penalty(z),
            "sim": F.mse_loss(z[:, :-1], z[:, 1:]),
            "inverse": F.mse_loss(inferred, actions),
        }
        total = error + sum(self.settings["loss"][f"lambda_{name}"] * term for name, term in terms.items())
        with torch.no_grad():
            ratio = participation_ratio(z.flatten(0, 1))
        info = {"bridge": error} | terms | {"participation_ratio": ratio}
        return total, {name: value.detach() for name, value in info.items()}

    def alarm(self, batch_size):
        """The variance hinge, whose value at a point does not depend on the batch."""
        return "var", float(variance_hinge(torch.zeros(batch_size, 1, 1), 0))
