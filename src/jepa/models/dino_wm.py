"""DINO-WM, a baseline: the next patch features of a frozen encoder, predicted from the past frames and an action.

Zhou et al., "DINO-WM: World models on pre-trained visual features enable zero-shot planning" (2024), without
proprioception, as in Qantara's Table 1. A frame is P tokens; a token is its patch's features with the embedded action
concatenated; a token sees all tokens of its frame and of the frames before it. The loss and the planner's cost are
squared errors of patch features. Ours: positions, width and depth are those of the recipe's predictor, which projects
the tokens to its width (theirs is as wide as the features), and pixels are normalised as DINOv2 was trained (theirs
by mean and standard deviation 0.5).

The same world model on a frozen, random convolutional net is another baseline, `random-features`: what is left of
DINO-WM when nothing was pretrained.
"""

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models import dinov2
from jepa.models.lewm import NextLatent
from jepa.models.vision import ConvNet, ViTBlock

ACTION_WIDTH = 10  # of the embedded action, as in DINO-WM
FRAMES = 256  # encoded together at most


class Frozen(nn.Module):
    """A network that is not trained: it moves with the model, and is neither in its parameters nor in its weights."""

    def __init__(self, net):
        super().__init__()
        self.net = (net.eval().requires_grad_(False),)  # a tuple hides it from nn.Module

    def _apply(self, change, recurse=True):
        self.net[0]._apply(change)
        return super()._apply(change, recurse)

    @torch.no_grad()
    def forward(self, x):
        return self.net[0](x)


class FrozenPatches(nn.Module):
    """Frames to patch features: `patches` tokens a frame, `channels` wide, flattened to latents of d numbers.

    settings: {kind: dinov2, size, side, weights}: frames are resized to side x side patches of 14 pixels and read by
    DINOv2 ViT-S/14 from the file `weights`; or {kind: random, size, width, depth, seed}: a convolutional net as of kind
    conv, its weights drawn with `seed`, and every feature standardised over the training frames.
    """

    def __init__(self, settings):
        super().__init__()
        if settings["kind"] == "dinov2":
            net, side = dinov2.load(settings["weights"]), settings["side"]
            self.channels, self.pixels = net.width, side * dinov2.PATCH
            mean, std, standardise = dinov2.MEAN, dinov2.STD, nn.Identity()
        elif settings["kind"] == "random":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(settings["seed"])
                net = ConvNet(settings["size"], settings["width"], settings["depth"])
            net, self.pixels = net.layers, settings["size"]
            side = self.pixels // 2 ** settings["depth"]
            self.channels = settings["width"] * 2 ** (settings["depth"] - 1)
            net.append(nn.Flatten(2))
            mean = std = (0.5, 0.5, 0.5)
            standardise = nn.BatchNorm1d(side**2 * self.channels, affine=False, momentum=None)
        else:
            raise JepaError(f"encoder.kind is {settings['kind']!r}; a dino_wm has dinov2 or random.")
        self.kind, self.patches = settings["kind"], side**2
        self.d = self.patches * self.channels
        self.net, self.standardise = Frozen(net), standardise
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, frames):
        """frames: (B, F, 3, size, size) uint8. Returns (B, F, d) float32, patch by patch, without gradient."""
        z = torch.cat([self._features(part) for part in frames.flatten(0, 1).split(FRAMES)])
        return self.standardise(z).unflatten(0, frames.shape[:2])

    def _features(self, frames):
        pixels = frames.float() / 255
        if pixels.shape[-1] != self.pixels:
            pixels = F.interpolate(pixels, (self.pixels, self.pixels), mode="bilinear", antialias=True)
        features = self.net((pixels - self.mean) / self.std).float()
        return (features if self.kind == "dinov2" else features.transpose(1, 2)).flatten(1)


class DinoWM(NextLatent):
    """A transformer over patch tokens, causal from frame to frame."""

    make_encoder = FrozenPatches

    def __init__(self, settings, action_dim):
        super().__init__(settings, action_dim)
        p, self.channels = settings["predictor"], self.encoder.channels
        self.tokens_a_frame = self.encoder.patches
        self.action_in = nn.Linear(action_dim, ACTION_WIDTH)
        self.token_in = nn.Linear(self.channels + ACTION_WIDTH, p["width"])
        self.positions = nn.Parameter(torch.randn(self.T, self.tokens_a_frame, p["width"]))
        self.blocks = nn.ModuleList(
            ViTBlock(p["width"], p["heads"], p.get("head_width"), p["mlp"], p["dropout"]) for _ in range(p["depth"])
        )
        self.norm, self.token_head = nn.LayerNorm(p["width"]), nn.Linear(p["width"], self.channels)

    def loss(self, frames, actions, generator):
        """Squared error of every next frame's features. The arguments are as in Qantara.loss."""
        z = self.encode(frames)
        error = F.mse_loss(self.predict(z[:, :-1], actions, generator), z[:, 1:])
        return error, {"bridge": error.detach()}

    def alarm(self, batch_size):
        """None: what is frozen cannot collapse."""
        return None

    def next_latents(self, z, actions, first, attention, generator=None, last=False):
        patches = z.unflatten(-1, (self.tokens_a_frame, self.channels))
        action = self.action_in(actions).unsqueeze(2).expand(-1, -1, self.tokens_a_frame, -1)
        x = self.token_in(torch.cat([patches, action], -1)) + self.positions[first : first + z.shape[1]]
        x = x.flatten(1, 2)
        for i, block in enumerate(self.blocks):
            x = block(x, attention.layer(i), generator)
        x = x.unflatten(1, (-1, self.tokens_a_frame))
        return self.token_head(self.norm(x[:, -1:] if last else x)).float().flatten(2)
