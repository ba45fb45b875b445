"""The JEPA world model of MoP-JEPA: encoder, EMA target and one predictor arm."""

import torch
from torch import nn

from jepa.errors import JepaError
from jepa.models.encoders import CoordinateEncoder, EMATarget
from jepa.models.mixtures import M3, MDN, Codebook, Ensemble, MoP, Var

# To add an arm: a module with `loss` and `forward` (see jepa.models.mixtures), and its name here.
PREDICTORS = {"ensemble": Ensemble, "m3": M3, "var": Var, "mdn": MDN, "mop": MoP, "codebook": Codebook}


class WorldModel(nn.Module):
    """MoP-JEPA Eq. 1-7 on coordinate features.

    encoder: {features, width, depth, d}. predictor: {kind, K, width, depth, ...}: `kind` is a key of PREDICTORS,
    the rest are that class's arguments. Raises JepaError for a kind or an argument that does not exist.
    """

    def __init__(self, encoder, predictor, ema=0.996):
        super().__init__()
        arguments = dict(predictor)
        kind = arguments.pop("kind")
        if kind not in PREDICTORS:
            raise JepaError(f"predictor kind {kind!r} is unknown; choose one of {', '.join(PREDICTORS)}.")
        self.encoder = CoordinateEncoder(**encoder)
        self.target = EMATarget(self.encoder, ema)
        try:
            self.predictor = PREDICTORS[kind](d=encoder["d"], **arguments)
        except TypeError as error:
            raise JepaError(f"predictor kind {kind!r} does not take these settings: {error}.") from None

    def loss(self, s, s_next, teleport):
        """s, s_next: (B, features); teleport: (B,) bool. Returns (scalar, info of scalars)."""
        loss, info = self.predictor.loss(self.encoder(s), self.target(s_next), teleport)
        return loss, {name: value.detach() for name, value in info.items()}

    def after_step(self):
        """To be called after every optimiser step (Eq. 3)."""
        self.target.follow(self.encoder)

    @torch.no_grad()
    def predict(self, s):
        """Eq. 7. s: (N, features). Returns u: (N, K, d) unit norm and pi: (N, K)."""
        return self.predictor(self.encoder(s))

    @torch.no_grad()
    def embed(self, s):
        """Target latents f_xi(s): (N, features) to (N, d) unit norm."""
        return self.target(s)
