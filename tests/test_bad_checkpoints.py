"""Tampered and foreign checkpoints: nothing in them runs, and each ends in one sentence and exit code 2."""

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

from bad_input import Trap, options, outputs, refused
from good_files import MAZE, MOP, QANTARA, good_fixture
from jepa.errors import JepaError
from jepa.files import file_hash, read_json, write_json
from jepa.models import dinov2
from jepa.training import loop, mop

__all__ = ["good_fixture"]


def weights_of(folder):
    path = folder / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        return load_file(path), file.metadata()


def tensors(change):
    """The weights after `change(tensors)`, under a header that still fits."""

    def damage(folder):
        found, metadata = weights_of(folder)
        change(found)
        save_file(found, folder / "model.safetensors", metadata=metadata)

    return damage


def content(change):
    def damage(folder):
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return damage


def a_pickle(folder):
    torch.save({"encoder": Trap(folder / "pwned")}, folder / "model.safetensors")


def a_plain_pickle(folder):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap(folder / "pwned")))


def config(change):
    def damage(folder):
        value = read_json(folder / "config.json")
        change(value)
        write_json(folder / "config.json", value)

    return damage


def _nan(found):
    next(tensor for tensor in found.values() if tensor.is_floating_point()).view(-1)[0] = float("nan")


def _narrow(found):
    name = next(name for name, tensor in found.items() if tensor.ndim == 2)
    found[name] = found[name][:, :1].clone()


CHECKPOINTS = {
    "weights cut short": (content(lambda b: b[: len(b) // 2]), ["cannot be read"]),
    "a header cut short": (content(lambda b: b[:5]), ["cannot be read"]),
    "a header without end": (content(lambda b: (2**60).to_bytes(8, "little") + b[8:]), ["cannot be read"]),
    "a header that is no JSON": (content(lambda b: b[:8] + b"]" + b[9:]), ["cannot be read"]),
    "a header with another name": (content(lambda b: b.replace(b"encoder.", b"encoded.", 1)), ["does not fit"]),
    "a tensor of another shape": (tensors(_narrow), ["size mismatch"]),
    "a missing tensor": (tensors(lambda found: found.pop(next(iter(found)))), ["Missing key(s)"]),
    "weights that are NaN": (tensors(_nan), ["not finite"]),
    "a torch pickle": (a_pickle, ["cannot be read"]),
    "a plain pickle": (a_plain_pickle, ["cannot be read"]),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), ["cannot be read"]),
    "no config": (lambda folder: (folder / "config.json").unlink(), ["config.json does not exist"]),
    "a config that is no JSON": (lambda folder: (folder / "config.json").write_text("{"), ["is not valid JSON"]),
    "a config without settings": (config(lambda value: value.pop("settings")), ["of another training"]),
    "a config of another seed": (config(lambda value: value.update(seed=7)), ["of another training"]),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_checkpoint_of_mop_jepa(good, tmp_path, case):
    damage, words = CHECKPOINTS[case]
    shutil.copytree(good / "mop", tmp_path / "mop")
    damage(tmp_path / "mop")
    given = options(crossings=good / "crossings.npz", validation=good / "crossings.npz", arm="mop")
    given += options(model=tmp_path / "mop/model.safetensors", settings=json.dumps({"gate": 0.5, "match": 0.65}))
    refused("audit_mop", given + outputs(tmp_path, "out", "graphs", "provenance"), words, tmp_path)
    assert not (tmp_path / "mop/pwned").exists()


def _other_recipe(value):
    """One whose tensors have the same shapes: only the settings tell the two apart."""
    value["settings"]["sampling"]["modes"] = ["forward"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (config(_other_recipe), ["of another training"]),
        (tensors(_nan), ["not finite"]),
        (a_pickle, ["cannot be read"]),
        (content(lambda b: b[:-9]), ["cannot be read"]),
    ],
    ids=["the config of another recipe", "weights that are NaN", "a torch pickle", "weights cut short"],
)
def test_a_checkpoint_of_qantara(good, tmp_path, damage, words):
    shutil.copytree(good / "qantara", tmp_path / "qantara")
    damage(tmp_path / "qantara")
    given = options(model=tmp_path / "qantara/model.safetensors", episodes=good / "two_room.h5", k=2, seed=0)
    given += options(manifest=good / "manifest.json", recipe="default", dispatch="bc", settings='{"eval_seeds": 1}')
    refused("evaluate_qantara", given + outputs(tmp_path, "out", "timing", "provenance"), words, tmp_path)
    assert not (tmp_path / "qantara/pwned").exists()


def test_a_history_without_rows(good, tmp_path):
    (tmp_path / "history.csv").write_text("step,loss\n")
    given = options(model=good / "qantara/model.safetensors", episodes=good / "two_room.h5", recipe="default", seed=0)
    given += options(history=tmp_path / "history.csv")
    words = ["history.csv has no row"]
    refused("measure_dense", given + outputs(tmp_path, "out", "provenance"), words, tmp_path)


def test_another_environment_than_the_episodes(good, tmp_path):
    given = options(episodes=good / "two_room.h5", env="push_t", settings=json.dumps(QANTARA), seed=0)
    given += options(model=tmp_path / "out/model.safetensors")
    refused("train_qantara", given, ["holds episodes of two_room, not of push_t"], tmp_path)


def test_a_resume_file_of_another_model(good, tmp_path):
    """A forged one: it names this run, but its tensors have other shapes."""
    model, path = mop.build(MOP), tmp_path / "checkpoint.safetensors"
    found = {f"model.{name}": torch.zeros(1) for name in model.state_dict()}
    save_file(found, path, metadata={"fingerprint": "this run", "step": "1", "history": "[]"})
    optimizer = torch.optim.AdamW(model.parameters())
    with pytest.raises(JepaError, match="checkpoint.safetensors does not fit the model .*; delete it and train again"):
        loop._resume(path, "this run", model, optimizer)
    assert loop._resume(path, "another run", model, optimizer) == (0, [])


def test_published_weights_are_hashed_before_they_are_opened_and_never_unpickled(tmp_path):
    path = tmp_path / "dinov2.pth"
    torch.save({"cls_token": Trap(tmp_path / "pwned")}, path)
    with pytest.raises(JepaError, match="is not the published file"):
        dinov2.load(path)
    with pytest.raises(JepaError, match="does not hold the weights of DINOv2"):
        dinov2.load(path, sha256=file_hash(path))
    assert not (tmp_path / "pwned").exists()


def test_the_trap_would_have_sprung(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "pwned"))).close()
    assert (tmp_path / "pwned").exists()


def test_another_maze_than_the_checkpoints(good, tmp_path):
    given = options(crossings=tmp_path / "none.npz", maze="../../etc", settings=json.dumps(MOP), seed=0)
    given += options(model=tmp_path / "out/model.safetensors")
    refused("train_mop", given, ["no maze named '../../etc'", MAZE], tmp_path)
