"""Draw (tau_a, tau_z) of every training mode from the real sampler, for Figure 1."""

import argparse
from pathlib import Path

import numpy as np
import torch

from jepa.errors import run
from jepa.files import atomic_path
from jepa.models.noise_square import MODES, clean_prefix, edge_times
from jepa.random import seed_of


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400, help="draws of each mode")
    parser.add_argument("--T", type=int, default=4, help="target blocks")
    parser.add_argument("--out", required=True, type=Path)
    a = parser.parse_args()
    generator = torch.Generator().manual_seed(seed_of("figure 1"))
    clean = clean_prefix(a.rows, a.T, generator)
    tau_a, tau_z = (tau.numpy() for tau in edge_times(list(MODES), clean, a.T, "chain", generator))
    noisy = np.arange(1, a.T + 1) >= clean.numpy()[:, None]
    mode = np.broadcast_to(np.array(list(MODES))[None, :, None], tau_a.shape)
    keep = np.broadcast_to(noisy[:, None, :], tau_a.shape)
    with atomic_path(a.out) as temporary:
        np.savez_compressed(temporary, mode=mode[keep], tau_a=tau_a[keep], tau_z=tau_z[keep])


if __name__ == "__main__":
    run(main)
