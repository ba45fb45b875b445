"""A decoder for looking at latents: trained on a frozen encoder, used by no dispatch (Qantara App. H)."""

import torch
from torch import nn


class Decoder(nn.Module):
    """Latents (N, d) to frames (N, 3, size, size) in [0, 1]: a linear map, then transposed convolutions of stride 2."""

    def __init__(self, d, size, width=8):
        super().__init__()
        depth = 0
        while size % 2 == 0 and size > 7:
            size, depth = size // 2, depth + 1
        widths = [width * 2**i for i in reversed(range(depth))]
        layers = [nn.Linear(d, widths[0] * size**2), nn.ReLU(), nn.Unflatten(1, (widths[0], size, size))]
        for fan_in, fan_out in zip(widths, [*widths[1:], 3], strict=True):
            layers += [nn.ConvTranspose2d(fan_in, fan_out, 4, stride=2, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*layers[:-1])

    def logits(self, z):
        return self.net(z)

    def forward(self, z):
        return self.logits(z).sigmoid()


def decoder_loss(decoder, z, frames):
    """Binary cross-entropy of decoded pixels. z: (N, d); frames: (N, 3, size, size) in [0, 1]. Returns a scalar."""
    return nn.functional.binary_cross_entropy_with_logits(decoder.logits(z), frames)


def fit_decoder(decoder, draw, steps, lr=3e-3):
    """Train `decoder` on draw(step) -> (z, frames) for so many steps. Returns the loss of the last batch."""
    optimizer = torch.optim.Adam(decoder.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for step in range(steps):
        optimizer.zero_grad()
        loss = decoder_loss(decoder, *draw(step))
        loss.backward()
        optimizer.step()
        schedule.step()
    return float(loss.detach())
