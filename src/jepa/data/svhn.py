"""Cropped house-number digits: train_32x32.mat and test_32x32.mat of SVHN (Netzer et al. 2011).

Each MATLAB file has X: (32, 32, 3, N) uint8 and y: (N, 1) with the digit, where 10 stands for 0.
"""

import numpy as np

from jepa.errors import JepaError

SIDE = 32  # pixels
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def read(path):
    """Images and digits of one file: (N, 32, 32, 3) uint8 and (N,) int64 in 0..9. Raises JepaError for another file."""
    from scipy.io import loadmat  # half a second that other data need not wait for

    try:
        with open(path, "rb") as file:
            content = loadmat(file, variable_names=["X", "y"])
    except FileNotFoundError:
        raise JepaError(f"{path} does not exist; fetch it again.") from None
    except Exception as error:  # scipy, zlib and struct raise half a dozen kinds for damaged files
        raise JepaError(f"{path} is no complete MATLAB file ({error!r}); fetch it again.") from None
    if missing := {"X", "y"} - set(content):
        raise JepaError(f"{path} has no variable {min(missing)}; SVHN's cropped digits have X and y. Fetch it again.")
    images, labels = content["X"], content["y"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (SIDE, SIDE, 3) or not images.shape[3]:
        raise JepaError(
            f"{path}: X is {images.dtype} of shape {images.shape}, but SVHN's cropped digits are uint8 of shape "
            f"({SIDE}, {SIDE}, 3, N); fetch train_32x32.mat or test_32x32.mat."
        )
    if labels.size != images.shape[3] or not np.isin(labels, range(1, 11)).all():
        raise JepaError(
            f"{path}: y must give one digit from 1 to 10 for each of {images.shape[3]} images; fetch it again."
        )
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels.reshape(-1).astype(np.int64) % 10


def grey(images):
    """Luma of colour images. images: (N, H, W, 3) uint8. Returns (N, H, W) uint8."""
    out = np.empty(images.shape[:3], np.uint8)
    for start in range(0, len(images), 4096):
        part = slice(start, start + 4096)
        out[part] = np.rint(images[part].astype(np.float32) @ np.float32(LUMA))
    return out
