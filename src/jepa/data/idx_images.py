"""Images and labels in the idx.gz files of MNIST and Fashion-MNIST (LeCun et al. 1998; Xiao et al. 2017).

A file holds two zero bytes, a type code (8 = unsigned byte), the number of axes, each axis's length as a big-endian
32-bit number, and the values in row order; all of it gzipped.
"""

import gzip
import hashlib
import zlib

import numpy as np

from jepa.errors import JepaError

UNSIGNED_BYTE = 8


def read_images(path, sha256=None):
    """Images of an idx3 file: (N, H, W) uint8. sha256: of the inflated bytes, None for any. Raises JepaError."""
    return _read(path, 3, sha256)


def read_labels(path, classes=10):
    """Labels of an idx1 file: (N,) int64 below `classes`. Raises JepaError for anything else."""
    labels = _read(path, 1, None).astype(np.int64)
    if labels.max() >= classes:
        raise JepaError(f"{path} has the label {labels.max()}, but only {classes} classes exist; fetch it again.")
    return labels


def _read(path, axes, sha256):
    """The array of `axes` axes in the gzipped idx file `path`. Raises JepaError where its form or its bytes differ."""
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise JepaError(f"{path} does not exist; fetch it again.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise JepaError(f"{path} is no complete gzip file ({error}); fetch it again.") from None
    magic = bytes([0, 0, UNSIGNED_BYTE, axes])
    header = 4 + 4 * axes
    if content[:4] != magic or len(content) < header:
        raise JepaError(
            f"{path} begins with {content[:4].hex() or 'nothing'}, not with {magic.hex()}, an idx file of {axes} axes "
            "of bytes; fetch it again."
        )
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", axes, offset=4))
    expected = header + int(np.prod(shape, dtype=object))
    if 0 in shape or len(content) != expected:
        raise JepaError(
            f"{path} says it holds an array of shape {shape}, {expected} bytes with its header, but has "
            f"{len(content)}; fetch it again."
        )
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise JepaError(f"{path} inflates to bytes with the sha256 {found}, not {sha256}; fetch it again.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
