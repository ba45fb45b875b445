"""Closed loops in a world that the model knows exactly."""

import numpy as np
import pytest
import torch

from jepa.errors import JepaError
from jepa.planning.control import Attempt, control, latency, policy_of
from linear_world import HEADING, SKIP, LinearModel, Plane, generators, picture
from small_models import T, model_of

PLANNER = {"candidates": 64, "elites": 8, "iterations": 6, "horizon": 5}
N = 9


def pairs(n=N, far=60.0):
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 200, (n, 2)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi, n)
    return starts, (starts + far * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32)


def run(model, starts, goals, decide, budget=50, seeds=None, look=lambda states, rows: picture(states, 8), world=None):
    world = world or Plane(len(starts))
    noise = generators(range(len(starts)) if seeds is None else seeds)
    attempt, _ = control(model, world, starts, goals, decide, look=look, budget=budget, generators=noise)
    return attempt, world


def fixed(model, raw, blocks=1):
    """A policy that always takes the same raw actions (SKIP, 2)."""
    block = model.normalise(torch.as_tensor(raw, dtype=torch.float32).flatten())
    return lambda prefix, z_goal, gens: block.expand(len(z_goal), blocks, -1)


def test_planning_reaches_every_goal():
    model = LinearModel()
    attempt, _ = run(model, *pairs(), policy_of(model, "cem", 4, PLANNER))
    assert attempt.success.all() and not attempt.solved_at_start.any()
    assert (attempt.steps <= 50).all() and (attempt.steps > 5).all()


@pytest.mark.parametrize("dispatch", ["bc", "video-inverse"])
def test_goal_blind_dispatches_go_where_the_demonstrators_go(dispatch):
    model = LinearModel()
    starts, _ = pairs()
    ahead = (starts + 10 * 5 * HEADING.numpy()).astype(np.float32)
    attempt, _ = run(model, starts, ahead, policy_of(model, dispatch, 2, PLANNER))
    assert attempt.success.all()
    behind, _ = run(model, starts, 2 * starts - ahead, policy_of(model, dispatch, 2, PLANNER))
    assert not behind.success.any() and (behind.steps == 50).all()


def test_the_first_hit_counts_even_in_the_middle_of_a_block():
    model = LinearModel()
    start, goal = np.zeros((1, 2), np.float32), np.array([[30, 0]], np.float32)
    east = [[1, 0]] * SKIP
    attempt, world = run(model, start, goal, fixed(model, east))
    assert attempt.success.all() and attempt.steps.tolist() == [3]  # |15 - 30| < 16
    assert world.state.tolist() == [[15, 0]]  # and there it stopped


def test_a_start_at_the_goal_is_recorded_and_must_still_be_hit():
    model = LinearModel()
    start, goal = np.zeros((2, 2), np.float32), np.array([[15.9, 0], [60, 0]], np.float32)
    attempt, _ = run(model, start, goal, fixed(model, [[-1, 0]] * SKIP))
    assert attempt.solved_at_start.tolist() == [True, False]
    assert not attempt.success.any()  # it walked away with its first step


def test_the_budget_is_counted_in_raw_steps():
    model = LinearModel()
    start, goal = np.zeros((1, 2), np.float32), np.array([[15 + 5 * 50, 0]], np.float32)
    east = fixed(model, [[1, 0]] * SKIP, blocks=5)
    assert run(model, start, goal, east, budget=50)[0].success.all()
    missed, world = run(model, start, goal, east, budget=48)  # not a multiple of a block
    assert not missed.success.any() and missed.steps.tolist() == [48] and world.state[0, 0] == 5 * 48


def test_history_holds_the_actions_that_were_executed_and_the_frames_that_followed():
    model, seen = LinearModel(), []
    raw = torch.tensor([[3.0, 0.5]] * SKIP)  # 3 is out of range

    def decide(prefix, z_goal, gens):
        seen.append(prefix)
        return model.normalise(raw.flatten()).expand(len(z_goal), 2, -1)

    starts, goals = np.zeros((1, 2), np.float32), np.full((1, 2), 1e4, np.float32)
    run(model, starts, goals, decide, budget=20)
    assert [len(prefix.past) for prefix in seen] == [0, 2]  # decided twice, two blocks each
    for block, (action, z) in enumerate(seen[1].past, 1):
        torch.testing.assert_close(model.denormalise(action).view(SKIP, 2), raw.clamp(-1, 1))
        torch.testing.assert_close(z, torch.tensor([[2.5 * block, 1.25 * block]]))


@pytest.mark.parametrize("blocks, looks", [(5, 4), (3, 3), (1, 1)])
def test_frames_are_drawn_for_decisions_only_and_as_far_back_as_the_window_reaches(blocks, looks):
    """Plans of 5 blocks and a window of T = 4: start, goal, and 4 frames before the second and last plan."""
    model, drawn, decisions = LinearModel(), [], []

    def look(states, rows):
        drawn.append(rows.tolist())
        return picture(states, 8)

    def decide(prefix, z_goal, gens):
        decisions.append(len(drawn))
        return model.normalise(torch.tensor([1.0, 0.0]).repeat(SKIP)).expand(len(z_goal), blocks, -1)

    starts = np.zeros((3, 2), np.float32)
    goals = np.array([[30, 0], [1e4, 0], [-1e4, 0]], np.float32)  # the first is reached in the first block
    run(model, starts, goals, decide, look=look, budget=50)
    later = -(-10 // blocks) - 1  # decisions after the first
    assert decisions == [2 + looks * i for i in range(later + 1)]
    assert drawn == [[0, 1, 2]] * 2 + [[1, 2]] * looks * later


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 7])
def test_the_history_is_what_adding_every_block_at_once_would_make_it(blocks):
    """With a real transformer: latents, actions, and what a query makes of them."""
    model = model_of().eval()
    model.settings = model.settings | {"data": {"frame_skip": 3}}
    raw = torch.randn(40, model.action_dim, generator=torch.Generator().manual_seed(0))
    probe = torch.randn(2, model.d, generator=torch.Generator().manual_seed(1))
    seen, world = [], Plane(2)
    starts, goals = np.array([[3, 7], [90, 40]], np.float32), np.full((2, 2), 1e4, np.float32)

    def look(states, rows):
        return picture(states, 16)

    def decide(prefix, z_goal, gens):
        done = blocks * len(seen)
        answers = model.query(prefix, raw[:2], probe, 0.5, 0.5)
        seen.append((prefix.z, prefix.actions, *answers))
        return raw[done : done + blocks].expand(2, -1, -1)

    run(model, starts, goals, decide, look=look, budget=42, world=world)

    def latents(states):
        with torch.inference_mode():
            return model.encode(torch.from_numpy(look(states, None)).unsqueeze(1))[:, 0]

    eager = Plane(2)
    eager.set_state(starts)
    prefix, expected = model.start(latents(starts)), []
    for block in range(14):
        if block % blocks == 0:
            answers = model.query(prefix, raw[:2], probe, 0.5, 0.5)
            expected.append((prefix.z, prefix.actions, *answers))
        executed = model.denormalise(raw[block]).view(3, 2).clamp(-1, 1)
        for action in executed.numpy():
            eager.step(np.tile(action, (2, 1)), np.ones(2, dtype=bool))
        action = model.normalise(executed.flatten()).expand(2, -1)
        prefix = model.extend(prefix, action, latents(eager.state))
    assert len(seen) == len(expected) and max(len(z[0]) for z, *_ in seen) == T
    for now, then in zip(seen, expected, strict=True):
        for mine, theirs in zip(now, then, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_other_criteria_are_met_at_their_own_first_hit():
    criteria = {"east": lambda state, goal: state[:, 0] >= goal[:, 0] - 30}
    goals = np.array([[40, 0], [20, 0], [40, 1e4], [1e4, 0]], np.float32)
    attempt = Attempt(Plane(4), np.zeros((4, 2)), goals, budget=10, criteria=criteria)
    for _ in range(10):
        attempt.step(np.array([[1, 0]] * 4))
    assert attempt.success.tolist() == [True, True, False, False]
    assert attempt.variants["east"].tolist() == [True, True, True, False]
    assert attempt.variants_at_start["east"].tolist() == [False, True, False, False]
    assert attempt.steps.tolist() == [5, 1, 10, 10]  # another criterion ends no episode


def test_episodes_that_have_ended_are_not_planned_for():
    model, asked = LinearModel(), []

    def decide(prefix, z_goal, gens):
        asked.append((len(prefix.z), len(gens)))
        return model.normalise(torch.tensor([1.0, 0.0]).repeat(SKIP)).expand(len(z_goal), 1, -1)

    starts = np.zeros((3, 2), np.float32)
    attempt, _ = run(model, starts, np.array([[35, 0], [65, 0], [400, 0]], np.float32), decide)
    assert attempt.success.tolist() == [True, True, False]
    assert asked == [(3, 3)] + [(2, 2)] + [(1, 1)] * 8


@pytest.mark.parametrize("dispatch, k", [("cem", 4), ("bc", 2), ("video-inverse", 2)])
def test_neither_batching_nor_order_changes_an_outcome_or_an_action(dispatch, k):
    model = LinearModel()
    starts, goals = pairs()

    def drive(rows):
        attempt, world = run(model, starts[rows], goals[rows], policy_of(model, dispatch, k, PLANNER), seeds=rows)
        return np.concatenate([attempt.success[:, None], attempt.steps[:, None], world.state], axis=1)

    together = drive(list(range(N)))
    order = [8, 3, 5, 0, 1, 7, 2, 6, 4]
    assert np.array_equal(drive(order), together[order])
    assert np.array_equal(np.concatenate([drive([0, 1, 2, 3]), drive([4, 5, 6, 7, 8])]), together)


def test_an_attempt_freezes_what_has_ended():
    attempt = Attempt(Plane(2), np.zeros((2, 2)), np.array([[18, 0], [90, 0]]), budget=2)
    for _ in range(4):
        attempt.step(np.array([[1, 0], [1, 0]]))
    assert attempt.steps.tolist() == [1, 2] and attempt.success.tolist() == [True, False]
    assert attempt.simulator.state[:, 0].tolist() == [5, 10]


def test_an_unknown_dispatch_is_refused():
    with pytest.raises(JepaError, match="choose one of cem, bc, video-inverse"):
        policy_of(LinearModel(), "mpc", 1, PLANNER)


def test_latency_is_shared_by_the_raw_steps_that_a_decision_covers():
    model = LinearModel()
    frame = Plane(1).frames(8)[0]
    assert latency(model, frame, frame, policy_of(model, "bc", 2, PLANNER), raw_dim=2, repeats=1) > 0
