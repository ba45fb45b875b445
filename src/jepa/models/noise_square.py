"""Where on the (tau_a, tau_z) square Qantara is trained: the four edges, the diagonal, and the ablations.

A row of T target blocks starts with clean blocks (tau = 1) and ends with noisy ones. Each row is copied once per
mode (Sec. 2.3). Shapes: clean (B,) int, tau_a and tau_z (B, M, T) for M copies; entry t belongs to block t + 1.
"""

import torch

from jepa.errors import JepaError

# mode: (tau_a, tau_z); None is the swept time. On the diagonal both slots share it.
MODES = {
    "forward": (1.0, None),  # planning
    "policy": (None, 0.0),  # behaviour cloning
    "inverse": (None, 1.0),  # inverse dynamics
    "video": (0.0, None),  # next latent without an action
    "joint": (None, None),  # the diagonal, never queried
}


def clean_prefix(batch, T, generator):
    """Number t' of clean blocks of each row: (batch,) int in {1..T}; block 0 is one of them (Sec. 2.3).

    Stratified: every row's t' is uniform, and a batch that T divides holds each value equally often.
    """
    offset = torch.randint(T, (), generator=generator, device=generator.device)
    return (torch.arange(batch, device=generator.device) + offset) % T + 1


def swept_times(shape, clean, kind, generator):
    """Swept tau of shape (B, M, T), 1 on the clean blocks.

    kind "chain": the s-th noisy block has the product of s i.i.d. uniforms (Eq. 13), "iid": one uniform each.
    """
    tau = torch.rand(shape, generator=generator, device=generator.device)
    noisy = torch.arange(1, shape[-1] + 1, device=tau.device) >= clean[:, None, None]
    tau = torch.where(noisy, tau, 1.0)
    return tau.cumprod(-1) if kind == "chain" else tau


def edge_times(modes, clean, T, kind, generator):
    """tau_a, tau_z (B, M, T): copy m of a row is drawn on the edge of `modes[m]`."""
    swept = swept_times((len(clean), len(modes), T), clean, kind, generator)
    axes = []
    for axis in (0, 1):
        fixed = torch.tensor([float("nan") if MODES[mode][axis] is None else MODES[mode][axis] for mode in modes])
        fixed = fixed.to(swept.device)[:, None]
        axes.append(torch.where(fixed.isnan() | _is_clean(clean, T), swept, fixed))
    return tuple(axes)


def uniform_times(copies, clean, T, generator):
    """tau_a, tau_z (B, copies, T), every noisy block uniform on the whole square (Table 3, "uniform")."""
    shape = (len(clean), copies, T)
    return tuple(swept_times(shape, clean, "iid", generator) for _ in range(2))


def queried(modes):
    """Which tokens of a noisy block carry a loss, per copy: (M,) bool for actions and for latents.

    A slot that a mode holds at tau = 1 shows the answer: its head is not asked (Table 3's unqueried heads).
    """
    return tuple(torch.tensor([MODES[mode][axis] != 1.0 for mode in modes]) for axis in (0, 1))


def check_modes(modes):
    """Raises JepaError unless `modes` is a non-empty list of known, different modes."""
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes or len(set(modes)) < len(modes):
        raise JepaError(f"sampling.modes is {list(modes)}; list one or more of {', '.join(MODES)}, each once.")


def _is_clean(clean, T):
    return torch.arange(1, T + 1, device=clean.device) < clean[:, None, None]
