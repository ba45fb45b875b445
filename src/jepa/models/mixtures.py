"""Predictor arms: one shared latent context in, K candidate successor latents out.

Every arm is a module with the same two methods, so that only the head differs between arms
(MoP-JEPA, "Baselines and protocol"):

    loss(z, target, teleport) -> (scalar, info)    training signal for context latents z and targets z+
    forward(z)                -> (u, pi)           Eq. 7: candidates and their deployment-time weights

Shapes: z, target: (B, d) unit norm. teleport: (B,) bool, rows whose transition starts in a teleport entry.
u: (B, K, d) unit norm. pi: (B, K), rows sum to 1. Distances are cosine: l(u, v) = 1 - u.v (Eq. 2).
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

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


def cosine_distance(u, target):
    """d_ik = 1 - u_ik . z+_i (Eq. 4). u: (B, K, d); target: (B, d). Returns (B, K)."""
    return 1 - (u @ target.unsqueeze(-1)).squeeze(-1)


def hard_assignment(distance):
    """k*_i = argmin_k d_ik (Eq. 5). distance: (B, K). Returns (B,) indices."""
    return distance.argmin(dim=-1)


def balance_penalty(distance, temperature=0.1, literal=False):
    """KL(usage || Unif(K)) = sum_k g_k log(K g_k), the third term of Eq. 6. distance: (B, K). Returns a scalar.

    As written, the usage is that of the hard winners and has no gradient (`literal`). The default is its soft
    surrogate g_k = mean_i softmax(-d_i / T)_k.
    """
    K = distance.shape[-1]
    if literal:
        usage = F.one_hot(hard_assignment(distance), K).to(distance).mean(0)
    else:
        usage = (-distance / temperature).softmax(-1).mean(0)
    return kl_to_uniform(usage)


def kl_to_uniform(usage):
    """KL(usage || Unif(K)) = sum_k g_k log(K g_k) of head usage g: (K,). Finite gradient where a head is unused."""
    return (usage * (len(usage) * usage).clamp_min(1e-12).log()).sum()


def mop_loss(u, log_pi, target, lambda_route, lambda_bal, literal=False):
    """MoP-JEPA Eq. 6. u: (B, K, d); log_pi: (B, K) log router weights; target: (B, d). Returns (scalar, info)."""
    distance = cosine_distance(u, target)
    winner = hard_assignment(distance)
    best = distance.gather(1, winner[:, None]).mean()
    route = F.nll_loss(log_pi, winner)
    balance = balance_penalty(distance, literal=literal)
    loss = best + lambda_route * route + lambda_bal * balance
    return loss, {"distance": best, "route": route, "balance": balance}


def mdn_loss(u, log_pi, log_sigma, target, d_eff, lambda_bal):
    """Negative log-likelihood of a soft mixture (Bishop 1994) with load balancing on the mean responsibility.

    ll_k = log pi_k - d_k / sigma_k^2 - d_eff log sigma_k. log_sigma: (B, K). Returns (scalar, info).
    """
    distance = cosine_distance(u, target)
    joint = log_pi - distance * (-2 * log_sigma).exp() - d_eff * log_sigma
    nll = -joint.logsumexp(-1).mean()
    usage = joint.softmax(-1).mean(0)
    balance = kl_to_uniform(usage)
    return nll + lambda_bal * balance, {
        "nll": nll,
        "distance": distance.min(-1).values.mean(),
        "balance": balance,
    }


class Routed(nn.Module):
    """Base of the arms with K heads and a context-only router r_psi (Eq. 4)."""

    def __init__(self, K, d, width, depth, extra=0):
        super().__init__()
        self.K, self.d = K, d
        self.heads = Heads(K, d, width, depth, d + extra)
        self.router = mlp([d, *[width] * depth, K])

    def candidates(self, z):
        return F.normalize(self.heads(z), dim=-1), self.router(z).log_softmax(-1)

    def forward(self, z):
        u, log_pi = self.candidates(z)
        return u, log_pi.exp()


class MoP(Routed):
    """`mop`: hard-assigned heads, Eq. 6. With K = 1 this is the dense predictor."""

    def __init__(self, K, d, width, depth, lambda_route=1.0, lambda_bal=0.1, balance="soft"):
        super().__init__(K, d, width, depth)
        self.lambda_route, self.lambda_bal, self.literal = lambda_route, lambda_bal, balance == "literal"

    def loss(self, z, target, teleport):
        u, log_pi = self.candidates(z)
        return mop_loss(u, log_pi, target, self.lambda_route, self.lambda_bal, self.literal)


class MDN(Routed):
    """`mdn`: soft mixture with learned sigma per head and load balancing.

    d_eff: weight of log sigma; None is d, the normaliser of an isotropic Gaussian in the latent space.
    """

    def __init__(self, K, d, width, depth, d_eff=None, lambda_bal=0.01):
        super().__init__(K, d, width, depth, extra=1)
        self.d_eff, self.lambda_bal = d if d_eff is None else d_eff, lambda_bal

    def candidates(self, z):
        out = self.heads(z)
        # exp(-5) is a cosine distance of 5e-5, below what these encoders resolve; the clamp keeps a head that
        # has memorised its batch from an unbounded likelihood.
        self.log_sigma = out[..., -1].clamp(-5.0, 1.0)
        return F.normalize(out[..., :-1], dim=-1), self.router(z).log_softmax(-1)

    def loss(self, z, target, teleport):
        u, log_pi = self.candidates(z)
        return mdn_loss(u, log_pi, self.log_sigma, target, self.d_eff, self.lambda_bal)


class M3(Routed):
    """`m3`: heads fused by a gated weighted sum into one output (Lei et al. 2024; MoP-JEPA Prop. 2)."""

    def fuse(self, z):
        gate = self.router(z).softmax(-1).unsqueeze(1)
        return F.normalize(gate @ self.heads(z), dim=-1)

    def loss(self, z, target, teleport):
        distance = cosine_distance(self.fuse(z), target).mean()
        return distance, {"distance": distance}

    def forward(self, z):
        u = self.fuse(z)
        return u, u.new_ones(len(u), 1)


class Ensemble(nn.Module):
    """`ensemble`: K heads that all regress every target; no assignment (MoP-JEPA, "Design ablations").

    `dense` is this arm with K = 1 (Eq. 2; Prop. 1).
    """

    def __init__(self, K, d, width, depth):
        super().__init__()
        self.K = K
        self.heads = Heads(K, d, width, depth, d)

    def loss(self, z, target, teleport):
        distance = cosine_distance(self(z)[0], target).mean()
        return distance, {"distance": distance}

    def forward(self, z):
        u = F.normalize(self.heads(z), dim=-1)
        return u, u.new_full((len(u), self.K), 1 / self.K)


class Var(nn.Module):
    """`var`: a single Gaussian with a cosine-trained mean and a residual-calibrated radius (Huang et al. 2026).

    rho^2 estimates E|z+ - u|^2 (trained on the detached residual, so it never bends the mean); samples are
    u + rho eps / sqrt(d) with standard normal eps, and K of them stand in for an enumeration.
    """

    def __init__(self, K, d, width, depth, sample_seed=0):
        super().__init__()
        self.K, self.d, self.sample_seed = K, d, sample_seed
        self.heads = Heads(1, d, width, depth, d)
        self.log_rho2 = mlp([d, *[width] * depth, 1])

    def loss(self, z, target, teleport):
        mean = F.normalize(self.heads(z), dim=-1)
        distance = cosine_distance(mean, target)
        log_rho2 = self.log_rho2(z.detach()).clamp(-12.0, 2.0)
        calibration = (log_rho2 + 2 * distance.detach() * (-log_rho2).exp()).mean()
        distance = distance.mean()
        return distance + calibration, {"distance": distance, "calibration": calibration}

    def forward(self, z):
        mean = F.normalize(self.heads(z), dim=-1)
        rho = (0.5 * self.log_rho2(z).clamp(-12.0, 2.0)).exp().unsqueeze(-1)
        generator = torch.Generator(device=z.device).manual_seed(self.sample_seed)
        noise = torch.randn(len(z), self.K, self.d, generator=generator, device=z.device)
        u = F.normalize(mean + rho * noise / math.sqrt(self.d), dim=-1)
        return u, u.new_full((len(u), self.K), 1 / self.K)


class Codebook(nn.Module):
    """`codebook`: K codes that never see the context (Verification Protocol, control).

    The codes are fitted winner-take-all to the targets; the encoder, which codes cannot train, is trained by a
    dense head, so the control lives in a latent space of the same quality as the other arms'.
    targets: "all" transitions, or "teleport" for those that start in a teleport entry.
    """

    def __init__(self, K, d, width, depth, lambda_bal=0.1, targets="all"):
        super().__init__()
        self.dense = Ensemble(1, d, width, depth)
        self.codes = nn.Parameter(torch.randn(K, d))
        self.lambda_bal, self.targets = lambda_bal, targets

    def loss(self, z, target, teleport):
        dense, info = self.dense.loss(z, target, teleport)
        rows = target if self.targets == "all" else target[teleport]
        if len(rows) == 0:
            return dense, info | {"code_distance": dense.new_zeros(())}
        distance = cosine_distance(F.normalize(self.codes, dim=-1).expand(len(rows), -1, -1), rows)
        best = distance.min(-1).values.mean()
        loss = dense + best + self.lambda_bal * balance_penalty(distance)
        return loss, info | {"code_distance": best}

    def forward(self, z):
        u = F.normalize(self.codes, dim=-1).expand(len(z), -1, -1)
        return u, u.new_full(u.shape[:2], 1 / u.shape[1])
