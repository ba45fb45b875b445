"""Predictor arms: one shared latent context in, K candidate successor latents out.

Every arm is a module with the same two methods, so that only the head differs between arms
(MoP-JEPA, "Baselines and protocol"):

    loss(z, target, teleport) -> (scalar, info)    training signal for context latents z and targets z+
    forward(z)                -> (u, pi)           Eq. 7: candidates and their deployment-time weights

Shapes: z: (B, d) unit norm. target: (B, out); `out` is d unless said otherwise. teleport: (B,) bool, rows whose
transition starts in a teleport entry. u: (B, K, out). pi: (B, K), rows sum to 1. `space` says what targets are:

    sphere    unit latents; candidates are brought to unit norm, l(u, v) = 1 - u.v (Eq. 2)
    flat      plain numbers of unit scale, such as metres over their deviation; l(u, v) = |u - v|^2 / (2 out)
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from jepa.errors import JepaError
from jepa.models.assignment import SPACES, balance_penalty, mdn_loss, mop_loss, separation_penalty
from jepa.models.encoders import mlp


class Heads(nn.Module):
    """K independent MLPs of one shape, evaluated as one batched product: (B, d) to (B, K, out)."""

    def __init__(self, K, d, width, depth, out):
        super().__init__()
        widths = [d, *[width] * depth, out]
        bounds = [1 / math.sqrt(fan_in) for fan_in in widths[:-1]]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(K, widths[i], widths[i + 1]).uniform_(-bound, bound))
            for i, bound in enumerate(bounds)
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.empty(K, 1, widths[i + 1]).uniform_(-bound, bound)) for i, bound in enumerate(bounds)
        )

    def forward(self, z):
        x = z.expand(len(self.weights[0]), *z.shape)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            x = F.gelu(x) if i < last else x
        return x.transpose(0, 1)


class Predictor(nn.Module):
    """Base of all arms: K heads from d inputs to `out` numbers (None: d) in a `space` (see the module)."""

    def __init__(self, K, d, out=None, space="sphere"):
        super().__init__()
        if space not in SPACES:
            raise JepaError(f"predictor setting space is {space!r}; choose one of {', '.join(SPACES)}.")
        self.K, self.out, self.space = K, d if out is None else out, space
        self.project, self.distance = SPACES[space]

    def alike(self, u):
        """Equal weights (B, K) for candidates u: (B, K, out)."""
        return u.new_full(u.shape[:2], 1 / u.shape[1])


class Routed(Predictor):
    """Base of the arms with K heads and a context-only router r_psi (Eq. 4)."""

    def __init__(self, K, d, width, depth, out=None, space="sphere", extra=0):
        super().__init__(K, d, out, space)
        self.heads = Heads(K, d, width, depth, self.out + extra)
        self.router = mlp([d, *[width] * depth, K])

    def candidates(self, z):
        return self.project(self.heads(z)), self.router(z).log_softmax(-1)

    def forward(self, z):
        u, log_pi = self.candidates(z)
        return u, log_pi.exp()


class MoP(Routed):
    """`mop`: hard-assigned heads, Eq. 6. With K = 1 this is the dense predictor.

    lambda_sep: weight of the head-separation loss. anneal_steps: over so many first steps of training assignments are
    soft, with a temperature that falls geometrically from HOT to COLD ("Design ablations"); 0 is plain hard EM. Every
    call of `loss` in training mode is a step; the count is part of the state, so that a resumed training goes on at
    its temperature.
    """

    HOT, COLD = 1.0, 0.01  # cosine distances: between unrelated latents, and what a trained head leaves
    HARD = 1e-6

    def __init__(
        self,
        K,
        d,
        width,
        depth,
        lambda_route=1.0,
        lambda_bal=0.1,
        balance="soft",
        lambda_sep=0.0,
        anneal_steps=0,
        out=None,
        space="sphere",
    ):
        super().__init__(K, d, width, depth, out, space)
        self.lambda_route, self.lambda_bal, self.literal = lambda_route, lambda_bal, balance == "literal"
        self.lambda_sep, self.anneal_steps = lambda_sep, anneal_steps
        if anneal_steps:
            self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def temperature(self):
        """Of the next step: a scalar tensor, which stays on its device, or None where assignments are always hard."""
        if not self.anneal_steps:
            return None
        done = self.step / self.anneal_steps
        return torch.where(done < 1, self.HOT * (self.COLD / self.HOT) ** done, self.HARD)

    def loss(self, z, target, teleport):
        u, log_pi = self.candidates(z)
        distance = self.distance(u, target)
        loss, info = mop_loss(distance, log_pi, self.lambda_route, self.lambda_bal, self.literal, self.temperature())
        if self.anneal_steps and self.training:
            self.step += 1
        if self.lambda_sep:
            info["separation"] = separation_penalty(u, self.distance)
            loss = loss + self.lambda_sep * info["separation"]
        return loss, info


class MDN(Routed):
    """`mdn`: soft mixture with learned sigma per head and load balancing.

    d_eff: weight of log sigma; None is `out`, the normaliser of an isotropic Gaussian in the target's space.
    """

    def __init__(self, K, d, width, depth, d_eff=None, lambda_bal=0.01, out=None, space="sphere"):
        super().__init__(K, d, width, depth, out, space, extra=1)
        self.d_eff, self.lambda_bal = self.out if d_eff is None else d_eff, lambda_bal
        # exp(-5) is a cosine distance of 5e-5, below what these encoders resolve; the clamp keeps a head that
        # has memorised its batch from an unbounded likelihood. A mean over `out` numbers is that much smaller.
        self.least = -5.0 - (0.5 * math.log(self.out) if space == "flat" else 0.0)

    def mixture(self, z):
        """z: (B, d). Returns u: (B, K, out), log_pi: (B, K), log_sigma: (B, K)."""
        out = self.heads(z)
        log_sigma = out[..., -1].clamp(self.least, 1.0)
        return self.project(out[..., :-1]), self.router(z).log_softmax(-1), log_sigma

    def candidates(self, z):
        return self.mixture(z)[:2]

    def loss(self, z, target, teleport):
        u, log_pi, log_sigma = self.mixture(z)
        return mdn_loss(self.distance(u, target), log_pi, log_sigma, self.d_eff, self.lambda_bal)


class M3(Routed):
    """`m3`: heads fused by a gated weighted sum into one output (Lei et al. 2024; MoP-JEPA Prop. 2)."""

    def fuse(self, z):
        gate = self.router(z).softmax(-1).unsqueeze(1)
        return self.project(gate @ self.heads(z))

    def loss(self, z, target, teleport):
        distance = self.distance(self.fuse(z), target).mean()
        return distance, {"distance": distance}

    def forward(self, z):
        u = self.fuse(z)
        return u, self.alike(u)


class Ensemble(Predictor):
    """`ensemble`: K heads that all regress every target; no assignment (MoP-JEPA, "Design ablations").

    `dense` is this arm with K = 1 (Eq. 2; Prop. 1).
    """

    def __init__(self, K, d, width, depth, out=None, space="sphere"):
        super().__init__(K, d, out, space)
        self.heads = Heads(K, d, width, depth, self.out)

    def loss(self, z, target, teleport):
        distance = self.distance(self(z)[0], target).mean()
        return distance, {"distance": distance}

    def forward(self, z):
        u = self.project(self.heads(z))
        return u, self.alike(u)


class Var(Predictor):
    """`var`: a single Gaussian with a cosine-trained mean and a residual-calibrated radius (Huang et al. 2026).

    rho^2 estimates 2 l(u, z+), trained on the detached residual, so it never bends the mean: E|z+ - u|^2 on the sphere,
    and the same over `out` in flat space. K samples u + rho eps stand in for an enumeration, with normal eps that is
    scaled 1 / sqrt(d) on the sphere.
    """

    def __init__(self, K, d, width, depth, sample_seed=0, out=None, space="sphere"):
        super().__init__(K, d, out, space)
        self.sample_seed = sample_seed
        self.heads = Heads(1, d, width, depth, self.out)
        self.log_rho2 = mlp([d, *[width] * depth, 1])

    def loss(self, z, target, teleport):
        mean = self.project(self.heads(z))
        distance = self.distance(mean, target)
        log_rho2 = self.log_rho2(z.detach()).clamp(-12.0, 2.0)
        calibration = (log_rho2 + 2 * distance.detach() * (-log_rho2).exp()).mean()
        distance = distance.mean()
        return distance + calibration, {"distance": distance, "calibration": calibration}

    def forward(self, z):
        mean = self.project(self.heads(z))
        rho = (0.5 * self.log_rho2(z).clamp(-12.0, 2.0)).exp().unsqueeze(-1)
        generator = torch.Generator(device=z.device).manual_seed(self.sample_seed)
        noise = torch.randn(len(z), self.K, self.out, generator=generator, device=z.device)
        scale = math.sqrt(self.out) if self.space == "sphere" else 1.0
        u = self.project(mean + rho * noise / scale)
        return u, self.alike(u)


class Codebook(Predictor):
    """`codebook`: K codes that never see the context (Verification Protocol, control).

    The codes are fitted winner-take-all to the targets; the encoder, which codes cannot train, is trained by a
    dense head, so the control lives in a latent space of the same quality as the other arms'.
    targets: "all" transitions, or "teleport" for those that start in a teleport entry.
    """

    def __init__(self, K, d, width, depth, lambda_bal=0.1, targets="all", out=None, space="sphere"):
        super().__init__(K, d, out, space)
        self.dense = Ensemble(1, d, width, depth, out, space)
        self.codes = nn.Parameter(torch.randn(K, self.out))
        self.lambda_bal, self.targets = lambda_bal, targets
        if space == "flat":  # codes far from the data, of whatever size they are, would hardly move
            self.register_buffer("started", torch.tensor(False))

    def loss(self, z, target, teleport):
        dense, info = self.dense.loss(z, target, teleport)
        rows = target if self.targets == "all" else target[teleport]
        if len(rows) == 0:
            return dense, info | {"code_distance": dense.new_zeros(())}
        if hasattr(self, "started") and not self.started:
            self._start(rows)
        distance = self.distance(self.project(self.codes).expand(len(rows), -1, -1), rows)
        best = distance.min(-1).values.mean()
        loss = dense + best + self.lambda_bal * balance_penalty(distance)
        return loss, info | {"code_distance": best}

    @torch.no_grad()
    def _start(self, rows):
        """Put the codes on targets of the first batch, spread over it: (B, out)."""
        self.codes.copy_(rows[torch.linspace(0, len(rows) - 1, len(self.codes), device=rows.device).long()])
        self.started.fill_(True)

    def forward(self, z):
        u = self.project(self.codes).expand(len(z), -1, -1)
        return u, self.alike(u)
