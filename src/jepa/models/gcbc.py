"""GCBC, a baseline that does not plan: the next action from this latent and the goal's (Qantara Table 2).

Goal-conditioned behaviour cloning (Ding et al. 2019; Ghosh et al. 2021, "Learning to reach goals via iterated
supervised learning"): every later frame of a demonstration is the goal of the action taken here. Encoder and head are
trained together on the squared error; there is no predictor, and no past is read.
"""

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models.latent_model import LatentModel
from jepa.models.sigreg import participation_ratio
from jepa.models.transformer import dropout


class GCBC(LatentModel):
    """Encoder and an MLP policy of predictor.depth hidden layers, predictor.mlp wide.

    predictor.T is how many blocks ahead a goal may lie in training: 5 are the 25 raw steps of the evaluation.
    """

    denoises = False
    dispatches = ("gcbc",)

    def __init__(self, settings, action_dim):
        super().__init__(settings, action_dim)
        p = settings["predictor"]
        widths = [2 * self.d] + [p["mlp"]] * p["depth"]
        self.hidden = nn.ModuleList(map(nn.Linear, widths, widths[1:]))
        self.head, self.dropout = nn.Linear(widths[-1], action_dim), p["dropout"]

    def loss(self, frames, actions, generator):
        """Squared error of the action, with the goal k blocks ahead, k uniform on 1..T and all starts that k leaves.

        The arguments are as in Qantara.loss. No k is drawn: the mean over k is taken exactly.
        """
        z, length = self.encode(frames), actions.shape[1]
        errors = [
            F.mse_loss(self.action(z[:, : length + 1 - k], z[:, k:], generator), actions[:, : length + 1 - k])
            for k in range(1, length + 1)
        ]
        error = torch.stack(errors).mean()
        with torch.no_grad():
            ratio = participation_ratio(z.flatten(0, 1))
        return error, {"flow": error.detach(), "participation_ratio": ratio}

    def alarm(self, batch_size):
        """None: the actions keep the latents apart."""
        return None

    def action(self, z, z_goal, generator=None):
        """The next z-scored action block (..., da) towards z_goal. z, z_goal: (..., d). generator: of dropout."""
        h = torch.cat([z, z_goal], -1)
        for layer in self.hidden:
            h = dropout(F.gelu(layer(h)), self.dropout, generator)
        return self.head(h).float()

    def state(self, *arguments):
        """There is no predictor. Raises JepaError."""
        raise JepaError("A gcbc predicts no latents and cannot plan; evaluate it with the dispatch gcbc.")

    velocity = query = settle = state
