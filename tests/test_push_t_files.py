"""Files of Push-T made elsewhere: each layout is read as what it holds, wrong ones are refused, nothing is executed."""

import io
import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest
import torch

from jepa.data import push_t_files, registry
from jepa.data.download import ChecksumError, digest
from jepa.data.episodes import Episodes
from jepa.data.push_t_files import convert, demonstrations, obtain
from jepa.errors import JepaError
from servers import Server, sends

RNG = np.random.default_rng(0)
POSES = RNG.uniform(100, 400, (9, 5)).astype(np.float32)
TARGETS = RNG.uniform(100, 400, (9, 2)).astype(np.float32)
ENDS = np.array([4, 9])


def npz(path, **changes):
    np.savez(path, **({"state": POSES, "action": TARGETS, "episode_ends": ENDS} | changes))
    return path


def zarr_zip(path, compressor=None, encode=bytes):
    """The three arrays as pusht.zip has them: chunks of four rows, the last one padded."""
    with zipfile.ZipFile(path, "w") as file:
        for key, array in (("data/state", POSES), ("data/action", TARGETS), ("meta/episode_ends", ENDS)):
            root = f"pusht/pusht_cchi_v7_replay.zarr/{key}"
            chunks = (4, *array.shape[1:])
            facts = {
                "shape": array.shape,
                "chunks": chunks,
                "dtype": array.dtype.str,
                "compressor": compressor,
                "filters": None,
                "order": "C",
                "fill_value": 0,
                "zarr_format": 2,
            }
            file.writestr(f"{root}/.zarray", json.dumps(facts))
            for chunk, first in enumerate(range(0, len(array), 4)):
                rows = np.zeros(chunks, array.dtype)
                rows[: len(array[first : first + 4])] = array[first : first + 4]
                file.writestr(f"{root}/{'.'.join([str(chunk)] + ['0'] * (array.ndim - 1))}", encode(rows.tobytes()))
    return path


def check(human):
    np.testing.assert_array_equal(human.poses, POSES)
    np.testing.assert_array_equal(human.targets, TARGETS)
    assert len(human) == 2
    np.testing.assert_array_equal(human[0][0], POSES[:4])
    np.testing.assert_array_equal(human[1][1], TARGETS[4:])


def test_demonstrations_come_from_an_npz_or_from_the_official_zip(tmp_path):
    check(demonstrations(npz(tmp_path / "a.npz")))
    check(demonstrations(zarr_zip(tmp_path / "pusht.zip")))


def test_compressed_chunks_are_read(tmp_path):
    numcodecs = pytest.importorskip("numcodecs")
    codec = numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.BITSHUFFLE)
    check(demonstrations(zarr_zip(tmp_path / "pusht.zip", codec.get_config(), codec.encode)))


def test_without_the_codec_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "numcodecs", None)
    with pytest.raises(JepaError, match="needs the package numcodecs"):
        demonstrations(zarr_zip(tmp_path / "pusht.zip", {"id": "blosc"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": POSES[:, :4]},
        {"action": TARGETS[:5]},
        {"episode_ends": np.array([4, 8])},
        {"episode_ends": np.array([9, 9])},
        {"state": np.where(POSES > 300, np.nan, POSES)},
        {"state": np.array([{}], dtype=object)},
    ],
)
def test_wrong_demonstrations_are_refused(tmp_path, changes):
    with pytest.raises(JepaError, match=r"a\.npz"):
        demonstrations(npz(tmp_path / "a.npz", **changes))


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.zip").write_text("hello")
    with pytest.raises(JepaError, match=r"neither pusht\.zip nor"):
        demonstrations(tmp_path / "a.zip")


# ---- obtain ----


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Register the demonstrations with these checksums and this address instead of the official ones."""
    monkeypatch.delenv("JEPA_DATA_MIRROR", raising=False)
    load = registry.load

    def make(url, zip_sha256="0" * 64, npz_sha256="0" * 64):
        path = tmp_path / f"registry{len(list(tmp_path.glob('registry*')))}.yaml"  # load remembers what it read
        path.write_text(
            f"pusht_human:\n  urls: ['{url.replace('pusht.zip', '{file}')}']\n  licence: MIT\n  files:\n"
            f"    pusht.zip: {{trust: published, sha256: '{zip_sha256}'}}\n"
            f"    pusht_cchi_v7_lowdim.npz: {{trust: bytes, sha256: '{npz_sha256}', mirror_only: true}}\n"
        )
        entries = load(path)
        monkeypatch.setattr(registry, "load", lambda: entries)

    return make


def test_a_mirror_is_used_in_place_of_the_network(tmp_path, register):
    mirror = tmp_path / "mirror" / "deep"
    mirror.mkdir(parents=True)
    file = npz(mirror / "pusht_cchi_v7_lowdim.npz")
    register("http://127.0.0.1:9/pusht.zip", npz_sha256=digest(file))
    path, facts = obtain("auto", tmp_path / "mirror", tmp_path / "data", progress=False)
    check(demonstrations(path))
    assert path.parent == tmp_path / "data"
    assert facts == {"source": "mirror", "path": str(file), "sha256": digest(file), "trust": "bytes"}


def test_a_wrong_file_in_the_mirror_is_an_error_not_a_reason_to_go_on(tmp_path, register):
    npz(tmp_path / "pusht_cchi_v7_lowdim.npz")
    register("http://127.0.0.1:9/pusht.zip")
    with pytest.raises(ChecksumError):
        obtain("auto", tmp_path, tmp_path / "data", progress=False)


def test_the_official_zip_is_downloaded_and_verified(tmp_path, register):
    content = zarr_zip(tmp_path / "a.zip").read_bytes()
    with Server(sends(content), name="pusht.zip") as server:
        register(server.url, zip_sha256=digest(tmp_path / "a.zip"))
        path, facts = obtain("auto", None, tmp_path / "data", progress=False)
    check(demonstrations(path))
    assert facts["source"] == "download" and facts["url"] == server.url
    with Server(sends(content + b"x"), name="pusht.zip") as server:
        register(server.url, zip_sha256=digest(tmp_path / "a.zip"))
        with pytest.raises(ChecksumError):
            obtain("auto", None, tmp_path / "other", progress=False)


def test_sources_that_lack_it_are_named(tmp_path, register):
    register("http://127.0.0.1:9/pusht.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(JepaError, match=r"lacks pusht\.zip or pusht_cchi_v7_lowdim\.npz"):
        obtain("mirror", tmp_path / "empty", tmp_path / "data")
    assert obtain("generate", None, tmp_path / "data") == (
        None,
        {"source": "generate", "message": "data.source is generate"},
    )
    with pytest.raises(JepaError, match="must be one of"):
        obtain("web", None, tmp_path / "data")


# ---- full datasets ----

LENGTHS = [5, 3]
STATES = RNG.uniform(0, 6, (2, 6, 5)).astype(np.float32)
VELOCITIES = RNG.normal(0, 50, (2, 6, 2)).astype(np.float32)
ACTIONS = RNG.uniform(-80, 80, (2, 6, 2)).astype(np.float32)


def dino_wm(path, lengths=LENGTHS):
    with zipfile.ZipFile(path, "w") as file:
        for split in ("val", "train"):
            scale = 1 if split == "train" else 0
            for name, array in (("states", STATES), ("velocities", VELOCITIES), ("rel_actions", ACTIONS)):
                content = io.BytesIO()
                torch.save(torch.from_numpy(scale * array), content)
                file.writestr(f"pusht_noise/{split}/{name}.pth", content.getvalue())
            file.writestr(f"pusht_noise/{split}/seq_lengths.pkl", pickle.dumps(lengths))
    return path


def lewm(path):
    """Episodes out of order and with a row between them that belongs to none."""
    with h5py.File(path, "w") as file:
        file["ep_len"], file["ep_offset"] = [5, 3], [4, 0]
        state, action = np.zeros((9, 7), np.float64), np.zeros((9, 2), np.float32)
        for first, episode, length in ((4, 0, 5), (0, 1, 3)):
            state[first : first + length, :5] = STATES[episode, :length]
            state[first : first + length, 5:] = VELOCITIES[episode, :length]
            action[first : first + length] = ACTIONS[episode, :length] / 100
        file["state"], file["action"], file["pixels"] = state, action, np.zeros((9, 2, 2, 3), np.uint8)
    return path


def zst(path):
    zstandard = pytest.importorskip("zstandard")
    plain = lewm(path.with_suffix(""))
    path.write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    plain.unlink()
    return path


@pytest.mark.parametrize(("make", "name"), [(dino_wm, "pusht_noise.zip"), (lewm, "train.h5"), (zst, "train.h5.zst")])
def test_full_datasets_become_our_episodes(tmp_path, make, name):
    source = make(tmp_path / name)
    facts = convert(source, tmp_path / "out.h5")
    episodes = Episodes.open(tmp_path / "out.h5")
    assert episodes.env == "push_t" and episodes.ep_len.tolist() == LENGTHS
    rows = [STATES[i, :length] for i, length in enumerate(LENGTHS)]
    np.testing.assert_array_equal(episodes.states[:, :5], np.concatenate(rows))
    np.testing.assert_array_equal(episodes.states[:5, 5:7], VELOCITIES[0, :5])
    assert (episodes.states[:, 7:] == 0).all()
    np.testing.assert_allclose(episodes.actions[:4], ACTIONS[0, :4] / 100)
    assert np.isnan(episodes.actions[[4, 7]]).all()
    np.testing.assert_array_equal(episodes.target, episodes.states[[4, 7]])
    assert facts["episodes"] == 2 and facts["rows"] == 8 and facts["mean_steps"] == 3
    assert facts["tag"] == "kind" and facts["sha256"] == digest(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.h5"])


class Trap:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("lengths", [Trap(), [99, 3], [5], "text"])
def test_wrong_or_dangerous_lengths_are_refused(tmp_path, lengths, capsys):
    with pytest.raises(JepaError):
        convert(dino_wm(tmp_path / "a.zip", lengths), tmp_path / "out.h5")
    assert "executed" not in capsys.readouterr().out
    assert not (tmp_path / "out.h5").exists()


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.h5").write_text("hello")
    for path in (tmp_path / "a.h5", zarr_zip(tmp_path / "a.zip"), tmp_path / "none.h5"):
        with pytest.raises(JepaError, match=path.name):
            convert(path, tmp_path / "out.h5")


def test_the_registry_knows_the_demonstrations():
    assert [file.name for file in registry.entry(push_t_files.DATASET).files] == [
        "pusht.zip",
        "pusht_cchi_v7_lowdim.npz",
    ]
