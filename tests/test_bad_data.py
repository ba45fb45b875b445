"""Damaged and foreign data: each program that reads them ends in one sentence and exit code 2, and writes nothing."""

import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from bad_input import Trap, call, options, outputs, refused
from good_files import MAZE, MOP, QANTARA, changed, good_fixture, walk
from jepa.data.manifest import _hash
from jepa.files import read_json, write_json

__all__ = ["good_fixture"]
HUGE = 2**62


def text(good, folder, name):
    (folder / name).write_text("not what its name says")


def cut(good, folder, name):
    content = (good / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


def empty(good, folder, name):
    (folder / name).touch()


def a_folder(good, folder, name):
    (folder / name).mkdir()


def pickled(good, folder, name):
    with np.load(good / name) as file:
        arrays = {key: np.array([Trap(folder / "pwned")], dtype=object) for key in file.files}
    np.savez(folder / name, **arrays)


def bomb(good, folder, name):
    """A header that promises more than any memory holds, before a few bytes."""
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000, 2)}"
    member = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n" + bytes(64)
    with np.load(good / name) as file, zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as out:
        for key in file.files:
            out.writestr(f"{key}.npy", member)


def npz(**arrays):
    """A good npz with these arrays in place of its own; functions are given what they replace."""

    def damage(good, folder, name):
        with np.load(good / name) as file:
            made = {key: value(file[key]) if callable(value) else value for key, value in arrays.items()}
        changed(good / name, folder / name, made)

    return damage


def nan_in_the_middle(array):
    array = array.copy()
    array[len(array) // 2] = np.nan
    return array


def one_maze_step(good, folder, name):
    """A dataset in which nobody ever leaves a cell."""
    np.savez(folder / name, observations=np.zeros((9, 2), np.float32), terminals=np.arange(9) == 8)


MAZES = {
    "a text file": (text, ["is no file of a point-maze dataset", "not a zip file"]),
    "a truncated zip": (cut, ["is no file of a point-maze dataset"]),
    "an empty file": (empty, ["is no file of a point-maze dataset"]),
    "a folder": (a_folder, ["does not exist"]),
    "pickled objects": (pickled, ["Object arrays cannot be loaded"]),
    "a bomb": (bomb, ["is no file of a point-maze dataset"]),
    "a missing array": (npz(terminals=None), ["terminals is not a file in the archive"]),
    "wrong shape": (npz(observations=np.zeros((5, 3), np.float32)), ["float32 (5, 3)", "(N, 2)"]),
    "unequal lengths": (npz(terminals=np.ones(3, bool)), ["bool (3,)", "one flag a row"]),
    "NaN": (npz(observations=nan_in_the_middle), ["must be finite"]),
    "words": (npz(observations=np.array([["a", "b"]])), ["must be finite numbers"]),
    "no crossing": (one_maze_step, ["holds no crossing"]),
}


@pytest.mark.parametrize("case", MAZES)
def test_a_maze_dataset(good, tmp_path, case):
    damage, words = MAZES[case]
    damage(good, tmp_path, "maze.npz")
    given = options(dataset=tmp_path / "maze.npz", maze=MAZE)
    refused("extract_crossings", given + outputs(tmp_path, "out", "provenance"), ["maze.npz", *words], tmp_path)
    assert not (tmp_path / "pwned").exists()


def shifted(value):
    return lambda array: np.full_like(array, value)


CROSSINGS = {
    "a text file": (text, ["not a zip file"]),
    "a truncated zip": (cut, ["is no file of crossings"]),
    "pickled objects": (pickled, ["Object arrays cannot be loaded"]),
    "a bomb": (bomb, ["is no file of crossings"]),
    "a missing array": (npz(source=None), ["source"]),
    "another maze": (npz(maze=np.array("teleport")), ["maze teleport, not of medium-stitch"]),
    "offsets that overflow": (npz(first_start=shifted(HUGE), first_len=shifted(HUGE)), ["lies outside of its"]),
    "negative offsets": (npz(second_start=shifted(-1)), ["lies outside of its"]),
    "visits without rows": (npz(first_len=shifted(0)), ["lies outside of its"]),
    "a cell of no maze": (npz(target=shifted(999)), ["none of the 26 of the maze"]),
    "NaN": (npz(observations=nan_in_the_middle), ["not finite positions"]),
    "real numbers as rows": (npz(source=lambda array: array * 1.0), ["not whole numbers of one length"]),
    "unequal lengths": (npz(source=lambda array: array[1:]), ["not whole numbers of one length"]),
    "nothing": (
        npz(
            **dict.fromkeys(
                ("first_start", "first_len", "second_start", "second_len", "source", "target"), np.zeros(0, int)
            )
        ),
        ["holds no crossing"],
    ),
}


@pytest.mark.parametrize("case", CROSSINGS)
def test_a_file_of_crossings(good, tmp_path, case):
    damage, words = CROSSINGS[case]
    damage(good, tmp_path, "crossings.npz")
    given = options(crossings=tmp_path / "crossings.npz", maze=MAZE, settings=json.dumps(MOP), seed=0)
    given += options(model=tmp_path / "out/model.safetensors")
    refused("train_mop", given, ["crossings.npz", *words], tmp_path)
    assert not (tmp_path / "pwned").exists()


def h5(change):
    """A good HDF5 file after `change(file)`."""

    def damage(good, folder, name):
        shutil.copy(good / name, folder / name)
        with h5py.File(folder / name, "r+") as file:
            change(file)

    return damage


def put(name, at, value):
    return h5(lambda file: file[name].__setitem__(at, value))


def replaced(name, value, **how):
    def change(file):
        del file[name]
        if value is not None:
            file.create_dataset(name, data=value, **how)

    return h5(change)


def _linked(file):
    del file["state"]
    file["state"] = h5py.ExternalLink("elsewhere.h5", "/state")


def _stored_outside(file):
    del file["state"]
    file.create_dataset("state", (4, 2), np.float32, external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


def _endless(file):
    del file["state"]
    file.create_dataset("state", (10**12, 2), np.float32, chunks=(1000, 2))


EPISODES = {
    "a text file": (text, ["is no file of episodes"]),
    "a truncated file": (cut, ["is no file of episodes"]),
    "a missing column": (replaced("target", None), ["is no file of episodes", "target"]),
    "a column that is a single number": (replaced("ep_len", 3), ["not lists of whole numbers"]),
    "words for states": (replaced("state", ["a", "b"]), ["not numbers"]),
    "states of another environment": (h5(lambda file: file.attrs.__setitem__("env", "cube")), ["not cube's (41, 5)"]),
    "an unknown environment": (h5(lambda file: file.attrs.__setitem__("env", "../moon")), ["'../moon' is none of"]),
    "an episode without rows": (put("ep_len", 1, 0), ["episode 1 has no rows"]),
    "lengths that overflow": (put("ep_len", slice(0, 4), HUGE), ["do not lie end to end"]),
    "offsets elsewhere": (put("ep_offset", 1, 10**9), ["do not lie end to end"]),
    "a state that is NaN": (put("state", 3, np.nan), ["state of row 3 is not finite"]),
    "an action that is infinite": (put("action", 2, np.inf), ["action of row 2 is not finite"]),
    "a column in another file": (h5(_linked), ["is no file of episodes"]),
    "a column whose bytes are any file's": (h5(_stored_outside), ["state is no dataset of its own"]),
    "a column that no memory holds": (h5(_endless), ["GiB of memory"]),
}


@pytest.mark.parametrize("case", EPISODES)
def test_a_file_of_episodes(good, tmp_path, case):
    damage, words = EPISODES[case]
    damage(good, tmp_path, "two_room.h5")
    wanted = {"pairs": 2, "offset": 25, "budget": 50, "holdout": 0.2, "split_seed": 0, "protocol": "repaired"}
    given = options(episodes=tmp_path / "two_room.h5", settings=json.dumps(wanted))
    refused("freeze_manifest", given + outputs(tmp_path, "out"), ["two_room.h5", *words], tmp_path)


FRAMES = {
    "a truncated file": (cut, ["is no file of frames"]),
    "rows beyond the episodes": (put("row", 0, 10**9), ["shows other episodes"]),
    "frames in another form": (replaced("frames", np.zeros((2, 16, 16, 3), np.uint8)), ["not plain uint8"]),
    "frames that are compressed": (
        replaced("frames", np.zeros((2, 3, 16, 16), np.uint8), compression="gzip"),
        ["not plain uint8"],
    ),
    "frames that are real numbers": (replaced("frames", np.zeros((2, 3, 16, 16))), ["frames are float64"]),
}


@pytest.mark.parametrize("case", FRAMES)
def test_a_file_of_frames(good, tmp_path, case):
    damage, words = FRAMES[case]
    damage(good, tmp_path, "frames.h5")
    given = options(episodes=good / "two_room.h5", frames=tmp_path / "frames.h5", env="two_room", seed=0)
    given += options(settings=json.dumps(QANTARA), model=tmp_path / "out/model.safetensors")
    refused("train_qantara", given, ["frames.h5", *words], tmp_path)


def forged(**entries):
    """A manifest with other entries and a hash that fits them."""

    def damage(good, folder, name):
        manifest = read_json(good / name) | entries
        manifest["hash"] = _hash(manifest)
        write_json(folder / name, manifest)

    return damage


def nested(good, folder, name):
    (folder / name).write_text("[" * 100_000)


def not_a_number(good, folder, name):
    (folder / name).write_text((good / name).read_text().replace('"budget": 50', '"budget": NaN'))


def latin(good, folder, name):
    (folder / name).write_bytes("é".encode("latin-1"))


MANIFESTS = {
    "no JSON": (text, ["is not valid JSON"]),
    "other bytes": (latin, ["is not valid JSON"]),
    "NaN": (not_a_number, ["NaN is no JSON number"]),
    "endless nesting": (nested, ["is not valid JSON"]),
    "a list": (lambda good, folder, name: write_json(folder / name, []), ["is no evaluation manifest"]),
    "an edited one": (
        lambda good, folder, name: write_json(folder / name, read_json(good / name) | {"budget": 99}),
        ["does not fit its hash"],
    ),
    "no pairs": (forged(pairs=[]), ["holds no pairs"]),
    "pairs that are words": (forged(pairs=["a", "b"]), ["holds no pairs"]),
    "a pair without a goal": (forged(pairs=[{"episode": 0, "start_row": 0}]), ["holds no pairs"]),
    "rows beyond the episodes": (
        forged(pairs=[{"episode": 0, "start_row": 0, "goal_row": 10**9}]),
        ["was drawn from another dataset"],
    ),
    "negative rows": (forged(pairs=[{"episode": 0, "start_row": -1, "goal_row": 3}]), ["holds no pairs"]),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_an_evaluation_manifest(good, tmp_path, case):
    damage, words = MANIFESTS[case]
    damage(good, tmp_path, "manifest.json")
    given = options(episodes=good / "two_room.h5", manifest=tmp_path / "manifest.json")
    given += options(settings=json.dumps({"eval_seeds": 1, "holdout": 0.2, "split_seed": 0}))
    refused("measure_floors", given + outputs(tmp_path, "out", "provenance"), ["manifest.json", *words], tmp_path)


GRAPHS = {
    "pickled objects": (pickled, ["Object arrays cannot be loaded"]),
    "of another maze": (
        npz(raw_adjacency=np.zeros((45, 45), bool)),
        ["no proposal graphs of medium-stitch", "(45, 45)"],
    ),
    "weights that are NaN": (npz(gated_weight=nan_in_the_middle), ["gated_weight", "not finite"]),
    "without a readout": (npz(gated_weight=None), ["gated_weight"]),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_proposal_graphs(good, tmp_path, case):
    damage, words = GRAPHS[case]
    damage(good, tmp_path, "graphs.npz")
    given = options(graphs=tmp_path / "graphs.npz", method="mop", maze=MAZE, seed=0)
    given += options(settings=json.dumps({"episodes": 1, "max_steps": 3}))
    refused("execute_mop", given + outputs(tmp_path, "out", "provenance"), ["graphs.npz", *words], tmp_path)
    assert not (tmp_path / "pwned").exists()


DOMAINS = {
    "a text file": (text, ["is no file of a domain's arrays"]),
    "pickled objects": (
        lambda good, folder, name: np.savez(folder / name, tracks=np.array([Trap(folder / "pwned")], dtype=object)),
        ["Object arrays cannot be loaded"],
    ),
    "a missing array": (lambda good, folder, name: np.savez(folder / name, scene=np.zeros(3)), ["lacks the array"]),
    "too few positions": (
        lambda good, folder, name: np.savez(folder / name, tracks=np.zeros((3, 9, 2), np.float32), cab=np.arange(3)),
        ["'tracks'", "(3, 9, 2)", "should be (3, 14, 2)"],
    ),
    "one cab too many": (
        lambda good, folder, name: np.savez(folder / name, tracks=np.zeros((3, 14, 2), np.float32), cab=np.arange(4)),
        ["'cab'", "(4,)", "should be (3)"],
    ),
}


@pytest.mark.parametrize("case", DOMAINS)
def test_the_arrays_of_a_domain(good, tmp_path, case):
    damage, words = DOMAINS[case]
    damage(good, tmp_path, "maze.npz")
    settings = {"kind": "taxi", "context": "position", "space": "raw"}
    given = options(data=tmp_path / "maze.npz", domain="taxi-position", settings=json.dumps(settings), seed=0)
    refused("audit_domain", given + outputs(tmp_path, "out", "provenance"), ["maze.npz", *words], tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_the_good_files_are_accepted(good, tmp_path):
    """What is refused above is refused for its damage: undamaged, the same files are read."""
    walk(tmp_path / "maze.npz")
    given = options(dataset=tmp_path / "maze.npz", maze=MAZE) + outputs(tmp_path, "out", "provenance")
    assert call("extract_crossings", given)[0] == 0
    given = options(graphs=good / "graphs.npz", method="mop", maze=MAZE, seed=0)
    given += options(settings=json.dumps({"episodes": 1, "max_steps": 3})) + outputs(tmp_path, "out", "provenance")
    assert call("execute_mop", given)[0] == 0
