"""The training loop: resume after a kill is bit-identical, divergence is said, seeds are paired."""

import gc
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from jepa.data import crossings as crossing_data
from jepa.envs.point_maze import maze_graph
from jepa.errors import JepaError
from jepa.training.adamw import AdamW
from jepa.training.loop import cosine_rate, fit, participation_ratio
from jepa.training.mop import batch_source, density, load, train

SETTINGS = {
    "model": {"fourier": 0, "width": 16, "depth": 1, "d": 8},
    "predictor": {"kind": "mop", "K": 3, "width": 8, "depth": 1},
    "training": {
        "steps": 1000, "batch_size": 16, "lr": 2e-3, "lr_floor": 0.05, "weight_decay": 1e-4, "ema": 0.99,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def crossings_path(tmp_path_factory):
    """A random walk on the medium maze, at three steps a cell: enough to train on, made in milliseconds."""
    import numpy as np

    rng, graph = np.random.default_rng(0), maze_graph("medium-stitch")
    cells = [0]
    while len(cells) < 3000:
        cells.append(int(rng.choice(np.flatnonzero(graph.adjacent[cells[-1]]))))
    xy = np.repeat(graph.centres[cells], 3, axis=0) + rng.uniform(-1, 1, (9000, 2))
    terminals = np.arange(1, 9001) % 300 == 0
    path = tmp_path_factory.mktemp("data") / "crossings.npz"
    crossing_data.save(path, crossing_data.extract(xy.astype(np.float32), terminals, graph), "medium-stitch")
    return path


RUN = """
import json, sys
import jepa.training.loop as loop
from jepa.training.mop import train
fit = loop.fit
import jepa.training.mop as mop
watch = lambda row: print("step", row["step"], flush=True)
mop.fit = lambda *a, **k: fit(*a, **k | {"every_seconds": float(sys.argv[4]), "watch": watch})
train(sys.argv[1], "medium-stitch", json.loads(sys.argv[2]), 0, sys.argv[3], progress=False)
"""


@pytest.fixture(scope="module")
def undisturbed(crossings_path, tmp_path_factory):
    """(start(name, every_seconds) -> process that trains into folder / name, folder with a `whole` training).

    With annealing, so that the temperature is a part of what must be resumed.
    """
    folder = tmp_path_factory.mktemp("trainings")
    settings = json.dumps(SETTINGS | {"predictor": SETTINGS["predictor"] | {"anneal": 0.8}})

    def start(name, every_seconds=0.0):
        command = [sys.executable, "-c", RUN, str(crossings_path), settings, str(folder / name), str(every_seconds)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    assert start("whole").wait() == 0
    return start, folder


def _ends_like_the_whole(start, folder, name):
    """What the second run of training `name` says, once it has ended in the same bits as the undisturbed one."""
    said = start(name).communicate()[0]
    assert not (folder / name / "checkpoint.safetensors").exists()
    for file in ("model.safetensors", "history.csv", "config.json"):
        assert (folder / "whole" / file).read_bytes() == (folder / name / file).read_bytes(), file
    return said


def test_a_killed_training_resumes_bit_identically(undisturbed):
    """kill -9 of a real process after its first checkpoints; the second run continues and ends in the same bits."""
    start, folder = undisturbed
    process = start("killed")
    checkpoint = folder / "killed/checkpoint.safetensors"
    while not checkpoint.exists():
        assert process.poll() is None, "the run ended before its first checkpoint"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "killed/model.safetensors").exists()
    assert "resumed from" in _ends_like_the_whole(start, folder, "killed")


def test_a_terminated_training_saves_first_and_resumes_bit_identically(undisturbed):
    """SIGTERM as Slurm sends it to a preempted job, long before a checkpoint is due."""
    start, folder = undisturbed
    process = start("preempted", every_seconds=3600)
    assert process.stdout.readline().startswith("step 100")
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[0]
    assert process.returncode == 128 + signal.SIGTERM and "ended by SIGTERM" in said
    reached = int(said.split("continues at step ")[1])
    assert 100 <= reached < SETTINGS["training"]["steps"]
    assert f"at step {reached}" in _ends_like_the_whole(start, folder, "preempted")


def test_a_checkpoint_of_other_settings_or_a_damaged_one_is_not_resumed(crossings_path, tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    model.after_step = lambda: None
    model.loss = lambda x: (model(x).square().mean(), {"square": model(x).square().mean().detach()})
    draws = []

    def draw(chunk, size):
        draws.append(chunk)
        return [(torch.ones(4, 2),)] * size

    common = {"lr": 1e-3, "lr_floor": 0.1, "weight_decay": 0.0, "every_seconds": 0.0, "progress": False}
    checkpoint = tmp_path / "c.safetensors"
    fit(model, draw, steps=300, checkpoint=checkpoint, fingerprint="a", **common)
    assert checkpoint.exists()
    draws.clear()
    fit(model, draw, steps=300, checkpoint=checkpoint, fingerprint="a", **common)
    assert draws == [2]
    draws.clear()
    fit(model, draw, steps=300, checkpoint=checkpoint, fingerprint="b", **common)
    assert draws == [0, 1, 2]
    checkpoint.write_bytes(b"not a checkpoint")
    draws.clear()
    fit(model, draw, steps=300, checkpoint=checkpoint, fingerprint="b", **common)
    assert draws == [0, 1, 2]


def test_the_balance_term_as_written_trains_the_same_model_as_none(crossings_path, tmp_path):
    """Eq. 6's usage is that of hard winners, which has no gradient: `literal` is lambda_bal = 0, to the last bit."""
    short = SETTINGS | {"training": SETTINGS["training"] | {"steps": 50}}
    weights = {}
    for name, change in (("literal", {"balance": "literal"}), ("none", {"lambda_bal": 0.0}), ("soft", {})):
        settings = short | {"predictor": short["predictor"] | change}
        train(crossings_path, "medium-stitch", settings, 0, tmp_path / name, progress=False)
        weights[name] = load_file(tmp_path / name / "model.safetensors")
    assert all(torch.equal(weights["literal"][key], weights["none"][key]) for key in weights["none"])
    assert any(not torch.equal(weights["soft"][key], weights["none"][key]) for key in weights["none"])


def test_an_annealed_model_is_kept_with_its_schedule_and_audited_like_any_other(crossings_path, tmp_path):
    settings = SETTINGS | {"predictor": SETTINGS["predictor"] | {"anneal": 0.5}}
    settings["training"] = SETTINGS["training"] | {"steps": 20}
    train(crossings_path, "medium-stitch", settings, 0, tmp_path, progress=False)
    model, _ = load(tmp_path)
    assert int(model.predictor.step) == 20 and model.predictor.anneal_steps == 10
    assert density(model, maze_graph("medium-stitch"), 0) is None  # hard heads are no density


def test_divergence_stops_with_the_step_and_the_part(crossings_path, tmp_path):
    wild = SETTINGS | {"training": SETTINGS["training"] | {"lr": 1e30}}
    with pytest.raises(JepaError, match=r"diverged before step \d+: loss.* is not finite"):
        train(crossings_path, "medium-stitch", wild, 0, tmp_path, progress=False)
    assert not (tmp_path / "model.safetensors").exists()


def test_arms_of_one_seed_share_batches_and_encoder_and_avoid_held_out_edges(crossings_path):
    graph = maze_graph("medium-stitch")
    crossings = crossing_data.load(crossings_path, graph)
    heldout = crossing_data.holdout(graph, 0)
    draws = [batch_source(crossings, graph, seed, 64, 0)(3, 5) for seed in (0, 0, 1)]
    for first, second in zip(draws[0], draws[1], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(draws[0][0][0], draws[2][0][0])
    scale = torch.tensor((graph.high - graph.low) / 2)
    low = torch.tensor(graph.low)
    for s, s_next, _ in draws[0]:
        source, target = (graph.cell_of(((x + 1) * scale + low).numpy()) for x in (s, s_next))
        assert not heldout[source, target].any()
        assert graph.edges[source, target].all()


def test_a_trained_model_round_trips_and_a_tampered_one_is_refused(crossings_path, tmp_path):
    short = SETTINGS | {"training": SETTINGS["training"] | {"steps": 20}}
    facts = train(crossings_path, "medium-stitch", short, 1, tmp_path, progress=False)
    model, config = load(tmp_path)
    assert config == {"maze": "medium-stitch", "seed": 1, "settings": short}
    assert facts["parameters"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    saved = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())
    whole = (tmp_path / "model.safetensors").read_bytes()
    for damaged in (b"\x00" * 100, whole[: len(whole) // 2], b""):
        (tmp_path / "model.safetensors").write_bytes(damaged)
        with pytest.raises(JepaError, match="model.safetensors (cannot be read|does not fit).*train the cell again"):
            load(tmp_path)


def test_a_model_of_another_recipe_with_the_same_tensors_is_refused(crossings_path, tmp_path):
    for name, lr in (("ours", 2e-3), ("theirs", 1e-3)):
        short = SETTINGS | {"training": SETTINGS["training"] | {"steps": 20, "lr": lr}}
        train(crossings_path, "medium-stitch", short, 1, tmp_path / name, progress=False)
    (tmp_path / "theirs/model.safetensors").replace(tmp_path / "ours/model.safetensors")
    with pytest.raises(JepaError, match="its config.json, which is of another training; train the cell again"):
        load(tmp_path / "ours")


def test_schedule_and_participation_ratio():
    assert cosine_rate(0, 100, 2e-3, 0.05) == pytest.approx(2e-3)
    assert cosine_rate(100, 100, 2e-3, 0.05) == pytest.approx(1e-4)
    rates = [cosine_rate(step, 100, 1.0, 0.0) for step in range(101)]
    assert rates == sorted(rates, reverse=True)
    torch.manual_seed(0)
    assert participation_ratio(torch.randn(20000, 6)) == pytest.approx(6, rel=0.02)
    assert participation_ratio(torch.randn(1000, 1) * torch.ones(1, 6)) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_our_adamw_is_torchs_to_the_last_bit(weight_decay):
    """Some parameters have no gradient in some steps; their moments wait."""
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(torch.nn.ModuleList([torch.nn.Linear(5, 7), torch.nn.Linear(7, 3)]))
    ours = AdamW(models[0].parameters(), weight_decay)
    theirs = torch.optim.AdamW(models[1].parameters(), lr=1.0, weight_decay=weight_decay, fused=True)
    generator = torch.Generator().manual_seed(1)
    for step in range(20):
        x, rate = torch.randn(4, 5, generator=generator), 0.01 / (1 + step)
        for model, optimizer in zip(models, (ours, theirs), strict=True):
            optimizer.zero_grad()
            y = model[0](x)
            (y if step % 3 == 1 else model[1](y)).square().sum().backward()
        ours.step(rate)
        theirs.param_groups[0]["lr"] = rate
        theirs.step()
    assert all(torch.equal(a, b) for a, b in zip(*(model.parameters() for model in models), strict=True))


def test_python_collects_garbage_again_after_a_training_that_failed():
    model = torch.nn.Linear(2, 1)
    model.loss = lambda x: (model(x).mean() * float("nan"), {"collecting": torch.tensor(float(gc.isenabled()))})
    model.after_step = lambda: None
    options = {"steps": 2, "lr": 1e-3, "lr_floor": 0.1, "weight_decay": 0.0, "progress": False}
    with pytest.raises(JepaError, match="'collecting': 0.0"):
        fit(model, lambda chunk, n: [(torch.ones(4, 2),)] * n, checkpoint="none", fingerprint="", **options)
    assert gc.isenabled() and gc.get_freeze_count() == 0


def test_training_does_not_import_the_compiler():
    """It would take a second of every process, as long as a small model trains."""
    program = (
        "import sys, torch; from jepa.training.loop import fit; "
        "m = torch.nn.Linear(2, 1); m.after_step = lambda: None; "
        "m.loss = lambda x: (m(x).square().mean(), {}); "
        "fit(m, lambda chunk, size: [(torch.ones(4, 2),)] * size, steps=2, lr=1e-3, lr_floor=0.1, weight_decay=0.0, "
        "clip=1.0, checkpoint='none', fingerprint='', progress=False); sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
