"""A mixture of predictors inside DINO-WM's world model (MoP-JEPA, "Evidence Chain and Generality", DINO-WM port).

DINO-WM's predictor takes the tokens of a few frames' patches and gives the same shape back. The port keeps that: the
transformer is shared, its last layer becomes K projections and a router, and what it returns are the tokens of the
head that the router prefers. The paper calls this a one-line override of the predictor. It cannot be all: the predictor
never sees the target, and the winner is the head next to the target, so the world model's loss needs two lines of its
own (jepa.models.dino_wm_mixture).

Frames are top views of OGBench's pointmaze-teleport, drawn by numpy from positions of the official generation
algorithm: one for each visited cell, at the step next to its centre, so that the next frame has as many modes as the
cell has successors. The action slot is empty (zeros): given the action, the next cell is known. The encoder is frozen
and random, not DINO.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from jepa.data.crossings import extract
from jepa.data.generate_mazes import FastWalker, as_arrays, generate_rows
from jepa.domains.base import require
from jepa.domains.maze_view import draw_maze
from jepa.envs.point_maze import maze_graph, maze_spec
from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.models.dino_wm import FrozenPatches
from jepa.models.dino_wm_mixture import CodebookWorldModel, PortedWorldModel
from jepa.planning.graph import active_heads
from jepa.random import rng_of, seed_of
from jepa.training.loop import fit

MAZE = "teleport"
ARMS = ("dense", "mop", "codebook")
TEST_SHARE = 0.2  # of the episodes, the last ones
BATCH = 256  # windows or frames that are read together
ARRAYS = {
    "position": ("f", "V", 2),
    "cell": ("i", "V"),
    "episode": ("i", "V"),
    "ids": ("i", "rows", "columns"),
    "inbound": ("i", "m"),
    "successors": ("i", "n"),
}


def prepare(out, *, source, mirror, seed, settings, progress=True):
    """Walk settings["episodes"] episodes and write one position for each visited cell to the npz `out`.

    The positions are always generated. The npz holds, in the order of time, position: (V, 2) of each visit's step next
    to the centre of its cell, cell: (V,) int and episode: (V,) int; and of the maze ids: (rows, columns) int cell ids,
    -1 at walls, inbound: (m,) int, successors: (n,) int, how many each cell has. Returns facts for provenance.
    """
    require(settings, "episodes")
    spec, graph = maze_spec(MAZE), maze_graph(MAZE)
    rows = as_arrays(generate_rows(spec, settings["episodes"], seed, FastWalker, progress))
    found = extract(rows["observations"], rows["terminals"], graph)
    if len(found) == 0:
        raise JepaError(f"{settings['episodes']} episodes cross no cell; ask for more.")
    # A visit is the second of one crossing and the first of the next one.
    start, which = np.unique(np.concatenate([found.first_start, found.second_start]), return_index=True)
    length = np.concatenate([found.first_len, found.second_len])[which]
    cell = np.concatenate([found.source, found.target])[which]
    visits = zip(start, length, graph.centres[cell], strict=True)
    step = np.array([_nearest(found.observations, *visit) for visit in visits])
    with atomic_path(out) as temporary:
        np.savez_compressed(
            temporary,
            position=found.observations[step],
            cell=cell,
            episode=start // spec.episode_steps,
            ids=graph.ids,
            inbound=graph.inbound,
            successors=graph.edges.sum(axis=1),
        )
    return {
        "dataset": f"drawn frames of {spec.env_id}",
        "source": "generate",
        "tag": "mechanism",
        "message": "Frames drawn from generated positions, with a frozen random encoder in place of DINOv2.",
        "episodes": settings["episodes"],
        "visits": len(start),
    }


def _nearest(positions, start, length, centre):
    """The row of a visit, `length` rows from `start` on, whose position is nearest to the centre."""
    return start + ((positions[start : start + length] - centre) ** 2).sum(axis=1).argmin()


def audit(arrays, settings, seed, work, progress=True):
    """Train every arm inside the same world model and compare its heads. Returns the record of one seed.

    settings: arms, of which ARMS are ported: {dense: {K: 1}, mop: {K, lambda_route, lambda_bal}, codebook: {K}};
    patches: {size, width, depth} of the random convolutions; predictor: {T, width, depth, heads, mlp, dropout} as of
    DinoWM; predictors: {arm: arguments that differ from its own}, if any (the router shares the trunk with the heads,
    so that its loss can outweigh theirs); training: {steps, batch_size, lr, lr_floor, weight_decay}; gate. Scores are
    means over the held-out windows and their T frames:

        winner    squared error of the head nearest to the target, a mean over standardised features
        mean_head the same, averaged over the heads; mean_prediction: of the average of the heads
        chosen    of the head that the router prefers, which is what the predictor returns
        ratio     mean_head / winner; active: heads with pi > gate / K

    References: the last frame, the mean frame, and the mean frame of the next cell, were it known: what an error cannot
    be much smaller than, because where in its cell the point comes by is chance.
    """
    require(settings, "patches", "predictor")
    lacking = sorted({"dense", "mop", "codebook"} - set(settings["arms"]))
    if lacking:
        raise JepaError(f"the arms of the DINO-WM port lack {lacking[0]!r}; it compares dense, mop and codebook.")
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    z, context = encoded(arrays, settings, seed)
    windows, held_out = visit_windows(arrays["episode"], settings["predictor"]["T"])
    train, test = windows[~held_out], windows[held_out]
    if len(train) == 0 or len(test) < 2:
        raise JepaError("the episodes are too few or too short for training and test windows; generate more.")
    order, off = rng_of("dino-port", seed, "off").permutation(len(test)), np.empty(len(test), dtype=np.int64)
    off[order] = np.roll(order, 1)  # another window for each
    typical = cell_means(z, arrays["cell"], ~held_out_episodes(arrays["episode"]))
    arms, branching = {}, {}
    for arm in ARMS:
        head = settings["arms"][arm] | settings.get("predictors", {}).get(arm, {})
        model, history = _train(z, train, head, settings, seed, work / f"{arm}.safetensors", progress)
        errors, mean_error, pi = _read(model, z, test[:, :-1], test[:, 1:])
        raw = scores(errors, mean_error, pi, settings["gate"])
        shuffled, *_ = _read(model, z, test[off, :-1], test[:, 1:])
        contextual = arm != "codebook"
        active = active_heads(pi, settings["gate"])
        arms[arm] = {
            "raw": raw,
            "gated": {"winner": float(np.where(active, errors, np.inf).min(-1).mean())} if contextual else None,
            "shuffled": {"winner": float(shuffled.min(-1).mean())},
            "active": raw["active"],
            "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "final": history[-1],
        }
        branching[arm] = by_branching(active[:, 0].sum(-1), arrays["successors"][arrays["cell"][test[:, 0]]])
    for path in work.glob("*.safetensors"):
        path.unlink()
    return {
        "domain": settings["domain"],
        "kind": settings["kind"],
        "seed": seed,
        "metric": "winner",
        "better": "lower",
        "space": "raw",
        "n_train": len(train),
        "n_test": len(test),
        "arms": arms,
        "references": {
            "persistence": {"winner": float(((z[test[:, :-1]] - z[test[:, 1:]]) ** 2).mean())},
            "mean frame": {"winner": float(((z[test[:, 1:]] - z[train].mean((0, 1))) ** 2).mean())},
            "next cell known": {"winner": float(((z[test[:, 1:]] - typical[arrays["cell"][test[:, 1:]]]) ** 2).mean())},
        },
        "extra": context | {"branching": branching, "mean_successors": float(arrays["successors"].mean())},
    }


def encoded(arrays, settings, seed):
    """Features of every visit's frame, standardised over the training episodes. Returns z (V, d) and facts."""
    size = settings["patches"]["size"]
    frames = torch.from_numpy(draw_maze(arrays["position"], arrays["ids"], arrays["inbound"], size))[:, None]
    encoder = FrozenPatches(_encoder(settings, seed))
    training = torch.from_numpy(~held_out_episodes(arrays["episode"]))
    for part in frames[training].split(BATCH):
        encoder(part)  # in training mode: the statistics of the batches are averaged
    encoder.eval()
    z = torch.cat([encoder(part)[:, 0] for part in frames.split(BATCH)])
    return z, {"patches": encoder.patches, "channels": encoder.channels, "encoder": "frozen random convolutions"}


def held_out_episodes(episode):
    """(V,) bool: visits of the last fifth of the episodes. episode: (V,) int, ascending."""
    return episode > episode[-1] * (1 - TEST_SHARE)


def cell_means(z, cell, training):
    """Mean features of each cell's frames, (n, d), of the training rows; 0 where there are none."""
    share = F.one_hot(torch.from_numpy(cell)).to(z.dtype) * torch.from_numpy(training)[:, None]
    return (share.T @ z) / share.sum(0).clamp_min(1)[:, None]


def visit_windows(episode, T):
    """Every T + 1 consecutive visits of one episode: (M, T + 1) int rows; and which are held out: (M,) bool."""
    first = np.flatnonzero(episode[T:] == episode[:-T])
    return first[:, None] + np.arange(T + 1), held_out_episodes(episode)[first]


def scores(errors, mean_error, pi, gate):
    """Means of what `audit` lists. errors: (m, T, K); mean_error: (m, T), of the heads' average; pi: (m, T, K)."""
    winner, mean_head = float(errors.min(-1).mean()), float(errors.mean())
    return {
        "winner": winner,
        "mean_head": mean_head,
        "ratio": mean_head / winner,
        "mean_prediction": float(mean_error.mean()),
        "chosen": float(np.take_along_axis(errors, pi.argmax(-1)[..., None], -1).mean()),
        "active": float(active_heads(pi, gate).sum(-1).mean()),
    }


def by_branching(active, successors):
    """Active heads by how many successors the current cell has, on single frames (no past that would tell the way).

    active, successors: (m,) int. Returns {states, active: mean, by_successors: {number: {states, active}}, correlation:
    Pearson's, None where one of the two does not vary}.
    """
    groups = {int(s): active[successors == s] for s in np.unique(successors)}
    varied = len(np.unique(active)) > 1 and len(groups) > 1
    return {
        "states": len(active),
        "active": float(active.mean()),
        "successors": float(successors.mean()),
        "by_successors": {str(s): {"states": len(a), "active": float(a.mean())} for s, a in groups.items()},
        "correlation": float(np.corrcoef(active, successors)[0, 1]) if varied else None,
    }


def _encoder(settings, seed):
    return settings["patches"] | {"kind": "random", "seed": seed_of("dino-port", seed, "encoder")}


def _train(z, windows, head, settings, seed, checkpoint, progress):
    """Train one arm on the windows (M, T + 1) of rows of z. Returns (model, history)."""
    training, head = settings["training"], dict(head)
    torch.manual_seed(seed_of("dino-port", seed, "init"))
    if head.pop("kind") == "codebook":
        model = CodebookWorldModel(z.shape[1], head["K"], head.get("lambda_bal", 0.1))
    else:
        options = {key: head[key] for key in ("lambda_route", "lambda_bal") if key in head}
        model = PortedWorldModel({**settings, "encoder": _encoder(settings, seed)}, head["K"], **options)

    def draw(chunk, size):
        rng = rng_of("dino-port", seed, "batches", chunk)
        for rows in windows[rng.integers(len(windows), size=(size, training["batch_size"]))]:
            yield (z[rows],)

    content = json.dumps([head, settings, seed, len(windows)], sort_keys=True).encode() + z.numpy().tobytes()
    history = fit(
        model,
        draw,
        **{key: training[key] for key in ("steps", "lr", "lr_floor", "weight_decay")},
        checkpoint=checkpoint,
        fingerprint=hashlib.sha256(content).hexdigest(),
        progress=progress,
    )
    return model.eval(), history


@torch.no_grad()
def _read(model, z, contexts, targets):
    """Errors of the heads on rows (m, T) of z: errors (m, T, K), of the heads' average (m, T), pi (m, T, K)."""
    parts = []
    for i in range(0, len(contexts), BATCH):
        u, log_pi = model.answers(z[contexts[i : i + BATCH]])
        target = z[targets[i : i + BATCH]]
        errors = ((u - target[:, :, None]) ** 2).mean(-1)
        parts.append((errors, ((u.mean(2) - target) ** 2).mean(-1), log_pi.exp()))
    return tuple(torch.cat(column).double().numpy() for column in zip(*parts, strict=True))
