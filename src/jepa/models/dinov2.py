"""DINOv2 ViT-S/14 with the names of its published weights, for inference only (Oquab et al. 2024, "DINOv2")."""

import pickle
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.files import file_hash
from jepa.models.vision import attention

PATCH = 14
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in [0, 1]
SHA256 = "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9"  # of dinov2_vits14_pretrain.pth


class Block(nn.Module):
    """A pre-norm block whose two residuals are scaled per channel (LayerScale)."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.ls1, self.ls2 = (nn.ParameterDict({"gamma": nn.Parameter(torch.ones(width))}) for _ in range(2))

    def forward(self, x):
        q, k, v = self.attn["qkv"](self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        x = x + self.ls1["gamma"] * self.attn["proj"](attention(q, k, v).flatten(-2))
        return x + self.ls2["gamma"] * self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class DinoV2(nn.Module):
    """Patch features of images. The sizes are those of ViT-S/14, pretrained on a grid of 37 x 37 patches."""

    def __init__(self, width=384, depth=12, heads=6, grid=37):
        super().__init__()
        self.width, self.grid = width, grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of pretraining; in the published file, unused here
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, stride=PATCH)})
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, 1e-6)

    def forward(self, pixels):
        """pixels: (N, 3, 14 g, 14 g), normalised by MEAN and STD. Returns (N, g * g, width), without [CLS]."""
        x = self.patch_embed["proj"](pixels)
        x = x.flatten(2).transpose(1, 2) + self._patch_positions(x.shape[-1])
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([cls, x], 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 1:]

    def _patch_positions(self, side):
        """The positions of a side x side grid: (1, side * side, width).

        The authors scale by (side + 0.1) / grid, which moves the sampling points; the features were published so.
        """
        positions = self.pos_embed[:, 1:]
        if side == self.grid:
            return positions
        positions = positions.unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        scale = (side + 0.1) / self.grid
        return F.interpolate(positions, scale_factor=(scale, scale), mode="bicubic").flatten(2).transpose(1, 2)


def load(path, sha256=SHA256):
    """The published network in `path`. Raises JepaError when the file is missing or is not the published one."""
    path = Path(path)
    if not path.is_file():
        raise JepaError(f"encoder.weights is {path}, which does not exist; fetch dinov2_vits14_pretrain.pth to there.")
    if (found := file_hash(path)) != sha256:
        raise JepaError(f"{path} is not the published file: its sha256 is {found}, not {sha256}; fetch it again.")
    net = DinoV2()
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, TypeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise JepaError(f"{path} does not hold the weights of DINOv2 ViT-S/14 ({reason}); fetch it again.") from None
    return net
