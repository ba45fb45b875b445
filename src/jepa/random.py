"""Random numbers that depend on what they are for, never on the order in which things run."""

import hashlib

import numpy as np


def seed_of(*parts):
    """A 63-bit seed from any printable parts, such as (scale, cell, purpose)."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng_of(*parts):
    """A numpy generator seeded by `seed_of(*parts)`."""
    return np.random.default_rng(seed_of(*parts))
