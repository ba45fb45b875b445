"""Train one arm of MoP-JEPA on one maze and keep it as safetensors + JSON."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from jepa.data import crossings as crossing_data
from jepa.envs.point_maze import maze_graph
from jepa.files import file_hash, write_csv, write_json
from jepa.models.jepa import WorldModel
from jepa.random import rng_of, seed_of
from jepa.training.loop import fit, participation_ratio
from jepa.training.weights import load_weights, read_config, save_weights


def build(settings):
    """WorldModel of resolved settings {model: {fourier, width, depth, d}, predictor: {...}, training: {...}}.

    predictor.anneal: share of the training over which assignments are soft; the predictor counts in steps.
    """
    model, predictor = settings["model"], dict(settings["predictor"])
    if "anneal" in predictor:
        predictor["anneal_steps"] = round(predictor.pop("anneal") * settings["training"]["steps"])
    encoder = {
        "features": 2 + 4 * model["fourier"],
        "width": model["width"],
        "depth": model["depth"],
        "d": model["d"],
    }
    return WorldModel(encoder, predictor, settings["training"]["ema"])


def batch_source(crossings, graph, seed, batch_size, fourier, device="cpu"):
    """The `draw` function of jepa.training.loop.fit: batches of (features, next features, is_teleport).

    Rows are drawn uniformly over the crossings outside this seed's hold-out split, which every arm shares.
    """
    heldout = crossing_data.holdout(graph, seed)
    index = (~heldout[crossings.source, crossings.target]).nonzero()[0]
    inbound = np.isin(np.arange(len(graph.cells)), graph.inbound)

    def draw(chunk, size):
        rng = rng_of("mop", graph.name, seed, "batches", chunk)
        rows = index[rng.integers(len(index), size=size * batch_size)]
        pair = crossing_data.sample_pairs(crossings, rows, rng)
        s, s_next = (
            torch.from_numpy(crossing_data.features(xy, graph, fourier)).to(device).split(batch_size) for xy in pair
        )
        teleport = torch.from_numpy(inbound[crossings.source[rows]]).to(device).split(batch_size)
        return list(zip(s, s_next, teleport, strict=True))

    return draw


def train(crossings_path, maze, settings, seed, out, progress=True):
    """Train the arm described by `settings` and write model.safetensors, config.json, history.csv into `out`.

    Seeds are paired: the same `seed` gives every arm the same split, the same batches and the same encoder
    initialisation. Returns facts for the provenance (device, parameters, final loss).
    """
    out = Path(out)
    training = settings["training"]
    graph = maze_graph(maze)
    crossings = crossing_data.load(crossings_path, graph)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(seed_of("mop", maze, seed, "init"))
    model = build(settings).to(device)
    draw = batch_source(crossings, graph, seed, training["batch_size"], settings["model"]["fourier"], device)
    fingerprint = hashlib.sha256(
        json.dumps([maze, seed, settings, file_hash(crossings_path)], sort_keys=True).encode()
    ).hexdigest()
    checkpoint = out / "checkpoint.safetensors"
    history = fit(
        model,
        draw,
        steps=training["steps"],
        lr=training["lr"],
        lr_floor=training["lr_floor"],
        weight_decay=training["weight_decay"],
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        progress=progress,
    )
    centres = torch.from_numpy(crossing_data.features(graph.centres, graph, settings["model"]["fourier"]))
    effective = participation_ratio(model.embed(centres.to(device)))
    if effective < 1.2:
        print(f"warning: the latents of the {maze} cells span {effective:.2f} dimensions: the encoder collapsed.")
    write_csv(out / "history.csv", history)
    write_json(out / "config.json", {"maze": maze, "seed": seed, "settings": settings})
    save_weights(model, out, fingerprint)
    checkpoint.unlink(missing_ok=True)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {
        "parameters": parameters,
        "participation_ratio": effective,
        "final": history[-1],
    }


def load(folder):
    """The trained WorldModel in `folder` and its config {maze, seed, settings}. Raises JepaError when damaged."""
    folder = Path(folder)
    config = read_config(folder)
    model = build(config["settings"])
    load_weights(model, folder)
    return model.eval(), config


def callables(model, graph, fourier):
    """(predict, embed) on plain arrays of positions (N, 2), the interface of the verification protocol."""

    def features(xy):
        return torch.from_numpy(crossing_data.features(xy, graph, fourier))

    def predict(xy):
        u, pi = model.predict(features(xy))
        return u.numpy(), pi.numpy()

    def embed(xy):
        return model.embed(features(xy)).numpy()

    return predict, embed


def density(model, graph, fourier):
    """mixture(xy (N, 2)) -> (u (N, K, d), log_pi (N, K), log_sigma (N, K)) of `mdn`; None where there is no density."""
    if not hasattr(model.predictor, "mixture"):
        return None

    @torch.no_grad()
    def mixture(xy):
        s = torch.from_numpy(crossing_data.features(xy, graph, fourier))
        return tuple(part.numpy() for part in model.predictor.mixture(model.encoder(s)))

    return mixture
