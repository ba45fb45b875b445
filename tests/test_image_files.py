"""Files of images: idx.gz of the MNIST family and SVHN's .mat, read whole or refused in a sentence."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from jepa.data import idx_images, svhn
from jepa.errors import JepaError

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def idx(array, kind=8, shape=None):
    """The bytes of an idx file."""
    shape = array.shape if shape is None else shape
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def gzipped(path, content):
    path.write_bytes(gzip.compress(content))
    return path


def mat(path, count=4, **other):
    images = np.random.default_rng(0).integers(256, size=(32, 32, 3, count), dtype=np.uint8)
    content = {"X": images, "y": np.array([[1], [9], [10], [2]], np.uint8)[:count]} | other
    savemat(path, {name: value for name, value in content.items() if value is not None}, do_compression=True)
    return images


def test_idx_images_come_in_row_order(tmp_path):
    path = gzipped(tmp_path / "images.gz", idx(IMAGES))
    np.testing.assert_array_equal(idx_images.read_images(path), IMAGES)


def test_idx_images_may_be_asked_for_by_the_sha256_of_what_they_inflate_to(tmp_path):
    content = idx(IMAGES)
    path = gzipped(tmp_path / "images.gz", content)
    assert idx_images.read_images(path, sha256=hashlib.sha256(content).hexdigest()).shape == IMAGES.shape
    with pytest.raises(JepaError, match="inflates to bytes with the sha256"):
        idx_images.read_images(path, sha256="0" * 64)


def test_idx_labels_are_classes(tmp_path):
    path = gzipped(tmp_path / "labels.gz", idx(np.array([0, 9, 3], np.uint8)))
    labels = idx_images.read_labels(path)
    assert labels.dtype == np.int64 and labels.tolist() == [0, 9, 3]
    with pytest.raises(JepaError, match="label 9, but only 9 classes"):
        idx_images.read_labels(path, classes=9)


@pytest.mark.parametrize(
    "content, complaint",
    [
        (b"", "begins with nothing"),
        (idx(IMAGES, kind=13), "begins with 00000d03"),
        (idx(IMAGES[0]), "begins with 00000802"),
        (idx(IMAGES)[:10], "begins with 00000803"),
        (idx(IMAGES)[:-1], "60 bytes|76 bytes"),
        (idx(IMAGES) + b"x", "76 bytes with its header, but has 77"),
        (idx(IMAGES, shape=(2**32 - 1,) * 3), "but has 76"),
        (idx(IMAGES[:0]), "shape"),
    ],
)
def test_what_is_no_idx_file_of_images_is_refused(tmp_path, content, complaint):
    with pytest.raises(JepaError, match=complaint):
        idx_images.read_images(gzipped(tmp_path / "images.gz", content))


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no gzip" + b, lambda b: b[:-9] + bytes(9)])
def test_a_damaged_gzip_file_is_refused(tmp_path, damage):
    path = tmp_path / "images.gz"
    path.write_bytes(damage(gzip.compress(idx(IMAGES))))
    with pytest.raises(JepaError, match="no complete gzip file"):
        idx_images.read_images(path)


def test_missing_files_are_said(tmp_path):
    with pytest.raises(JepaError, match="does not exist"):
        idx_images.read_images(tmp_path / "images.gz")
    with pytest.raises(JepaError, match="does not exist"):
        svhn.read(tmp_path / "train_32x32.mat")


def test_svhn_images_are_rows_and_its_ten_is_a_zero(tmp_path):
    stored = mat(tmp_path / "test_32x32.mat")
    images, labels = svhn.read(tmp_path / "test_32x32.mat")
    assert images.shape == (4, 32, 32, 3) and images.dtype == np.uint8
    for n in range(4):
        np.testing.assert_array_equal(images[n], stored[..., n])
    assert labels.tolist() == [1, 9, 0, 2]


@pytest.mark.parametrize(
    "other, complaint",
    [
        ({"X": None}, "no variable X"),
        ({"y": None}, "no variable y"),
        ({"X": np.zeros((4, 32, 32, 3), np.uint8)}, "X is uint8 of shape"),
        ({"X": np.zeros((32, 32, 3, 4))}, "X is float64"),
        ({"y": np.array([[1], [2], [3]], np.uint8)}, "one digit from 1 to 10"),
        ({"y": np.array([[1], [2], [3], [0]], np.uint8)}, "one digit from 1 to 10"),
    ],
)
def test_a_mat_file_of_something_else_is_refused(tmp_path, other, complaint):
    mat(tmp_path / "other.mat", **other)
    with pytest.raises(JepaError, match=complaint):
        svhn.read(tmp_path / "other.mat")


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_mat_file_is_refused(tmp_path, keep):
    mat(tmp_path / "train_32x32.mat")
    content = (tmp_path / "train_32x32.mat").read_bytes()
    (tmp_path / "train_32x32.mat").write_bytes(content[: int(keep * len(content))])
    with pytest.raises(JepaError, match="no complete MATLAB file|no variable"):
        svhn.read(tmp_path / "train_32x32.mat")


def test_grey_keeps_greys_and_weighs_green_most():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None, None], 3, axis=3)
    np.testing.assert_array_equal(svhn.grey(greys)[:, 0, 0], np.arange(256))
    red, green, blue = svhn.grey(np.diag([255, 255, 255]).astype(np.uint8)[:, None, None])[:, 0, 0]
    assert green > red > blue


def test_mnist_of_the_mirror_is_whole():
    mirror = os.environ.get("JEPA_DATA_MIRROR", "")
    folders = [path.parent for path in Path(mirror).rglob("t10k-labels-idx1-ubyte.gz")] if mirror else []
    if not folders:
        pytest.skip("JEPA_DATA_MIRROR names no folder with MNIST's test digits")
    images = idx_images.read_images(folders[0] / "t10k-images-idx3-ubyte.gz")
    labels = idx_images.read_labels(folders[0] / "t10k-labels-idx1-ubyte.gz")
    assert images.shape == (10_000, 28, 28) and 0.1 < images.mean() / 255 < 0.3
    assert len(labels) == 10_000 and (np.bincount(labels, minlength=10) > 850).all()
