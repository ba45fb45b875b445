"""Closed-loop control of a simulator by a dispatch, and the bookkeeping of attempts that floors share.

A decision is a plan of action blocks; each block is `skip` raw actions. What is fed back as history are the actions
that were executed, clipped to the simulator's range, and the latents of the frames at the ends of the blocks. Frames
can be the dearest part, so the states there are remembered and drawn when a decision is due, as far back as the model's
window reaches, and of the episodes that are still under way. An episode ends at its first hit or with the budget.
"""

import time

import numpy as np
import torch

from jepa.errors import JepaError
from jepa.planning import cem
from jepa.planning.dispatches import DISPATCHES, bc, drawer, gcbc, video_inverse


class Attempt:
    """n episodes of a simulator on their way from starts (n, ds) to goals (n, ds) within `budget` raw steps.

    success, solved_at_start, active: (n,) bool. steps: (n,) int, raw steps taken (up to the first hit). A start
    that already fulfils the goal is recorded, but counts as a success only when a step is taken and hits.

    criteria: {name: function(states (n, ds), goals (n, ds)) -> (n,) bool}, other criteria of success, each implied by
    `reached`, which alone ends an episode. variants, variants_at_start: {name: (n,) bool}, success and solved_at_start
    by each of them.
    """

    def __init__(self, simulator, starts, goals, budget, criteria=None):
        self.simulator, self.goals, self.budget, self.criteria = simulator, goals, budget, criteria or {}
        simulator.set_state(starts, goals)
        self.solved_at_start = simulator.reached(goals).copy()
        self.success = np.zeros(len(goals), dtype=bool)
        self.steps = np.zeros(len(goals), dtype=np.int64)
        self.variants_at_start = self._by_criterion()
        self.variants = {name: np.zeros(len(goals), dtype=bool) for name in self.criteria}

    @property
    def active(self):
        return ~self.success & (self.steps < self.budget)

    def step(self, actions):
        """One raw step of the active episodes. actions: (n, da), ignored where an episode has ended."""
        active = self.active
        self.simulator.step(actions, active=active)
        self.steps += active
        self.success |= active & self.simulator.reached(self.goals)
        for name, hit in self._by_criterion().items():
            self.variants[name] |= active & hit

    def _by_criterion(self):
        state = self.simulator.state if self.criteria else None
        return {name: criterion(state, self.goals) for name, criterion in self.criteria.items()}


def policy_of(model, dispatch, k, planner):
    """decide(prefix, z_goal, generators) -> z-scored action blocks (N, blocks, da) of a dispatch.

    planner: {candidates, elites, iterations, horizon}, used by `cem`; the goal is used by `cem` and `gcbc` alone.
    Raises JepaError for a dispatch that does not exist, or that this kind of model cannot answer.
    """
    if dispatch not in DISPATCHES:
        raise JepaError(f"dispatch {dispatch!r} is unknown; choose one of {', '.join(DISPATCHES)}.")
    if dispatch not in model.dispatches:
        raise JepaError(
            f"a {model.settings['kind']} cannot be evaluated with the dispatch {dispatch}; "
            f"choose {' or '.join(model.dispatches)}."
        )
    if dispatch == "cem":
        return lambda prefix, z_goal, generators: cem.plan_all(
            model, prefix, z_goal, **planner, k=k, generators=generators
        )
    if dispatch == "gcbc":
        return lambda prefix, z_goal, generators: gcbc(model, prefix, z_goal).unsqueeze(1)
    act = {"bc": bc, "video-inverse": video_inverse}[dispatch]
    return lambda prefix, z_goal, generators: act(model, prefix, k, drawer(generators)).unsqueeze(1)


@torch.inference_mode()
def act(model, dispatch, frame, goal, *, k=2, seed=0, candidates=32, elites=6, iterations=4, horizon=5):
    """The next action block of one robot that has just begun to look.

    frame, goal: (3, size, size) uint8, what it sees and what it wants to see; `bc` and `video-inverse` ignore the goal.
    dispatch, k: see `policy_of`. Returns raw actions (frame skip, raw dim) float32, not clipped.
    """
    planner = {"candidates": candidates, "elites": elites, "iterations": iterations, "horizon": horizon}
    decide = policy_of(model, dispatch, k, planner)
    generators = [torch.Generator(model.device).manual_seed(seed)]
    blocks = decide(model.start(encode(model, frame[None])), encode(model, goal[None]), generators)
    skip = model.settings["data"]["frame_skip"]
    return model.denormalise(blocks[0, 0]).reshape(skip, -1).cpu().numpy()


class Clock:
    """Seconds spent inside `with clock:` blocks, the accelerator's queue included."""

    def __init__(self, device):
        self.device, self.seconds = device, 0.0

    def _now(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def __enter__(self):
        self._began = self._now()

    def __exit__(self, *_):
        self.seconds += self._now() - self._began


def encode(model, frames):
    """Latents (n, d) float32 of frames (n, 3, size, size) uint8, numpy."""
    return model.encode(torch.from_numpy(frames).unsqueeze(1).to(model.device))[:, 0].float()


@torch.inference_mode()
def control(model, simulator, starts, goals, decide, *, look, budget, generators, criteria=None):
    """Drive every episode by `decide` (see `policy_of`) until it succeeds or its budget is spent.

    starts, goals: (n, ds) states of the n episodes of `simulator`. look(states (m, ds), rows (m,)): frames
    (m, 3, size, size) uint8 of states of the episodes `rows`. generators: one torch.Generator per episode.
    criteria: see Attempt. Returns (attempt, seconds spent in the model).
    """
    clock = Clock(model.device)
    attempt = Attempt(simulator, starts, goals, budget, criteria)
    rows = np.arange(len(goals))  # the episodes under way; prefix, z_goal, blocks and unseen hold these only

    def see(states):
        frames = look(states, rows)
        with clock:
            return encode(model, frames)

    z_goal, prefix = see(goals), model.start(see(starts))
    blocks, unseen = None, []  # unseen: what was done and where it led, since the last decision
    while len(rows):
        if blocks is None or not blocks.shape[1]:
            prefix, unseen = _remembered(model, prefix, unseen, see, clock), []
            with clock:
                blocks = decide(prefix, z_goal, [generators[row] for row in rows])

        # Execute the plan's next block.
        executed = _executable(model, simulator, blocks[:, 0])
        actions = np.zeros((len(goals), *executed.shape[1:]), dtype=np.float32)
        actions[rows] = executed
        for step in range(executed.shape[1]):
            attempt.step(actions[:, step])

        # Drop the episodes that have ended; the others remember what they did and where they are.
        staying = np.flatnonzero(attempt.active[rows])
        unseen = [(done[staying], states[staying]) for done, states in [*unseen, (executed, simulator.state[rows])]]
        rows, kept = rows[staying], torch.from_numpy(staying).to(z_goal.device)
        with clock:
            prefix, z_goal, blocks = prefix.select(kept), z_goal[kept], blocks[kept, 1:]
    return attempt, clock.seconds


def _remembered(model, prefix, unseen, see, clock):
    """The history `prefix` after the blocks `unseen`: [(executed (n, skip, raw dim), states after it (n, ds)), ...].

    The window holds T blocks. Those that have left it again are not looked at: the oldest that is left begins the
    history, as it does when blocks are added one by one.
    """
    T = model.settings["predictor"]["T"]
    if len(unseen) >= T:
        (_, states), *unseen = unseen[-T:]
        prefix = model.start(see(states))
    for executed, states in unseen:
        z = see(states)
        with clock:
            action = model.normalise(torch.from_numpy(executed).flatten(1).to(z.device))
            prefix = model.extend(prefix, action, z)
    return prefix


def _executable(model, simulator, block):
    """The raw actions (n, skip, raw dim) float32 that the simulator will execute for a z-scored block (n, da)."""
    raw = model.denormalise(block).cpu().numpy().reshape(len(block), -1, simulator.action_dim)
    return np.clip(raw, simulator.action_low, simulator.action_high).astype(np.float32)


@torch.inference_mode()
def latency(model, frame, goal, decide, *, raw_dim, repeats=5):
    """Milliseconds of model time that one raw environment step of one lone robot costs.

    frame, goal: (3, size, size) uint8. Times encoding and one decision from an empty history, and divides by the
    raw steps that the decision covers. Returns the median of `repeats`, after one call that is not counted.
    """
    device = model.device
    z_goal = encode(model, goal[None])
    times = []
    for _ in range(repeats + 1):
        clock = Clock(device)
        generators = [torch.Generator(device).manual_seed(0)]
        with clock:
            blocks = decide(model.start(encode(model, frame[None])), z_goal, generators)
        times.append(1000 * clock.seconds / (blocks[0].numel() // raw_dim))
    return float(np.median(times[1:]))
