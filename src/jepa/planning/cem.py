"""Latent planning: the Cross-Entropy Method on the forward edge (Qantara 2.2 "Latent planning", App. F)."""

import torch

from jepa.errors import JepaError
from jepa.planning.dispatches import drawer, rollout
from jepa.random import seed_of

# Tokens imagined side by side at most: what fills a GPU, or what fits a CPU's cache. A plan does not depend on it.
ROLLOUTS = {"cuda": 2**15, "cpu": 2**10}


def goal_cost(z, z_goal):
    """Squared L2 distance of the last predicted latent to the goal. z, z_goal: (..., d). Returns (...)."""
    return (z - z_goal).square().sum(dim=-1)


@torch.inference_mode()
def plan_all(model, prefix, z_goal, *, generators, candidates=300, **search):
    """`plan` for any number of episodes, as many at once as memory allows, and one at least."""
    together = ROLLOUTS[z_goal.device.type] // (candidates * model.tokens_a_frame)
    groups = torch.arange(len(z_goal), device=z_goal.device).split(max(1, together))
    plans = [
        plan(
            model,
            prefix.select(rows),
            z_goal[rows],
            generators=[generators[row] for row in rows.tolist()],
            candidates=candidates,
            **search,
        )
        for rows in groups
    ]
    return torch.cat(plans)


@torch.inference_mode()
def plan(model, prefix, z_goal, *, candidates=300, elites=30, iterations=30, horizon=5, k=4, generators):
    """The elite-mean plan of N episodes; all N x candidates rollouts of an iteration are one batch.

    prefix: clean past of the N episodes; its cache is computed once and shared by the candidates. z_goal: (N, d).
    generators: one torch.Generator per episode, so that a plan does not depend on the episodes beside it.
    Defaults are App. F's. Returns z-scored action blocks (N, horizon, da) float32. Raises JepaError when there
    are fewer candidates than elites.
    """
    if not 1 <= elites <= candidates:
        raise JepaError(f"CEM cannot keep {elites} elites of {candidates} candidates; set 1 <= elites <= candidates.")
    draw = drawer(generators)
    episodes, d = z_goal.shape
    mean = z_goal.new_zeros(episodes, horizon, model.action_dim)
    std = torch.ones_like(mean)
    shared, goals = prefix.repeat(candidates), z_goal.unsqueeze(1)
    k = k if model.denoises else 0  # no noise to draw
    for _ in range(iterations):
        # Sample around the current mean; candidate 0 is the mean itself, and nothing is clipped.
        proposals = mean.unsqueeze(1) + std.unsqueeze(1) * draw(candidates, horizon, model.action_dim)
        proposals[:, 0] = mean
        # Imagine them all. Row e * candidates + c is candidate c of episode e.
        noise = draw(candidates, horizon, k, d).flatten(0, 1)
        final = rollout(model, shared, proposals.flatten(0, 1), k, noise)[:, -1]
        cost = goal_cost(final.view(episodes, candidates, d), goals)
        # Refit to the elites, with the population std: the maximum-likelihood Gaussian.
        best = cost.topk(elites, dim=1, largest=False).indices
        chosen = proposals.gather(1, best[..., None, None].expand(-1, -1, *mean.shape[1:]))
        mean, std = chosen.mean(dim=1), chosen.std(dim=1, correction=0)
    return mean


class Cost:
    """Our model behind the one method that outside planners call: `get_cost(info, candidates)`.

    The convention is stable-worldmodel's: every entry of `info` is repeated over the S candidates of B
    environments; the last frame of `pixels` is the present (history 1). k, seed: of the bridge recursion.
    """

    def __init__(self, model, k=1, seed=0):
        self.model, self.k, self.seed = model, k, seed

    def parameters(self):
        """The planner asks them for the dtype and the device."""
        return self.model.parameters()

    @torch.inference_mode()
    def get_cost(self, info, candidates):
        """info: {"pixels", "goal"}: (B, S, F, 3, H, W) or channels last, 0 to 255. candidates: (B, S, horizon, da),
        z-scored. Returns (B, S) float32. Raises JepaError when an entry is missing."""
        missing = {"pixels", "goal"} - set(info)
        if missing:
            raise JepaError(f"get_cost needs {' and '.join(sorted(missing))} in info, which has {', '.join(info)}.")
        present, goal = (self._encode(info[name], candidates.device) for name in ("pixels", "goal"))
        environments, samples, horizon, _ = candidates.shape
        generator = torch.Generator(candidates.device).manual_seed(seed_of("get_cost", self.seed))
        k = self.k if self.model.denoises else 0  # no noise to draw
        noise = torch.randn(samples, horizon, k, goal.shape[1], generator=generator, device=candidates.device).repeat(
            environments, 1, 1, 1
        )
        prefix = self.model.start(present).repeat(samples)
        final = rollout(self.model, prefix, candidates.flatten(0, 1).float(), k, noise)[:, -1]
        return goal_cost(final.view(environments, samples, -1), goal.unsqueeze(1))

    def _encode(self, frames, device):
        frames = torch.as_tensor(frames)[:, 0, -1:]  # the same for every candidate
        if frames.shape[-3] != 3:
            frames = frames.movedim(-1, -3)
        return self.model.encode(frames.to(device, torch.uint8))[:, 0]
