"""Any context to the set of its outcomes: an encoder and one predictor arm, in latent space or on plain numbers.

The mazes' WorldModel (jepa.models.jepa) for every other domain (MoP-JEPA, "Evidence Chain and Generality"): contexts
and targets of any shape, flattened or convolved.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models.encoders import EMATarget, mlp
from jepa.models.jepa import PREDICTORS

SPACES = {"latent": "sphere", "raw": "flat"}  # space of a forecaster -> space of its predictor


class ConvStack(nn.Module):
    """`depth` convolutions 3 x 3 of stride 2, the first `width` wide, each twice as wide as the one before, then one
    linear layer: (B, C, H, W) to (B, d). Any H and W will do: each layer halves them and rounds up.
    """

    def __init__(self, shape, width, depth, d):
        super().__init__()
        channels, height, side = shape
        widths = [channels, *(width * 2**i for i in range(depth))]
        layers = []
        for fan_in, fan_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), nn.GELU()]
        features = widths[-1] * math.ceil(height / 2**depth) * math.ceil(side / 2**depth)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, d))

    def forward(self, x):
        return self.layers(x)


def encoder_of(shape, d, kind, width, depth):
    """f_theta for observations of `shape`: (B, *shape) to (B, d), not normalised.

    kind: `mlp`, which flattens, with `depth` hidden layers of `width`; or `conv`, for (C, H, W). Raises JepaError for
    another kind, or for `conv` on what is no image.
    """
    if kind == "mlp":
        return nn.Sequential(nn.Flatten(), mlp([math.prod(shape), *[width] * depth, d]))
    if kind != "conv":
        raise JepaError(f"encoder.kind is {kind!r}, but must be mlp or conv.")
    if len(shape) != 3:
        raise JepaError(f"encoder.kind conv needs contexts (channels, height, width), not {tuple(shape)}; use mlp.")
    return ConvStack(shape, width, depth, d)


class Forecaster(nn.Module):
    """One arm on one domain.

    context, target: shapes of one context and one target. encoder: {kind, width, depth} (see encoder_of). predictor:
    {kind, K, ...}: a key of jepa.models.jepa.PREDICTORS and that class's arguments. ema: momentum tau of Eq. 3.
    space:

        latent  Eq. 1-7: predictions of the unit latent of the target, f_xi(target), where f_xi follows the encoder of
                the contexts (Eq. 3). Targets must therefore have the contexts' shape: a second encoder that only ever
                stands behind a stop-gradient would stay as it was initialised. Pad or resample to one shape.
        raw     predictions of the target's numbers, half the mean squared error; targets of any shape.

    Raises JepaError for settings that do not exist, or shapes that differ in latent space.
    """

    def __init__(self, context, target, *, encoder, d, predictor, space, ema=0.996):
        super().__init__()
        if space not in SPACES:
            raise JepaError(f"space is {space!r}, but must be one of {', '.join(SPACES)}.")
        if space == "latent" and tuple(context) != tuple(target):
            raise JepaError(
                f"in latent space one encoder sees contexts and targets, but a context is {tuple(context)} and a "
                f"target {tuple(target)}; bring them to one shape when the data is prepared, or use space raw."
            )
        self.shape, self.space = tuple(target), space
        self.encoder = encoder_of(context, d, **encoder)
        self.target = EMATarget(self.encoder, ema) if space == "latent" else None
        out = d if space == "latent" else math.prod(target)
        arguments = dict(predictor)
        kind = arguments.pop("kind")
        if kind not in PREDICTORS:
            raise JepaError(f"predictor kind {kind!r} is unknown; choose one of {', '.join(PREDICTORS)}.")
        try:
            self.predictor = PREDICTORS[kind](d=d, out=out, space=SPACES[space], **arguments)
        except TypeError as error:
            raise JepaError(f"predictor kind {kind!r} does not take these settings: {error}.") from None

    def loss(self, context, target):
        """context: (B, *c), target: (B, *t), float32 or uint8 (see Domain). Returns (scalar, info of scalars)."""
        teleport = torch.zeros(len(context), dtype=torch.bool, device=context.device)  # of the mazes alone
        goal = self.embed(target) if self.target is not None else _floats(target).flatten(1)
        loss, info = self.predictor.loss(self._encode(context), goal, teleport)
        return loss, {name: value.detach() for name, value in info.items()}

    def after_step(self):
        """To be called after every optimiser step (Eq. 3)."""
        if self.target is not None:
            self.target.follow(self.encoder)

    @torch.no_grad()
    def predict(self, context):
        """Eq. 7. context: (B, *c). Returns u: (B, K, d) unit norm or, in raw space, (B, K, *t); and pi: (B, K)."""
        u, pi = self.predictor(self._encode(context))
        return (u if self.target is not None else u.unflatten(-1, self.shape)), pi

    @torch.no_grad()
    def embed(self, target):
        """f_xi(target), in latent space: (B, *t) to (B, d) unit norm."""
        return F.normalize(self.target(_floats(target)), dim=-1)

    def _encode(self, context):
        z = self.encoder(_floats(context))
        return F.normalize(z, dim=-1) if self.target is not None else z


def _floats(x):
    return x.float() / 255 if x.dtype == torch.uint8 else x
