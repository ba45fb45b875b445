"""Every arm on one domain: trained on the same batches, read raw, gated and off its context, beside its references."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

from jepa.domains.reading import means, read, shares
from jepa.files import read_json, write_json
from jepa.models.forecaster import Forecaster
from jepa.random import rng_of, seed_of
from jepa.training.loop import fit


def compare(domain, settings, seed, work, progress=True):
    """Train and read every arm of `settings` on `domain`. Returns the record of one (domain, seed).

    settings: {domain, kind, space: latent | raw, arms: {name: {kind, K, ...}}, encoder: {kind, width, depth}, d,
    training: {steps, batch_size, lr, lr_floor, weight_decay, ema}, gate, ...}. work: a folder for what a killed run
    goes on from; it holds finished arms and one that is being trained, and nothing of this in the end.

    Seeds are paired: all arms of one seed meet the same batches and start from the same encoder. The record holds, by
    arm, what jepa.domains.reading.read returns, {parameters, final: last row of the history}; and scores of the
    domain's references. Raises JepaError for settings that do not exist or a training that diverges.
    """
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    name = settings["domain"]
    off = domain.off if domain.off is not None else elsewhere(domain.test, rng_of("domain", name, seed, "shuffle"))
    data = _digest(domain, off)
    arms, kept = {}, []
    for arm in settings["arms"]:
        kept.append(work / f"{arm}.json")
        fingerprint = _fingerprint(name, seed, arm, settings, data)
        arms[arm] = _finished(kept[-1], fingerprint)
        if arms[arm] is None:
            if progress:
                print(f"{name}, seed {seed}: {arm}", file=sys.stderr, flush=True)
            arms[arm] = _trained_and_read(domain, settings, arm, seed, off, work, fingerprint, progress)
            write_json(kept[-1], {"fingerprint": fingerprint, "arm": arms[arm]})
            (work / f"{arm}.safetensors").unlink(missing_ok=True)
    for path in kept:
        path.unlink()
    return {
        "domain": name,
        "kind": settings["kind"],
        "seed": seed,
        "metric": domain.metric,
        "better": domain.better,
        "space": settings["space"],
        "n_train": len(domain.train),
        "n_test": len(domain.test),
        "arms": arms,
        "references": {row: means(scores, len(domain.test)) for row, scores in domain.references.items()},
        "extra": dict(domain.extra),
    }


def train(domain, settings, arm, seed, work, fingerprint, progress=True):
    """Train one arm on the train rows. Returns (Forecaster, history); work / {arm}.safetensors is its resume file.

    fingerprint: text that names what is trained; a resume file with another one is ignored.
    """
    training, device = settings["training"], "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(seed_of("domain", settings["domain"], seed, "init"))
    model = Forecaster(
        domain.contexts.shape[1:],
        domain.targets.shape[1:],
        encoder=settings["encoder"],
        d=settings["d"],
        predictor=settings["arms"][arm],
        space=settings["space"],
        ema=training["ema"],
    ).to(device)
    history = fit(
        model,
        batches(domain, settings["domain"], seed, training["batch_size"], device),
        **{key: training[key] for key in ("steps", "lr", "lr_floor", "weight_decay")},
        checkpoint=Path(work, f"{arm}.safetensors"),
        fingerprint=fingerprint,
        progress=progress,
    )
    return model.eval(), history


def batches(domain, name, seed, batch_size, device="cpu"):
    """The `draw` function of jepa.training.loop.fit: batches of (contexts, targets), train rows by their weights."""
    share = shares(domain)

    def draw(chunk, size):
        rng = rng_of("domain", name, seed, "batches", chunk)
        for rows in rng.choice(domain.train, size=(size, batch_size), p=share):
            yield tuple(torch.from_numpy(array[rows]).to(device) for array in (domain.contexts, domain.targets))

    return draw


def elsewhere(rows, rng):
    """For each of the rows another one of them, at random: (m,)."""
    order = rng.permutation(len(rows))
    other = np.empty_like(rows)
    other[order] = rows[np.roll(order, 1)]
    return other


def _trained_and_read(domain, settings, arm, seed, off, work, fingerprint, progress):
    """What the record says about one arm."""
    model, history = train(domain, settings, arm, seed, work, fingerprint, progress)
    scores = read(
        model,
        domain,
        off,
        gate=settings["gate"],
        K=_most_heads(settings),
        rng=rng_of("domain", settings["domain"], seed, "codes"),
        gated=settings["arms"][arm]["kind"] != "codebook",
    )
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return scores | {"parameters": parameters, "final": history[-1]}


def _most_heads(settings):
    return max(predictor["K"] for predictor in settings["arms"].values())


def _digest(domain, off):
    """Hash of all rows that training and reading use."""
    content = hashlib.sha256()
    for array in (domain.contexts, domain.targets, domain.train, domain.test, off, domain.weights):
        if array is not None:
            content.update(f"{array.shape}{array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _fingerprint(name, seed, arm, settings, data):
    shared = {key: settings[key] for key in ("space", "encoder", "d", "training", "gate")}
    text = json.dumps([name, seed, settings["arms"][arm], _most_heads(settings), shared, data], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _finished(path, fingerprint):
    """An arm that a killed run had finished, or None."""
    kept = read_json(path) if path.exists() else {}
    return kept["arm"] if kept.get("fingerprint") == fingerprint else None
