"""Distances of candidates to targets, and the losses that assign targets to heads: pure functions of tensors.

u: (B, K, out) candidates. target: (B, out). distance: (B, K), d_ik of candidate k to target i.
"""

import torch
from torch.nn import functional as F


def cosine_distance(u, target):
    """d_ik = 1 - u_ik . z+_i (Eq. 4). u: (B, K, d); target: (B, d). Returns (B, K)."""
    return 1 - (u @ target.unsqueeze(-1)).squeeze(-1)


def half_squared_error(u, target):
    """d_ik = |u_ik - y_i|^2 / (2 out). u: (B, K, out); target: (B, out). Returns (B, K)."""
    return 0.5 * (u - target.unsqueeze(-2)).square().mean(-1)


def on_sphere(x):
    """x: (..., out), brought to unit norm."""
    return F.normalize(x, dim=-1)


def as_it_is(x):
    return x


SPACES = {"sphere": (on_sphere, cosine_distance), "flat": (as_it_is, half_squared_error)}  # (project, distance)


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


def mop_loss(distance, log_pi, lambda_route, lambda_bal, literal=False, temperature=None):
    """MoP-JEPA Eq. 6. distance: (B, K), Eq. 4; log_pi: (B, K) log router weights. Returns (scalar, info).

    temperature: None for the hard winners of Eq. 5; a scalar T > 0 softens them to softmax(-d / T) without a gradient
    of their own, which is the assignment again as T -> 0.
    """
    if temperature is None:
        winner = hard_assignment(distance)
        best = distance.gather(1, winner[:, None]).mean()
        route = F.nll_loss(log_pi, winner)
    else:
        share = (-distance.detach() / temperature).softmax(-1)
        best = (share * distance).sum(-1).mean()
        route = -(share * log_pi).sum(-1).mean()
    balance = balance_penalty(distance, literal=literal)
    loss = best + lambda_route * route + lambda_bal * balance
    return loss, {"distance": best, "route": route, "balance": balance}


def separation_penalty(u, distance, temperature=0.1):
    """Mean of exp(-l(u_j, u_k) / T) over pairs of heads j < k: 1 where all coincide, about 0 where all are apart.

    u: (B, K, out). distance: of a space. The paper names an explicit head-separation loss without its formula
    ("Design ablations"); this one is ours. K = 1 has no pairs and gives 0.
    """
    first, second = torch.triu_indices(u.shape[1], u.shape[1], offset=1, device=u.device)
    if len(first) == 0:
        return u.new_zeros(())
    between = distance(u[:, first].flatten(0, 1).unsqueeze(1), u[:, second].flatten(0, 1))
    return (-between / temperature).exp().mean()


def mdn_loss(distance, log_pi, log_sigma, d_eff, lambda_bal):
    """Negative log-likelihood of a soft mixture (Bishop 1994) with load balancing on the mean responsibility.

    ll_k = log pi_k - d_k / sigma_k^2 - d_eff log sigma_k. distance, log_pi, log_sigma: (B, K). Returns (scalar, info).
    """
    joint = log_pi - distance * (-2 * log_sigma).exp() - d_eff * log_sigma
    nll = -joint.logsumexp(-1).mean()
    usage = joint.softmax(-1).mean(0)
    balance = kl_to_uniform(usage)
    return nll + lambda_bal * balance, {
        "nll": nll,
        "distance": distance.min(-1).values.mean(),
        "balance": balance,
    }
