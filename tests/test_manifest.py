"""The evaluation manifest: held-out pairs only, the same for everyone, and no edit goes unnoticed."""

import numpy as np
import pytest

from jepa.data import manifest
from jepa.data.episodes import Episodes, clip_split
from jepa.data.generate_two_room import generate
from jepa.errors import JepaError
from jepa.files import read_json, write_json


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "two_room.h5"
    generate(path, seed=0, episodes=50)
    return Episodes.open(path)


@pytest.fixture(scope="module")
def held_out(episodes):
    return episodes.split(0.2)[1]


@pytest.fixture
def frozen(episodes, held_out):
    return manifest.make(episodes, held_out, 100)


def test_pairs_lie_25_steps_apart_in_one_held_out_episode(episodes, held_out, frozen):
    assert (frozen["env"], frozen["offset"], frozen["budget"], len(frozen["pairs"])) == ("two_room", 25, 50, 100)
    assert frozen["protocol"] == "repaired"
    for pair in frozen["pairs"]:
        first = episodes.ep_offset[pair["episode"]]
        assert pair["episode"] in held_out
        assert pair["goal_row"] - pair["start_row"] == 25
        assert first <= pair["start_row"] and pair["goal_row"] < first + episodes.ep_len[pair["episode"]]
    assert len({pair["start_row"] for pair in frozen["pairs"]}) == 100


def test_the_same_seed_gives_the_same_manifest(episodes, held_out, frozen):
    assert manifest.make(episodes, held_out, 100) == frozen
    assert manifest.make(episodes, held_out, 100, seed=1)["hash"] != frozen["hash"]


def test_a_manifest_survives_its_file(tmp_path, episodes, frozen):
    manifest.write(tmp_path / "m.json", frozen)
    assert manifest.read(tmp_path / "m.json", episodes) == frozen


@pytest.mark.parametrize(
    "key, value", [("budget", 100), ("offset", 24), ("env", "push_t"), ("pairs", []), ("protocol", "released")]
)
def test_an_edited_manifest_is_refused(tmp_path, frozen, key, value):
    manifest.write(tmp_path / "m.json", frozen)
    write_json(tmp_path / "m.json", read_json(tmp_path / "m.json") | {key: value})
    with pytest.raises(JepaError, match="does not fit its hash"):
        manifest.read(tmp_path / "m.json")


def test_a_file_of_another_kind_is_refused(tmp_path):
    write_json(tmp_path / "m.json", {"pairs": []})
    with pytest.raises(JepaError, match="no evaluation manifest"):
        manifest.read(tmp_path / "m.json")


@pytest.mark.parametrize("episodes_made", [5, 50])
def test_a_manifest_of_another_dataset_is_refused(tmp_path, frozen, episodes_made):
    generate(tmp_path / "other.h5", seed=9, episodes=episodes_made)
    with pytest.raises(JepaError, match="another dataset"):
        manifest.verify(frozen, Episodes.open(tmp_path / "other.h5"))


def test_under_the_released_protocol_pairs_come_from_the_episodes_of_training(episodes):
    training, evaluated = episodes.split(0.2, 0, "released")
    assert np.array_equal(training, np.arange(50)) and np.array_equal(evaluated, training)
    released = manifest.make(episodes, evaluated, 400, protocol="released")
    kept_apart = set(episodes.split(0.2, 0)[1].tolist())
    drawn = {pair["episode"] for pair in released["pairs"]}
    assert released["protocol"] == "released" and drawn - kept_apart and drawn & kept_apart


def test_the_released_protocol_holds_out_clips_and_the_repaired_one_none(episodes):
    data = {"holdout": 0.1, "split_seed": 0, "protocol": "released"}
    windows = episodes.windows(episodes.split(0.1, 0, "released")[0])
    training, held_out = clip_split(windows, data)
    assert len(held_out) == round(0.1 * len(windows)) and not set(training) & set(held_out)
    assert sorted([*training, *held_out]) == windows.tolist()
    assert np.array_equal(clip_split(windows, data)[1], held_out)
    assert not np.array_equal(clip_split(windows, data | {"split_seed": 1})[1], held_out)
    shared = np.intersect1d(training[:, None] + np.arange(20), held_out[:, None] + np.arange(20))
    assert len(shared) > 0.9 * np.unique(held_out[:, None] + np.arange(20)).size  # what it leaks
    assert all(np.array_equal(part, windows) for part in clip_split(windows, data | {"protocol": "repaired"}))


def test_an_unknown_protocol_is_refused(episodes):
    with pytest.raises(JepaError, match="choose one of repaired, released"):
        episodes.split(0.1, 0, "leaked")


def test_more_pairs_than_there_are_cannot_be_drawn(episodes, held_out):
    with pytest.raises(JepaError, match="ask for fewer"):
        manifest.make(episodes, held_out, 10_000)
    with pytest.raises(JepaError, match="1000 steps apart"):
        manifest.make(episodes, held_out, 1, offset=1000)


def test_the_states_of_the_pairs_are_rows_of_the_dataset(episodes, frozen):
    start, goal = manifest.starts_and_goals(episodes, frozen)
    assert start.shape == goal.shape == (100, 2)
    assert np.array_equal(goal[3], episodes.states[frozen["pairs"][3]["goal_row"]])
