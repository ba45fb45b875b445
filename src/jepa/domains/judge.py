"""A small convolutional classifier of grey images: it says which digit an image shows, or may yet become."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from jepa.random import rng_of, seed_of
from jepa.training.loop import fit


class Classifier(nn.Module):
    """Three convolutions 3 x 3, `width` wide and twice that, the last two of stride 2, and a linear layer.

    (N, 1, H, W) float32 to logits (N, classes).
    """

    def __init__(self, height, width_px, width, classes=10):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        features = 2 * width * -(-height // 4) * -(-width_px // 4)
        self.out = nn.Linear(features, classes)

    def forward(self, x):
        return self.out(self.layers(x))

    def loss(self, x, labels):
        """Cross-entropy of x: (B, 1, H, W) and labels: (B,) int64. Returns (scalar, info)."""
        logits = self(x)
        loss = F.cross_entropy(logits, labels)
        return loss, {"accuracy": (logits.argmax(-1) == labels).float().mean()}

    def after_step(self):
        """Nothing follows a step (see jepa.training.loop.fit)."""


def train_classifier(images, labels, settings, name, checkpoint, progress=False):
    """A Classifier of `images`: (N, H, W) float32, about unit variance; labels: (N,) int in 0..9.

    settings: {width, steps, batch_size, lr}. name: tuple that seeds it; another name, another initialisation and other
    batches. checkpoint: path of the resume file, which goes when training has ended.
    """
    torch.manual_seed(seed_of("classifier", *name))
    model = Classifier(*images.shape[1:], settings["width"])
    x, y = torch.from_numpy(images)[:, None], torch.from_numpy(labels)

    def draw(chunk, size):
        rng = rng_of("classifier batches", *name, chunk)
        for rows in rng.integers(len(x), size=(size, settings["batch_size"])):
            yield x[rows], y[rows]

    fit(
        model,
        draw,
        steps=settings["steps"],
        lr=settings["lr"],
        lr_floor=0.05,
        weight_decay=1e-4,
        checkpoint=checkpoint,
        fingerprint=f"classifier {name} {settings} {images.shape}",
        progress=progress,
    )
    checkpoint.unlink(missing_ok=True)
    return model.eval()


@torch.no_grad()
def probabilities(model, images):
    """P(digit | image). images: (N, H, W) float32. Returns (N, classes) float64."""
    parts = torch.from_numpy(np.ascontiguousarray(images, np.float32))[:, None].split(2048)
    return torch.cat([model(part).double().softmax(-1) for part in parts]).numpy()
