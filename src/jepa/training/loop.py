"""One training loop: AdamW with a cosine schedule, checkpoints that resume bit for bit, alarms."""

import gc
import itertools
import json
import math
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.models import sigreg
from jepa.training.adamw import AdamW

CHUNK = 100  # steps drawn, logged and made resumable together


def cosine_rate(step, steps, peak, floor, warmup=0.0):
    """Learning rate of `step` in [0, steps): from `peak` to `floor` x peak along half a cosine.

    warmup: share of the steps that climb linearly to `peak` first; the cosine covers the rest.
    """
    climb = round(warmup * steps)
    if step < climb:
        return peak * (step + 1) / climb
    step, steps = step - climb, steps - climb
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps)))


def participation_ratio(z):
    """Effective dimension of z: (N, d), a float between 1 and d."""
    return float(sigreg.participation_ratio(z))


@contextmanager
def deferred(signum=signal.SIGTERM):
    """Yield a list that the signal appends to, instead of ending the process at once; afterwards it acts as before."""
    received = []
    before = signal.signal(signum, lambda number, frame: received.append(number))
    try:
        yield received
    finally:
        signal.signal(signum, before)


@contextmanager
def collected_by_hand():
    """Yield a function that collects garbage, which nobody else does meanwhile.

    A step makes no cycles, but so many objects that Python's search for cycles takes a tenth of a small model's step.
    """
    gc.freeze()
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.enable()
        gc.unfreeze()


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
    warmup=0.0,
    clip=None,
    precision="fp32",
    watch=None,
    every_seconds=30.0,
    progress=True,
):
    """Train `model` for `steps` steps and return the history, one dict per CHUNK of steps.

    model: has loss(*batch) -> (scalar, info) and after_step().
    draw(chunk, size) -> iterable of `size` batches; must depend on its arguments alone, so that a resumed run sees
        the same batches as an undisturbed one.
    checkpoint: path of the resume file, removed by the caller when its outputs are written. fingerprint: text that
        names what is trained; a checkpoint with another one is ignored. It is written every `every_seconds`, and on
        SIGTERM (a preempted or cancelled Slurm job), which then ends the process at the end of the present chunk.
    warmup, lr_floor: see cosine_rate. clip: largest norm of the gradient, None for any. precision: fp32, or bf16 for
        autocast. watch(row), if given, sees each row of the history and may refuse it.
    Raises JepaError when the loss stops being finite: it names the step, the parts of the loss and the likely cause.
    """
    checkpoint = Path(checkpoint)
    optimizer = AdamW(model.parameters(), weight_decay)
    device = next(model.parameters()).device.type
    first, history = _resume(checkpoint, fingerprint, model, optimizer)
    saved = time.monotonic()
    bar = tqdm(total=steps, initial=first, unit="step", disable=not progress, mininterval=2.0, dynamic_ncols=True)
    with deferred() as stop, collected_by_hand() as collect:
        for start in range(first, steps, CHUNK):
            size = min(CHUNK, steps - start)
            totals, losses = {}, []
            for step, batch in enumerate(draw(start // CHUNK, size), start):
                rate = cosine_rate(step, steps, lr, lr_floor, warmup)
                with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                    loss, info = model.loss(*batch)
                optimizer.zero_grad()
                loss.backward()
                if clip is not None:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
                optimizer.step(rate)
                model.after_step()
                losses.append(loss.detach())
                for name, value in info.items():
                    totals[name] = totals.get(name, 0) + value
            row = {"step": start + size, "lr": rate, "loss": float(loss.detach())}
            row |= {name: float(total) / size for name, total in totals.items()}
            _refuse_nan(row, start, losses, draw)
            if watch is not None:
                watch(row)
            history.append(row)
            collect()
            bar.update(size)
            bar.set_postfix_str(f"loss {row['loss']:.4f}", refresh=False)
            if stop or (time.monotonic() - saved >= every_seconds and start + size < steps):
                _save(checkpoint, fingerprint, model, optimizer, start + size, history)
                saved = time.monotonic()
            if stop:
                print(f"\nended by SIGTERM; {checkpoint} continues at step {start + size}", flush=True)
                sys.exit(128 + stop[0])
    bar.close()
    return history


def _refuse_nan(row, start, losses, draw):
    """Raise JepaError when a number of `row` is not finite. losses: of the chunk's steps, which began at `start`."""
    broken = [name for name, value in row.items() if not math.isfinite(value)]
    if not broken:
        return
    # The losses stay on the device until something is wrong: reading one a step would stall a GPU.
    finite = torch.stack(losses).isfinite().tolist()
    bad = finite.index(False) if False in finite else len(finite) - 1
    batch = next(itertools.islice(draw(start // CHUNK, len(losses)), bad, None))
    tensors = [x for x in batch if torch.is_tensor(x) and x.is_floating_point()]
    if all(x.isfinite().all() for x in tensors):
        advice = "its batch is finite, so lower the learning rate of this recipe"
    else:
        advice = "its batch holds NaN or infinite numbers, so look for bad rows in the data"
    raise JepaError(
        f"training diverged before step {row['step']}: {', '.join(broken)} is not finite ({row}). It began at step "
        f"{start + bad}, batch {bad} of chunk {start // CHUNK}; {advice}."
    )


def collapse_watch(column, collapsed, patience=3):
    """A `watch` for fit: stops when `column` of the history stays at `collapsed`, its value of latents at one point.

    Latents start near a point, so `patience` rows in a row count, not one. The terms that keep latents apart have
    hardly a gradient at a point: training never leaves it.
    """
    limit, rows = 0.9 * collapsed, []

    def watch(row):
        rows.append(row[column] > limit)
        if len(rows) >= patience and all(rows[-patience:]):
            raise JepaError(
                f"the latents collapsed: {column} is {row[column]:.2f} at step {row['step']}, where a single point has "
                f"{collapsed:.2f}; raise its weight in loss or training.batch_size, or lower training.lr."
            )

    return watch


def _save(path, fingerprint, model, optimizer, step, history):
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer.tensors().items()}
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
    try:
        step, history = int(metadata["step"]), json.loads(metadata["history"])
        parts = {"model": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            part, _, key = name.partition(".")
            parts[part][key] = tensor
        model.load_state_dict(parts["model"])
        optimizer.load(parts["optimizer"])
    except (RuntimeError, KeyError, ValueError) as error:  # the model may be half loaded: no way on from here
        reason = " ".join(str(error).split())
        raise JepaError(f"{path} does not fit the model ({reason[:300]}); delete it and train again.") from None
    print(f"resumed from {path} at step {step}")
    return step, history
