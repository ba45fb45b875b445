"""Training Qantara: resume after a kill is bit-identical, collapse and divergence are said, recipes share windows."""

import copy
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from jepa.data.episodes import Episodes
from jepa.data.generate_two_room import generate
from jepa.errors import JepaError
from jepa.evaluation.dense import measure
from jepa.models.sigreg import collapsed_value
from jepa.planning.control import act
from jepa.training.loop import collapse_watch, cosine_rate, fit
from jepa.training.qantara import batch_source, build, load, train

SETTINGS = {
    "kind": "qantara",
    "encoder": {"kind": "conv", "size": 16, "width": 2, "projector": 16, "d": 8},
    "predictor": {
        "width": 16, "depth": 1, "heads": 2, "mlp": 32, "T": 4, "dropout": 0.1,
        "residual": True, "bridge": True, "gamma": 1.0,
    },
    "sampling": {
        "modes": ["forward", "policy", "inverse", "video", "joint"], "sampler": "edges", "copies": 5, "tau": "chain",
    },
    "loss": {"lambda_z": 3.0, "lambda_a": 1.0, "lambda_sig": 2.0, "projections": 8},
    "training": {
        "steps": 20, "batch_size": 8, "lr": 2e-3, "warmup": 0.01, "weight_decay": 1e-3, "clip": 1.0,
        "precision": "fp32",
    },
    "data": {"frame_skip": 5, "holdout": 0.1, "split_seed": 0},
}  # fmt: skip


def recipe(**sections):
    settings = copy.deepcopy(SETTINGS)
    for name, values in sections.items():
        settings[name] = settings[name] | values if isinstance(values, dict) else values
    return settings


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "two_room.h5"
    generate(path, 0, 40)
    return path


RUN = """
import json, sys
import jepa.training.loop as loop
import jepa.training.qantara as qantara
fit = loop.fit
qantara.fit = lambda *a, **k: fit(*a, **k | {"every_seconds": 0.0})
qantara.train(sys.argv[1], "two_room", json.loads(sys.argv[2]), 0, sys.argv[3], progress=False)
"""


def test_a_killed_training_resumes_bit_identically(dataset, tmp_path):
    """kill -9 of a real process after its first checkpoint, with dropout, BatchNorm and clipping in play."""
    settings = json.dumps(recipe(training={"steps": 300}))
    arguments = [sys.executable, "-c", RUN, str(dataset), settings]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*arguments, str(tmp_path / "whole")], check=True, env=environment)
    process = subprocess.Popen([*arguments, str(tmp_path / "killed")], env=environment)
    checkpoint = tmp_path / "killed/checkpoint.safetensors"
    while not checkpoint.exists():
        assert process.poll() is None, "the run ended before its first checkpoint"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/model.safetensors").exists()
    done = subprocess.run(
        [*arguments, str(tmp_path / "killed")], check=True, env=environment, capture_output=True, text=True
    )
    assert "resumed from" in done.stdout
    assert not checkpoint.exists()
    for name in ("model.safetensors", "history.csv", "config.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name


def test_a_trained_model_round_trips_and_a_tampered_one_is_refused(dataset, tmp_path, capsys):
    facts = train(dataset, "two_room", recipe(), 1, tmp_path, progress=False)
    assert f"{facts['parameters']:,} parameters" in capsys.readouterr().out
    model, config = load(tmp_path)
    assert not model.training
    assert config == {
        "env": "two_room", "seed": 1, "settings": recipe(), "action_dim": 10, "parameters": facts["parameters"],
    }  # fmt: skip
    saved = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())
    episodes = Episodes.open(dataset)
    mean, std = episodes.action_stats(episodes.split(0.1, 0)[0])
    assert np.allclose(model.actions.mean.view(5, 2), mean) and np.allclose(model.actions.std.view(5, 2), std)
    history = pd.read_csv(tmp_path / "history.csv")
    assert {"step", "lr", "loss", "bridge", "flow", "sigreg", "participation_ratio"} == set(history)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(JepaError, match="model.safetensors (cannot be read|does not fit).*train the cell again"):
        load(tmp_path)


def test_recipes_of_a_seed_share_windows_and_noise_and_keep_to_the_training_split(dataset):
    episodes = Episodes.open(dataset)
    training, heldout = episodes.split(0.1, 0)
    seen = []
    batch = episodes.batch

    class Spy:
        windows = episodes.windows

        def batch(self, starts, *arguments):
            seen.append(starts)
            return batch(starts, *arguments)

    def first(settings, seed):
        return next(batch_source(Spy(), training, build(settings, 10), settings, "two_room", seed)(3, 5))

    default, other, unpaired = (
        first(recipe(), 0), first(recipe(sampling={"modes": ["forward"]}), 0), first(recipe(), 1),
    )  # fmt: skip
    assert torch.equal(default[0], other[0]) and torch.equal(default[1], other[1])
    assert default[2].initial_seed() == other[2].initial_seed() != unpaired[2].initial_seed()
    assert not torch.equal(default[1], unpaired[1])
    rows = np.concatenate(seen)
    inside = (rows[:, None] >= episodes.ep_offset[heldout]) & (
        rows[:, None] < (episodes.ep_offset + episodes.ep_len)[heldout]
    )
    assert not inside.any()


def test_one_seed_gives_every_recipe_the_same_start(dataset, tmp_path):
    starts = [
        load_file(tmp_path / name / "model.safetensors") for name in ("a", "b") if run_zero(dataset, tmp_path, name)
    ]
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])


def run_zero(dataset, tmp_path, name):
    modes = {"a": ["forward", "policy"], "b": ["forward"]}[name]
    settings = recipe(sampling={"modes": modes}, training={"steps": 1, "lr": 0.0}, predictor={"dropout": 0.0})
    return train(dataset, "two_room", settings, 0, tmp_path / name, progress=False)


def test_divergence_names_the_step_the_batch_and_the_likely_cause(dataset, tmp_path):
    wild = recipe(training={"lr": 1e30, "clip": None})
    with pytest.raises(JepaError, match=r"began at step \d+, batch \d+ of chunk 0; its batch is finite, so lower"):
        train(dataset, "two_room", wild, 0, tmp_path, progress=False)
    assert not (tmp_path / "model.safetensors").exists()

    model = torch.nn.Linear(2, 1)
    model.after_step = lambda: None
    model.loss = lambda x: (model(x).mean(), {})
    batches = [(torch.ones(4, 2),)] * 7 + [(torch.full((4, 2), torch.nan),)] + [(torch.ones(4, 2),)] * 2
    options = {"lr": 0.0, "lr_floor": 0.0, "weight_decay": 0.0, "progress": False}
    with pytest.raises(JepaError, match="began at step 7, batch 7 of chunk 0; its batch holds NaN"):
        fit(
            model,
            lambda chunk, size: iter(batches),
            steps=10,
            checkpoint=tmp_path / "c.safetensors",
            fingerprint="",
            **options,
        )


def test_a_collapsed_encoder_stops_training(dataset, tmp_path):
    """Three rows in a row near SIGReg's value at a point, here and in a real run that nothing keeps apart."""
    watch = collapse_watch("sigreg", collapsed_value(64))
    watch({"step": 100, "sigreg": 25.0})
    watch({"step": 200, "sigreg": 25.7})
    watch({"step": 300, "sigreg": 12.0})
    watch({"step": 400, "sigreg": 25.7})
    watch({"step": 500, "sigreg": 25.7})
    with pytest.raises(
        JepaError, match="the latents collapsed: sigreg is 25.70 at step 600, where a single point has 25.7"
    ):
        watch({"step": 600, "sigreg": 25.7})
    alone = recipe(loss={"lambda_sig": 0.0}, training={"steps": 600})
    with pytest.raises(JepaError, match="the latents collapsed"):
        train(dataset, "two_room", alone, 0, tmp_path, progress=False)


def test_warm_up_is_linear_then_the_cosine_falls_to_zero():
    rates = [cosine_rate(step, 1000, 1.0, 0.0, warmup=0.01) for step in range(1000)]
    assert rates[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True) and rates[-1] < 1e-4
    assert [cosine_rate(s, 10, 2.0, 0.1) for s in range(10)] == [cosine_rate(s, 10, 2.0, 0.1, 0.0) for s in range(10)]


def test_the_gradient_is_clipped(tmp_path):
    model = torch.nn.Linear(1, 1, bias=False)
    model.after_step, norms = lambda: norms.append(float(model.weight.grad.norm())), []
    model.loss = lambda x: (100 * model(x).sum(), {})
    fit(
        model,
        lambda chunk, size: [(torch.ones(1, 1),)] * size,
        steps=3,
        lr=1e-3,
        lr_floor=0.0,
        weight_decay=0.0,
        clip=1.0,
        checkpoint=tmp_path / "c.safetensors",
        fingerprint="",
        progress=False,
    )
    assert norms == pytest.approx([1.0] * 3, rel=1e-4)


def test_the_wrong_dataset_and_an_unknown_kind_are_refused(dataset, tmp_path):
    with pytest.raises(JepaError, match="holds episodes of two_room, not of cube"):
        train(dataset, "cube", recipe(), 0, tmp_path, progress=False)
    with pytest.raises(JepaError, match="model kind 'dreamer' is unknown; choose one of qantara, lewm, pldm"):
        train(dataset, "two_room", recipe(kind="dreamer"), 0, tmp_path, progress=False)


PLDM_LOSS = {"lambda_var": 18.0, "lambda_var_time": 0.7, "lambda_cov": 12.0, "lambda_sim": 0.2, "lambda_inverse": 1.0}
BASELINES = {
    "lewm": {},
    "pldm": {"loss": PLDM_LOSS},
    "gcbc": {"predictor": {"T": 5}},
    "dino_wm": {"encoder": {"kind": "random", "depth": 3, "seed": 0}},
}


@pytest.mark.parametrize("kind", BASELINES)
def test_every_baseline_trains_is_kept_and_answers_its_dispatch(dataset, tmp_path, kind):
    settings = recipe(kind=kind, training={"steps": 100}, **BASELINES[kind])
    facts = train(dataset, "two_room", settings, 0, tmp_path, progress=False)
    model, config = load(tmp_path)
    assert facts["parameters"] == config["parameters"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    alarm = model.alarm(8)
    assert set(facts["collapsed"]) == ({alarm[0]} if alarm else set()) <= set(pd.read_csv(tmp_path / "history.csv"))
    episodes = Episodes.open(dataset)
    (dispatch,) = model.dispatches
    frame, goal = episodes.batch([0], 5, 5, 16)[0][0, [0, 5]]
    action = act(model, dispatch, frame, goal, k=1, candidates=8, elites=2, iterations=2)
    assert action.shape == (5, 2) and np.isfinite(action).all()
    errors = measure(model, episodes, episodes.split(0.1, 0)[1], seed=0, windows=16)
    asked = (
        {"gcbc_error"} if kind == "gcbc" else {"forward_error", "copy_error", "forward_over_copy", "open_loop_error"}
    )
    assert {name for name, value in errors.items() if value is not None} == asked | {
        "participation_ratio", "parameters",
    }  # fmt: skip


def test_pldm_without_its_variance_collapses_and_says_so(dataset, tmp_path):
    free = PLDM_LOSS | {"lambda_var": 0.0, "lambda_var_time": 0.0, "lambda_sim": 10.0, "lambda_inverse": 0.0}
    with pytest.raises(JepaError, match="the latents collapsed: var is 0.9"):
        train(dataset, "two_room", recipe(kind="pldm", loss=free, training={"steps": 600}), 0, tmp_path, progress=False)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns_at_either_precision(dataset, tmp_path, precision):
    settings = recipe(training={"steps": 200, "batch_size": 16, "precision": precision}, predictor={"dropout": 0.0})
    train(dataset, "two_room", settings, 0, tmp_path, progress=False)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history.flow.iloc[-1] < history.flow.iloc[0]
    assert history.sigreg.iloc[-1] < 0.4 * 16
