"""Fetching a maze dataset: mirror, then download, then generator; both files or none; nothing unverified."""

import json
import sys
import time
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jepa.data import registry
from jepa.data.download import ChecksumError, NetworkError, digest
from jepa.data.fetch import fetch, sources, validate_maze_dataset
from jepa.envs.point_maze import MAZES
from jepa.errors import JepaError
from servers import Server, closed_port, hangs, holds, refuses, sends

DATASET = "pointmaze-teleport-navigate"
TRAIN, VAL = f"{DATASET}-v0.npz", f"{DATASET}-v0-val.npz"


def arrays(episodes=2, steps=5, seed=0):
    rng = np.random.default_rng(seed)
    n = episodes * steps
    ends = np.arange(n) % steps == steps - 1
    return {key: rng.random((n, 2), np.float32) for key in ("observations", "actions", "qpos", "qvel")} | {
        "terminals": ends
    }


def write(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **(arrays() | changes))
    return path


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("JEPA_DATA_MIRROR", raising=False)


@pytest.fixture
def register(monkeypatch, tmp_path):
    """Make the dataset come from the given addresses, with the given sha256 of its training file."""

    load = registry.load

    def register(*urls, sha256=None):
        facts = {"trust": "published", "sha256": sha256} if sha256 else {"trust": "tofu"}
        entry = {"urls": list(urls), "files": {TRAIN: facts, VAL: {"trust": "tofu"}}, "licence": "none"}
        path = tmp_path / f"registry{len(files(tmp_path))}.yaml"  # load remembers what it read from a path
        path.write_text(json.dumps({DATASET: entry}))
        entries = load(path)
        monkeypatch.setattr(registry, "load", lambda: entries)

    register(closed_port().replace("data.npz", "{file}"))
    return register


@pytest.fixture
def generator(monkeypatch):
    """A generator that writes small files and lists how it was called."""
    calls = []

    def generate(dataset, train_path, val_path, seed, train_episodes=None, progress=True):
        calls.append((dataset, seed, train_episodes))
        spec = next(spec for spec in MAZES.values() if spec.dataset == dataset)
        episodes = train_episodes or spec.train_episodes
        write(Path(train_path), **arrays(episodes, spec.episode_steps, seed))
        write(Path(val_path), **arrays(1, spec.episode_steps, seed + 1))
        return {"generator": "a stand-in"}

    monkeypatch.setitem(sys.modules, "jepa.data.generate_mazes", types.SimpleNamespace(generate=generate))
    return calls


@pytest.fixture
def small(monkeypatch):
    """Let two episodes of five steps be the official size."""
    spec = MAZES["teleport"]
    monkeypatch.setitem(MAZES, "teleport", type(spec)(**vars(spec) | {"train_episodes": 2, "episode_steps": 5}))


@pytest.fixture
def mirror(tmp_path):
    write(tmp_path / "mirror" / "some" / "where" / TRAIN)
    write(tmp_path / "mirror" / VAL, **arrays(seed=1))
    return tmp_path / "mirror"


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def get(data, **options):
    train, val = data / f"{DATASET}.npz", data / f"{DATASET}-val.npz"
    return fetch(DATASET, train, val, **{"seed": 3, "progress": False} | options)


def files(folder):
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


BOTH = [f"{DATASET}-val.npz", f"{DATASET}.npz"]


# ---- mirror ----


def test_a_mirror_is_searched_at_any_depth_and_comes_first(register, generator, small, mirror, data):
    facts = get(data, mirror=mirror)
    assert (facts["source"], facts["tag"], facts["seed"]) == ("mirror", "official", None)
    assert facts["path"] == {TRAIN: str(mirror / "some/where" / TRAIN), VAL: str(mirror / VAL)}
    assert facts["trust"] == {TRAIN: "unverified", VAL: "unverified"} and "unverified" in facts["message"]
    assert facts["sha256"][BOTH[1]] == digest(mirror / "some/where" / TRAIN)
    assert files(data) == BOTH
    assert not generator


def test_the_mirror_can_come_from_the_environment(register, small, mirror, data, monkeypatch):
    monkeypatch.setenv("JEPA_DATA_MIRROR", str(mirror))
    assert get(data, source="mirror")["source"] == "mirror"


def test_a_verified_mirror_file_says_so(register, small, mirror, data):
    register("https://example.invalid/{file}", sha256=digest(mirror / "some/where" / TRAIN))
    assert get(data, source="mirror", mirror=mirror)["trust"] == {TRAIN: "published", VAL: "unverified"}


@pytest.mark.parametrize("source", ["auto", "mirror"])
def test_a_mirror_file_with_a_wrong_checksum_is_an_error_under_every_source(register, generator, mirror, data, source):
    register("https://example.invalid/{file}", sha256="0" * 64)
    with pytest.raises(ChecksumError, match="wrong file"):
        get(data, source=source, mirror=mirror)
    assert files(data) == [] and not generator
    assert (mirror / "some/where" / TRAIN).exists()


def test_of_two_mirror_files_the_checksum_chooses_and_without_one_the_user_must(register, small, mirror, data):
    write(mirror / TRAIN, **arrays(seed=9))
    with pytest.raises(JepaError, match="different files of one name"):
        get(data, source="mirror", mirror=mirror)
    right = mirror / "some/where" / TRAIN
    register("https://example.invalid/{file}", sha256=digest(right))
    assert get(data, source="mirror", mirror=mirror)["path"][TRAIN] == str(right)


def test_a_link_out_of_the_mirror_is_refused_and_one_inside_is_fine(register, small, mirror, data, tmp_path):
    (mirror / VAL).rename(mirror / "blob")
    (mirror / VAL).symlink_to("blob")
    assert get(data, source="mirror", mirror=mirror)["source"] == "mirror"
    (mirror / "blob").rename(tmp_path / "blob")
    (mirror / VAL).unlink()
    (mirror / VAL).symlink_to(tmp_path / "blob")
    with pytest.raises(JepaError, match="leads out of the mirror"):
        get(data, source="mirror", mirror=mirror)


def test_a_mirror_that_is_asked_for_must_exist_and_be_complete(register, mirror, data):
    with pytest.raises(JepaError, match="no mirror is set.*data.source to auto"):
        get(data, source="mirror")
    with pytest.raises(JepaError, match="is no folder"):
        get(data, source="auto", mirror=data / "nowhere")
    (mirror / VAL).unlink()
    with pytest.raises(JepaError, match=f"lacks {VAL}"):
        get(data, source="mirror", mirror=mirror)
    assert files(data) == []


def test_an_official_name_alone_makes_no_official_data(register, mirror, data):
    facts = get(data, mirror=mirror)
    assert facts["tag"] == "kind" and "official size" in facts["message"]


# ---- download ----


def test_a_download_is_official_pinned_and_leaves_nothing_behind(register, generator, small, mirror, data):
    bodies = {TRAIN: (mirror / "some/where" / TRAIN).read_bytes(), VAL: (mirror / VAL).read_bytes()}
    with Server(holds({name: sends(body) for name, body in bodies.items()}), name="{file}") as server:
        register(closed_port().replace("data.npz", "{file}"), server.url)
        facts = get(data)
        assert facts["url"] == {name: server.url.replace("{file}", name) for name in (TRAIN, VAL)}
    assert (facts["source"], facts["tag"]) == ("download", "official")
    assert facts["trust"] == {TRAIN: "tofu", VAL: "tofu"}
    assert files(data) == sorted([*BOTH, "pins.json"])
    assert set(json.loads((data / "pins.json").read_text())) == {TRAIN, VAL}
    assert not generator


def test_a_server_that_changes_a_pinned_file_stops_everything(register, generator, small, mirror, data):
    good, val = (mirror / "some/where" / TRAIN).read_bytes(), (mirror / VAL).read_bytes()
    with Server(holds({TRAIN: sends(good), VAL: sends(val)}), name="{file}") as server:
        register(server.url)
        before = get(data)["sha256"]
        server.replies = [holds({TRAIN: sends(val), VAL: sends(val)})]
        with pytest.raises(ChecksumError, match="pins.json"):
            get(data)
    assert {name: digest(data / name) for name in BOTH} == before
    assert files(data / "downloads") == [f"{TRAIN}.rejected"]
    assert not generator


def test_invalid_content_from_a_server_is_an_error_even_under_auto(register, generator, data):
    with Server(sends(b"PK\x03\x04 and no more"), name="{file}") as server:
        register(server.url)
        with pytest.raises(JepaError, match="no npz file; kept aside"):
            get(data)
    assert not generator and not (data / BOTH[0]).exists()


def test_without_network_auto_says_so_and_generates(register, generator, data, capsys):
    before = time.monotonic()
    facts = get(data)
    assert time.monotonic() - before < 5.0
    assert (facts["source"], facts["tag"], facts["seed"]) == ("generate", "same", 3)
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "no mirror is set" in said and "could not be downloaded" in said
    assert facts["message"] in said
    assert files(data) == BOTH


def test_without_network_download_is_an_error_that_says_what_to_do(register, generator, data):
    with pytest.raises(NetworkError, match="JEPA_DATA_MIRROR.*generate"):
        get(data, source="download")
    assert files(data) == [] and not generator


def test_a_source_with_one_of_the_two_files_is_no_source(register, generator, mirror, data):
    with Server(holds({VAL: sends((mirror / VAL).read_bytes())}), name="{file}") as server:
        register(server.url)
        with pytest.raises(NetworkError, match="HTTP 404"):
            get(data, source="download")
        assert not (data / BOTH[0]).exists()
        assert get(data)["source"] == "generate"


# ---- generate ----


def test_another_size_is_generated_whatever_the_source_and_is_tagged_so(register, generator, mirror, data):
    facts = get(data, source="mirror", mirror=mirror, train_episodes=4)
    assert (facts["source"], facts["tag"]) == ("generate", "kind")
    assert generator == [(DATASET, 3, 4)]
    assert "4 training episodes" in facts["message"]


def test_the_official_size_in_figures_is_the_official_size(register, small, mirror, data):
    assert get(data, source="mirror", mirror=mirror, train_episodes=2)["source"] == "mirror"


def test_a_generator_that_fails_leaves_nothing(register, data, monkeypatch):
    def generate(dataset, train_path, val_path, seed, **_):
        write(Path(train_path))
        raise RuntimeError("out of luck")

    monkeypatch.setitem(sys.modules, "jepa.data.generate_mazes", types.SimpleNamespace(generate=generate))
    with pytest.raises(RuntimeError):
        get(data, source="generate")
    assert files(data) == []


def test_the_leftovers_of_a_killed_run_are_cleared(register, generator, data):
    write(data / f".{DATASET}.staging" / "train.npz")
    get(data, source="generate", train_episodes=2)
    assert files(data) == BOTH


def test_two_processes_do_not_write_the_same_dataset(register, data, monkeypatch):
    def generate(*_, **__):
        get(data, source="generate")

    monkeypatch.setitem(sys.modules, "jepa.data.generate_mazes", types.SimpleNamespace(generate=generate))
    with pytest.raises(JepaError, match="Another process"):
        get(data, source="generate")


def test_the_real_generator_fits(data):
    facts = get(data, source="generate", train_episodes=2)
    assert validate_maze_dataset(data / BOTH[1]) == (2 * MAZES["teleport"].episode_steps, 2)
    assert facts["tag"] == "kind" and json.dumps(facts)


def test_unknown_names_are_answered_with_the_known_ones(data):
    with pytest.raises(JepaError, match="one of auto, mirror, download, generate"):
        get(data, source="internet")
    with pytest.raises(JepaError, match="pointmaze-large-stitch"):
        fetch("pointmaze-giant", data / "a.npz", data / "b.npz", seed=0)


# ---- content ----


def test_a_good_file_is_valid(tmp_path):
    assert validate_maze_dataset(write(tmp_path / "a.npz")) == (10, 2)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"observations": np.zeros((10, 3), np.float32)}, "observations is float32 of shape"),
        ({"actions": np.zeros((9, 2), np.float32)}, "actions is float32 of shape"),
        ({"actions": np.zeros((10, 2))}, "actions is float64"),
        ({"terminals": np.zeros(10)}, "terminals is float64"),
        ({"terminals": np.zeros(10, bool)}, "ends an episode"),
        ({"qpos": np.full((10, 2), np.nan, np.float32)}, "qpos holds values that are not finite"),
        ({"qvel": np.array(None, dtype=object)}, "damaged"),
        ({"observations": np.float32(1)}, "observations is float32 of shape"),
        (arrays(0), "ends an episode"),
    ],
)
def test_wrong_content_is_named(tmp_path, change, complaint):
    with pytest.raises(JepaError, match=complaint):
        validate_maze_dataset(write(tmp_path / "a.npz", **change))


def test_damaged_files_are_sentences(tmp_path):
    path = write(tmp_path / "a.npz")
    whole = path.read_bytes()
    for body in (b"", b"<html>", whole[:-100], whole[:100] + bytes(200) + whole[300:]):
        path.write_bytes(body)
        with pytest.raises(JepaError, match="no npz file|damaged"):
            validate_maze_dataset(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("observations.txt", "1")
    with pytest.raises(JepaError, match="no array 'observations'"):
        validate_maze_dataset(path)
    with pytest.raises(JepaError, match="no npz file"):
        validate_maze_dataset(tmp_path / "absent.npz")


# ---- which sources answer ----


def test_sources_are_listed_with_their_answers_quickly(register, mirror):
    with Server(refuses(404), name="{file}") as empty, Server(hangs(9), name="{file}") as mute:
        register(empty.url, mute.url)
        before = time.monotonic()
        answers = sources(DATASET, mirror, seconds=0.3)
        assert time.monotonic() - before < 1.0
    assert [name for name, _ in answers][::3] == ["mirror", "generate"]
    assert "has 2 of 2 files" in answers[0][1]
    assert "404" in answers[1][1] and "no answer" in answers[2][1]
    assert "not set" in sources(DATASET)[0][1]
    assert "is no folder" in sources(DATASET, "/nowhere")[0][1]
    assert "no dataset called" in sources("pointmaze-giant")[0][1]
