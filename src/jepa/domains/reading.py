"""What a trained arm predicts on the test rows, scored: raw, gated, off its context, and beside guesses without one."""

import numpy as np
import torch

from jepa.domains.base import best_of
from jepa.domains.codes import fit_codes
from jepa.planning.graph import active_heads

BATCH = 512  # rows that are read together
OUTCOMES = 4096  # train rows at most that codes are fitted to


def read(model, domain, off, *, gate, K, rng, gated=True):
    """Scores of a trained Forecaster on the test rows: {readout: {name: mean}, active, spread}. Readouts:

        raw        all heads
        gated      heads with pi > gate / K, None unless `gated` (the codebook has no context to gate by)
        shuffled   raw on the contexts of the rows `off` (m,), scored against the row's own target
        codes      as many context-free codes in the arm's own space, the best codebook of it (see jepa.domains.codes)
        displaced  of an arm with one head, None of others: its prediction and the K codes of what it misses on train
                   rows, the same around every prediction; the displacement codebook of the mazes' controls

    rng: of the codes. `active`: mean number of heads that the gate leaves. `spread`, in latent space: mean cosine
    distance of two test targets' latents; None in raw space.
    """
    embed = _embedding(model) if model.space == "latent" else None
    spread = None if embed is None else _spread(embed(domain.targets[domain.test]))
    if embed is not None and spread < 0.01:
        print(f"warning: targets are {spread:.4f} apart in this latent space: the encoder collapsed.", flush=True)
    score = domain.score or (_raw_error(domain) if embed is None else _latent_error(domain, spread))
    fitted = rng.choice(domain.train, size=min(len(domain.train), OUTCOMES), p=shares(domain))
    represent = embed or _floats
    outcomes = represent(domain.targets[fitted])
    coded = outcomes if domain.code_rows is None else represent(domain.targets[domain.code_rows[:OUTCOMES]])
    u, _ = _predict(model, domain.contexts[fitted[:1]])
    heads, codes, missed = u.shape[1], _codes(coded, u.shape[1], rng, sphere=embed is not None), None
    if heads == 1:
        missed = _codes(outcomes - _predictions(model, domain.contexts[fitted])[:, 0], K, rng)
    scores, active = {}, []

    def collect(readout, u, active, rows):
        for name, values in score(u, active, rows, embed).items():
            scores.setdefault(readout, {}).setdefault(name, []).append(values)

    for i in range(0, len(domain.test), BATCH):
        rows = domain.test[i : i + BATCH]
        u, pi = _predict(model, domain.contexts[rows])
        every = active_heads(pi)
        active.append(active_heads(pi, gate) if gated else every)
        collect("raw", u, every, rows)
        if gated:
            collect("gated", u, active[-1], rows)
        collect("shuffled", _predict(model, domain.contexts[off[i : i + BATCH]])[0], every, rows)
        collect("codes", np.broadcast_to(codes, u.shape), every, rows)
        if missed is not None:
            around = u + missed
            around = around if embed is None else around / np.linalg.norm(around, axis=-1, keepdims=True)
            collect("displaced", around, np.ones(around.shape[:2], bool), rows)
    readouts = {
        readout: means({name: np.concatenate(parts) for name, parts in found.items()}, len(domain.test))
        for readout, found in scores.items()
    }
    missing = {"gated": None, "displaced": None}
    return missing | readouts | {"active": float(np.concatenate(active).sum(axis=1).mean()), "spread": spread}


def means(scores, m):
    """{name: mean} of scores {name: (m,)}; a wrong length or a number that is not finite is a mistake of the domain."""
    for name, values in scores.items():
        assert np.shape(values) == (m,) and np.isfinite(values).all(), f"score {name}: {np.shape(values)}, not ({m},)"
    return {name: float(np.mean(values, dtype=np.float64)) for name, values in scores.items()}


def shares(domain):
    """Probabilities of a domain's train rows: (n,), or None where they are alike."""
    return None if domain.weights is None else np.asarray(domain.weights, np.float64) / np.sum(domain.weights)


def _predict(model, contexts):
    """(u, pi) of contexts (q, *c) as arrays."""
    x = torch.from_numpy(contexts).to(next(model.parameters()).device)
    return tuple(part.detach().cpu().numpy() for part in model.predict(x))


def _predictions(model, contexts):
    parts = range(0, len(contexts), BATCH)
    return np.concatenate([_predict(model, contexts[i : i + BATCH])[0] for i in parts])


def _embedding(model):
    """embed(targets (q, *t)) -> (q, d) unit latents, on arrays."""
    device = next(model.parameters()).device

    def embed(targets):
        parts = (torch.from_numpy(targets[i : i + BATCH]).to(device) for i in range(0, len(targets), BATCH))
        return np.concatenate([model.embed(part).cpu().numpy() for part in parts])

    return embed


def _codes(outcomes, K, rng, sphere=False):
    """K codes of outcomes (n, *shape): (K, *shape)."""
    return fit_codes(outcomes.reshape(len(outcomes), -1), K, rng, sphere).reshape(K, *outcomes.shape[1:])


def _latent_error(domain, spread):
    def score(u, active, rows, embed):
        error = best_of(1 - (u @ embed(domain.targets[rows])[:, :, None])[..., 0], active)
        return {"error": error, "relative": error / max(spread, 1e-6)}

    return score


def _raw_error(domain):
    def score(u, active, rows, embed):
        wrong = (u - _floats(domain.targets[rows])[:, None]) ** 2
        return {"error": best_of(wrong.mean(axis=tuple(range(2, u.ndim))), active)}

    return score


def _spread(z):
    """Mean of 1 - z_i . z_j over the pairs i != j of unit latents z: (m, d)."""
    total, m = np.asarray(z, np.float64).sum(axis=0), len(z)
    return float(1 - (total @ total - m) / (m * (m - 1)))


def _floats(targets):
    return targets / np.float32(255) if targets.dtype == np.uint8 else targets
