"""One training loop: AdamW with a cosine schedule, checkpoints that resume bit for bit, alarms."""

import json
import math
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from jepa.errors import JepaError
from jepa.files import atomic_path

CHUNK = 100  # steps drawn, logged and made resumable together


def cosine_rate(step, steps, peak, floor):
    """Learning rate of `step` in [0, steps): from `peak` to `floor` x peak along half a cosine."""
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps)))


def participation_ratio(z):
    """Effective dimension (sum e)^2 / sum e^2 of the covariance spectrum e of z: (N, d). Between 1 and d."""
    covariance = torch.cov(z.T)
    trace = covariance.diagonal().sum()
    return float(trace**2 / covariance.square().sum().clamp_min(1e-30))


def fit(
    model,
    draw,
    *,
    steps,
    lr,
    lr_floor,
    weight_decay,
    checkpoint,
    fingerprint,
    every_seconds=30.0,
    progress=True,
):
    """Train `model` for `steps` steps and return the history, one dict per CHUNK of steps.

    model: has loss(*batch) -> (scalar, info) and after_step().
    draw(chunk, size) -> list of `size` batches; must depend on its arguments alone, so that a resumed run sees
        the same batches as an undisturbed one.
    checkpoint: path of the resume file, removed by the caller when its outputs are written. fingerprint: text that
        names what is trained; a checkpoint with another one is ignored.
    Raises JepaError when the loss stops being finite: it names the step and the parts of the loss.
    """
    checkpoint = Path(checkpoint)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    first, history = _resume(checkpoint, fingerprint, model, optimizer)
    saved = time.monotonic()
    bar = tqdm(total=steps, initial=first, unit="step", disable=not progress, mininterval=2.0, dynamic_ncols=True)
    for start in range(first, steps, CHUNK):
        size = min(CHUNK, steps - start)
        batches = draw(start // CHUNK, size)
        totals = {}
        for step, batch in enumerate(batches, start):
            for group in optimizer.param_groups:
                group["lr"] = cosine_rate(step, steps, lr, lr_floor)
            loss, info = model.loss(*batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            model.after_step()
            for name, value in info.items():
                totals[name] = totals.get(name, 0) + value
        row = {"step": start + size, "lr": optimizer.param_groups[0]["lr"], "loss": float(loss.detach())}
        row |= {name: float(total) / size for name, total in totals.items()}
        _refuse_nan(row)
        history.append(row)
        bar.update(size)
        bar.set_postfix_str(f"loss {row['loss']:.4f}", refresh=False)
        if time.monotonic() - saved >= every_seconds and start + size < steps:
            _save(checkpoint, fingerprint, model, optimizer, start + size, history)
            saved = time.monotonic()
    bar.close()
    return history


def _refuse_nan(row):
    broken = [name for name, value in row.items() if not math.isfinite(value)]
    if broken:
        raise JepaError(
            f"training diverged before step {row['step']}: {', '.join(broken)} is not finite "
            f"({row}); lower the learning rate of this recipe or look for bad rows in its data."
        )


def _save(path, fingerprint, model, optimizer, step, history):
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    metadata = {"fingerprint": fingerprint, "step": str(step), "history": json.dumps(history)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def _resume(path, fingerprint, model, optimizer):
    """Load the checkpoint at `path` if it belongs to this run. Returns (step, history)."""
    if not path.exists():
        return 0, []
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("fingerprint") != fingerprint:
                return 0, []
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        print(f"{path} cannot be read ({error}); training starts from the beginning.")
        return 0, []
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    state = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    print(f"resumed from {path} at step {metadata['step']}")
    return int(metadata["step"]), json.loads(metadata["history"])
