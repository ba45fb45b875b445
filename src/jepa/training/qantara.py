"""Train one recipe, of Qantara or of a baseline, on one environment and keep it as safetensors + JSON."""

import hashlib
import json
from pathlib import Path

import torch

from jepa.data.episodes import Episodes, clip_split
from jepa.envs.registry import use_quality
from jepa.errors import JepaError
from jepa.files import file_hash, write_csv, write_json
from jepa.models.dino_wm import DinoWM
from jepa.models.gcbc import GCBC
from jepa.models.lewm import LeWM
from jepa.models.pldm import PLDM
from jepa.models.qantara import Qantara
from jepa.random import rng_of, seed_of
from jepa.training.loop import collapse_watch, fit
from jepa.training.weights import load_weights, read_config, save_weights

KINDS = {"qantara": Qantara, "lewm": LeWM, "pldm": PLDM, "gcbc": GCBC, "dino_wm": DinoWM}


def best_device():
    """`cuda` where torch finds a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def build(settings, action_dim):
    """The untrained model of a resolved recipe. action_dim: raw dimensions x frame skip."""
    if settings["kind"] not in KINDS:
        raise JepaError(f"model kind {settings['kind']!r} is unknown; choose one of {', '.join(KINDS)}.")
    return KINDS[settings["kind"]](settings, action_dim)


def batch_source(episodes, training_ids, model, settings, env, seed):
    """The `draw` function of jepa.training.loop.fit: batches of (frames, normalised actions, generator).

    Windows are drawn uniformly with replacement over the training episodes. Recipes of one seed share them, and
    every step has a generator of its own, so that a resumed run needs no generator's state.
    """
    T, frame_skip, size = settings["predictor"]["T"], settings["data"]["frame_skip"], settings["encoder"]["size"]
    batch_size, device = settings["training"]["batch_size"], model.device
    starts, _ = clip_split(episodes.windows(training_ids, T, frame_skip), settings["data"])

    def draw(chunk, count):
        rng = rng_of("qantara", env, seed, "batches", chunk)
        rows = starts[rng.integers(len(starts), size=(count, batch_size))]
        for step, row in enumerate(rows):
            frames, actions, _ = episodes.batch(row, T, frame_skip, size)
            frames, actions = (torch.from_numpy(x).to(device) for x in (frames, actions))
            noise = torch.Generator(device).manual_seed(seed_of("qantara", env, seed, "noise", chunk, step))
            yield frames, model.normalise(actions), noise

    return draw


def train(dataset_path, env, settings, seed, out, *, frames=None, progress=True):
    """Train the recipe `settings` and write model.safetensors, config.json, history.csv into `out`.

    frames: file of the episodes' frames, None where they are drawn on the fly.
    history.csv has a row per 100 steps: step, lr, loss, bridge (Eq. 8), flow (Eq. 9), sigreg, participation_ratio.
    Seeds are paired: every recipe of a seed with the same T sees the same windows.
    Returns facts for the provenance (device, parameters, final).
    """
    out, training, data = Path(out), settings["training"], settings["data"]
    episodes = Episodes.open(dataset_path, frames)
    if episodes.env != env:
        raise JepaError(f"{dataset_path} holds episodes of {episodes.env}, not of {env}; name the right dataset.")
    training_ids, _ = episodes.split(data["holdout"], data["split_seed"], data.get("protocol", "repaired"))
    device = best_device()
    torch.manual_seed(seed_of("qantara", env, seed, "init"))
    model = build(settings, episodes.actions.shape[1] * data["frame_skip"]).to(device)
    model.actions.set(*episodes.action_stats(training_ids))
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{settings['kind']}: {parameters:,} parameters, {training['steps']:,} steps on {device}")
    fingerprint = hashlib.sha256(
        json.dumps([env, seed, settings, file_hash(dataset_path)], sort_keys=True).encode()
    ).hexdigest()
    checkpoint, alarm = out / "checkpoint.safetensors", model.alarm(training["batch_size"])
    history = fit(
        model.train(),
        batch_source(episodes, training_ids, model, settings, env, seed),
        steps=training["steps"],
        lr=training["lr"],
        lr_floor=0.0,
        warmup=training["warmup"],
        weight_decay=training["weight_decay"],
        clip=training["clip"],
        precision=training["precision"],
        watch=collapse_watch(*alarm) if alarm else None,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        progress=progress,
    )
    write_csv(out / "history.csv", history)
    write_json(
        out / "config.json",
        {"env": env, "seed": seed, "settings": settings, "action_dim": model.action_dim, "parameters": parameters},
    )
    save_weights(model, out, fingerprint)
    checkpoint.unlink(missing_ok=True)
    return {
        "parameters": parameters,
        "collapsed": dict([alarm]) if alarm else {},
        "final": history[-1],
    }


def load(folder):
    """The trained model in `folder`, in eval mode, and its config {env, seed, settings, action_dim, parameters}.

    The model is on the GPU where there is one; frames are drawn from now on in the quality that it was trained on.
    Raises JepaError when it is damaged.
    """
    folder = Path(folder)
    config = read_config(folder)
    use_quality(config["env"], config["settings"]["data"].get("quality"))
    model = build(config["settings"], config["action_dim"])
    load_weights(model, folder)
    return model.eval().to(best_device()), config
