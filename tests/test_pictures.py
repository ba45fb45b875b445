"""Where small images come from when the official ones cannot be had, and what becomes of them."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
from scipy.io import savemat

from jepa.data import glyphs, registry
from jepa.data.download import ChecksumError, NetworkError
from jepa.domains import digits, inpainting, pictures
from jepa.domains.pictures import Scale, gather, neighbours, shrink, squared_errors
from jepa.errors import JepaError
from jepa.random import rng_of
from servers import closed_port

SETTINGS = {"size": 8, "images": None}


def idx(array):
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def mat(path, count):
    rng = np.random.default_rng(count)
    images = rng.integers(256, size=(32, 32, 3, count), dtype=np.uint8)
    savemat(path, {"X": images, "y": rng.integers(1, 11, size=(count, 1), dtype=np.uint8)})


@pytest.fixture
def world(tmp_path, monkeypatch):
    """world(*datasets): a registry of all four whose servers are down, and a mirror with the files of some of them."""
    monkeypatch.delenv("JEPA_DATA_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    rng = np.random.default_rng(0)
    source, mirror = tmp_path / "source", tmp_path / "mirror"
    source.mkdir()
    mirror.mkdir()
    mat(source / "train_32x32.mat", 12)
    mat(source / "test_32x32.mat", 5)
    for name, shape in (("t10k-images", (30, 28, 28)), ("train-images", (40, 28, 28))):
        (source / f"{name}-idx3-ubyte.gz").write_bytes(idx(rng.integers(256, size=shape, dtype=np.uint8)))
    (source / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(rng.integers(10, size=30, dtype=np.uint8)))
    inflated = gzip.decompress((source / "train-images-idx3-ubyte.gz").read_bytes())
    monkeypatch.setattr(pictures, "FASHION_SHA256", hashlib.sha256(inflated).hexdigest())
    datasets = {
        "svhn_train": ["train_32x32.mat"],
        "svhn_test": ["test_32x32.mat"],
        "mnist_t10k": ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"],
        "fashion_mnist": ["train-images-idx3-ubyte.gz"],
    }

    def file(name):
        md5 = hashlib.md5((source / name).read_bytes()).hexdigest()
        return registry.RemoteFile(name, (closed_port(),), "published", None, md5)

    entries = {n: registry.Entry(n, tuple(map(file, files)), "a licence", "") for n, files in datasets.items()}
    monkeypatch.setattr(registry, "load", lambda: entries)
    from jepa.data import official

    quick = {"retries": 0, "timeout": (0.5, 0.5)}
    real = official.download
    monkeypatch.setattr(official, "download", lambda *a, **options: real(*a, **options, **quick))

    def having(*names):
        for name in names:
            for file in datasets[name]:
                (mirror / file).write_bytes((source / file).read_bytes())
        return mirror

    return having


def prepared(domain, out, mirror, source="auto", **settings):
    options = {"source": source, "mirror": mirror, "seed": 0, "settings": SETTINGS | settings, "progress": False}
    facts = domain.prepare(out, **options)
    with np.load(out, allow_pickle=False) as file:
        return facts, dict(file)


@pytest.mark.parametrize(
    "domain, has, tag, word",
    [
        (digits, ["svhn_train", "svhn_test", "mnist_t10k"], "official", "SVHN"),
        (digits, ["svhn_test", "mnist_t10k"], "mechanism", "MNIST"),
        (digits, ["fashion_mnist"], "mechanism", "glyphs"),
        (inpainting, ["mnist_t10k", "fashion_mnist"], "kind", "Fashion"),
        (inpainting, ["mnist_t10k"], "kind", "MNIST"),
        (inpainting, [], "mechanism", "glyphs"),
    ],
)
def test_stand_ins_come_in_order_and_under_their_own_names(world, tmp_path, domain, has, tag, word):
    facts, arrays = prepared(domain, tmp_path / "out.npz", world(*has), images=200)
    assert facts["tag"] == tag and word in facts["dataset"]
    assert ("SVHN" in facts["dataset"]) == (tag == "official")
    assert facts["source"] == ("generate" if word == "glyphs" else "mirror")
    assert arrays["images"].dtype == np.uint8 and arrays["images"].shape[1:] == (8, 8)
    assert facts["images"] == len(arrays["images"]) == len(arrays["labels"]) and facts["test_images"] > 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_svhn_keeps_its_own_split(world, tmp_path):
    _, arrays = prepared(digits, tmp_path / "out.npz", world("svhn_train", "svhn_test"))
    assert arrays["test"].tolist() == [False] * 12 + [True] * 5
    assert set(arrays["labels"]) <= set(range(10))


def test_a_part_of_svhn_is_of_its_kind(world, tmp_path):
    mirror = world("svhn_train", "svhn_test")
    tags = [prepared(digits, tmp_path / "out.npz", mirror, images=images)[0]["tag"] for images in (16, 17, None)]
    assert tags == ["kind", "official", "official"]


def test_a_file_that_is_asked_for_by_its_source_has_no_stand_in(world, tmp_path):
    mirror = world("mnist_t10k")
    with pytest.raises(JepaError, match="lacks train_32x32.mat"):
        prepared(digits, tmp_path / "out.npz", mirror, source="mirror")
    with pytest.raises(NetworkError):
        prepared(digits, tmp_path / "out.npz", mirror, source="download")
    assert not (tmp_path / "out.npz").exists()


def test_a_wrong_file_is_never_stood_in_for(world, tmp_path):
    mirror = world("svhn_train", "svhn_test", "mnist_t10k")
    mat(mirror / "test_32x32.mat", 6)
    with pytest.raises(ChecksumError, match="wrong file"):
        prepared(digits, tmp_path / "out.npz", mirror)


def test_the_same_seed_gives_the_same_images(world, tmp_path):
    mirror = world("mnist_t10k")
    first, again = (prepared(digits, tmp_path / f"{name}.npz", mirror, images=20)[1] for name in "ab")
    assert all((first[name] == again[name]).all() for name in first)
    assert len(first["images"]) == 20 and 0 < first["test"].sum() < 20


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(JepaError, match="raise it"):
        options = {"source": "generate", "mirror": None, "seed": 0, "progress": False}
        gather(tmp_path / "out.npz", (), settings={"size": 8, "images": 1}, **options)


@pytest.mark.parametrize(
    "settings, complaint",
    [({"size": 8}, "lack 'images'"), (SETTINGS | {"sise": 8, "kind": "digits"}, "do not have 'sise'")],
)
def test_options_that_do_not_exist_are_refused(tmp_path, settings, complaint):
    with pytest.raises(JepaError, match=complaint):
        gather(tmp_path / "out.npz", (), source="generate", mirror=None, seed=0, settings=settings)


@pytest.mark.parametrize("domain", [digits, inpainting])
def test_images_are_compared_as_pixels(domain, tmp_path):
    options = dict.fromkeys(domain.OPTIONS, 1)
    with pytest.raises(JepaError, match="use raw"):
        domain.audit({}, options | {"space": "latent", "arms": {}}, 0, tmp_path)


def test_shrinking_keeps_the_mean_and_plain_images():
    images = np.random.default_rng(0).integers(256, size=(3, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(shrink(images, 28), images)
    means = images.mean((1, 2))
    for size in (14, 16, 9):
        assert shrink(images, size).shape == (3, size, size)
        np.testing.assert_allclose(shrink(images, size).mean((1, 2)), means, atol=0.2)
    assert (shrink(np.full((1, 28, 28), 77, np.uint8), 16) == 77).all()
    np.testing.assert_array_equal(shrink(images, 14)[0, 0, 0], np.rint(images[0, :2, :2].mean()))
    with pytest.raises(JepaError, match="size is 29"):
        shrink(images, 29)


def test_a_scale_standardises_and_clips_to_black_and_white():
    images = np.random.default_rng(0).integers(256, size=(20, 8, 8), dtype=np.uint8)
    scale = Scale.of(images)
    x = scale.apply(images)
    assert abs(x.mean()) < 1e-4 and abs(x.std() - 1) < 1e-4 and x.dtype == np.float32
    np.testing.assert_allclose(scale.clip(x), x, atol=1e-6)
    ends = scale.apply(np.array([0, 255], np.uint8))
    np.testing.assert_allclose(scale.clip(np.array([-99.0, 99.0])), ends, rtol=1e-5)


def test_the_least_squared_error_of_the_target_itself_is_zero():
    target = np.random.default_rng(0).normal(size=(4, 3, 3))
    u = np.stack([target, target + 2], axis=1)
    np.testing.assert_allclose(squared_errors(u, target), np.tile([0.0, 4.0], (4, 1)))


def test_neighbours_are_train_rows_the_nearest_first():
    x = np.array([0, 1, 2, 3, 10, 2.2, 9], np.float32)[:, None, None]
    near = neighbours(x, np.array([0, 1, 2, 3, 4]), np.array([5, 6]), 2)
    assert near.tolist() == [[2, 3], [4, 3]]


def test_glyphs_that_share_an_upper_half_differ_below():
    labels = np.repeat(np.arange(10), 60)
    images = shrink(glyphs.draw(labels, rng_of("test")), 14) / 255.0
    mean = np.stack([images[labels == digit].mean(0) for digit in range(10)])

    def apart(a, b, rows):
        return np.abs(mean[a, rows] - mean[b, rows]).max()

    upper, lower = slice(0, 5), slice(5, 14)
    for a, b in ((0, 8), (8, 9), (2, 3), (5, 6)):
        assert apart(a, b, upper) < 0.2 < apart(a, b, lower)
    assert apart(0, 1, upper) > 0.4 and apart(1, 4, upper) > 0.4
    np.testing.assert_array_equal(glyphs.draw(labels, rng_of("test")), glyphs.draw(labels, rng_of("test")))
