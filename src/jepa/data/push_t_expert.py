"""A scripted demonstrator of Push-T that needs no recording: it tries pushes in the simulator and makes the best one.

A push starts beside the block, goes straight in and lasts up to twelve steps. The demonstrator simulates many of them
from the block's pose of the moment, takes the one that brings the corners of the T to the goal's the fastest (the way
to its start counts), walks around the block to that start, pushes, and plans anew.
"""

import numpy as np

from jepa.envs.push_t import ACTION_SCALE, AGENT_RADIUS, Simulator, angle_between, at_rest, block_reached, corners
from jepa.envs.push_t_render import TARGET

MAX_STEPS = 200
CANDIDATES, PUSH_STEPS = 48, 12
SPEEDS = (0.1, 0.25)  # size of a push's action; steadily, action 1 moves the agent by 50 px a step
TILT = 0.35  # rad, standard deviation of a push's direction about the inward normal
WALK = 0.4  # size of a walk's action, at most
WALK_STEP, SETTLING = 18.0, 4.0  # px that it walks in a step and steps to come to rest, for estimates
GAP = 6.0  # px between agent and block where a push starts
CLEARANCE = 3.0  # px between agent and block on a straight way
ROOM = 15.0  # px between agent and block that let it start around it, even where a wall keeps it off the orbit
ORBIT, ORBIT_TURN = 108.0, 0.5  # px from the block's middle, and rad a step, at which it walks around
ARRIVED, WAIT = 6.0, 40  # px from a push's start that count as there; steps after which it plans anew
LOW, HIGH = 20.0, 491.0  # where it goes
NEAR, NEAR_ANGLE = 8.0, np.pi / 30  # it stops here, well inside success
MIDDLE = np.array([0.0, 50.0])  # of the block, in its frame
RECTANGLES = np.array([[-60, 0, 60, 30], [-15, 30, 15, 120]], dtype=np.float64)  # bar, arm: low x, y, high x, y
# The block's outline as edges in its frame, in order, so that the normal (dy, -dx) points outward.
OUTLINE = np.array([[-60, 0], [60, 0], [60, 30], [15, 30], [15, 120], [-15, 120], [-15, 30], [-60, 30]], np.float64)
GOAL = at_rest([256, 256, *TARGET])


def demonstrate(rng, noise=0.05):
    """One episode from a random start. rng: numpy Generator. noise: standard deviation added to every action.

    Returns states: (n + 1, 10) and actions: (n, 2) float32, n <= 200, and whether the block ends within 20 px and 20
    degrees of the goal pose (256, 256, pi/4).
    """
    table, trial = Simulator(1), Simulator(CANDIDATES)
    table.set_state(random_start(rng)[None])
    states, actions = [table.state[0]], []
    state = states[0]
    while len(actions) < MAX_STEPS and not _done(state):
        start, push, steps = best_push(state, trial, rng)
        walked = pushed = 0
        while pushed < steps and walked < WAIT and len(actions) < MAX_STEPS and not _done(state):
            if pushed or np.linalg.norm(state[:2] - start) < ARRIVED:
                action, pushed = push, pushed + 1
            else:
                action, walked = walk(state, start), walked + 1
            action = (action + noise * rng.standard_normal(2)).clip(-1, 1).astype(np.float32)
            actions.append(action)
            state = table.step(action[None])[0]
            states.append(state)
    return np.array(states), np.array(actions, dtype=np.float32).reshape(-1, 2), bool(block_reached(state, GOAL))


def random_start(rng):
    """A start as in the released environment, agent off the block: agent in [50, 450]^2, block in [100, 400]^2."""
    while True:
        pose = np.concatenate([rng.uniform(50, 450, 2), rng.uniform(100, 400, 2), rng.uniform(0, 2 * np.pi, 1)])
        if gap(pose[:2], pose) > CLEARANCE:
            return at_rest(pose)


def gap(points, pose):
    """Distance from the edge of an agent at `points`, (..., 2), to the block of a state. Returns (...,) px."""
    local = _to_block(np.asarray(points, dtype=np.float64), pose)[..., None, :]
    beside = np.maximum(RECTANGLES[:, :2] - local, local - RECTANGLES[:, 2:]).clip(0)
    return np.sqrt((beside**2).sum(-1)).min(-1) - AGENT_RADIUS


def best_push(state, trial, rng):
    """The push that brings the block to the goal the fastest. trial: a Simulator of as many tables as candidates.

    Returns the agent's place at its start (2,), its action (2,), and its length in steps.
    """
    start, action = _candidates(state, len(trial.state), rng)
    poses = np.concatenate([start, np.broadcast_to(state[2:5], (len(start), 3))], axis=1)
    trial.set_state(at_rest(poses))
    goal = corners(GOAL)
    errors = np.array([_distance(trial.step(action), goal) for _ in range(PUSH_STEPS)])
    gain = _distance(state[None], goal) - errors
    straight = np.array([_is_clear(state[:2], place, state) for place in start])
    way = np.linalg.norm(start - state[:2], axis=1) * np.where(straight, 1, 1.7)
    duration = np.arange(1, PUSH_STEPS + 1)[:, None] + way / WALK_STEP + SETTLING
    steps, best = np.unravel_index(np.argmax(gain / duration), gain.shape)
    return start[best], action[best], int(steps) + 1


def walk(state, place):
    """The action towards a place, straight where the block leaves room, else around it. Returns (2,)."""
    agent = state[:2].astype(np.float64)
    if not _is_clear(agent, place, state):
        middle = _to_table(MIDDLE, state)
        out, to = agent - middle, place - middle
        angle = np.arctan2(out[1], out[0])
        if np.linalg.norm(out) > ORBIT - 10 or gap(agent, state) > ROOM:
            angle += np.clip(_turn(middle, angle, np.arctan2(to[1], to[0]), state), -ORBIT_TURN, ORBIT_TURN)
        place = _orbit(middle, angle)
    action = (place - agent) / ACTION_SCALE
    size = np.linalg.norm(action)
    # Short ways are walked faster than the controller alone would: it covers a quarter of the way in a step.
    return action * min(2.0, WALK / max(size, 1e-6))


def _candidates(state, count, rng):
    """Starts (count, 2) on the table and actions (count, 2) of pushes at random points of the block's outline."""
    edges = np.roll(OUTLINE, -1, axis=0) - OUTLINE
    lengths = np.linalg.norm(edges, axis=1)
    starts, actions = [], []
    while len(starts) < count:
        edge = rng.choice(len(edges), p=lengths / lengths.sum())
        point = OUTLINE[edge] + rng.uniform(0.05, 0.95) * edges[edge]
        normal = np.array([edges[edge][1], -edges[edge][0]]) / lengths[edge]
        place = _to_table(point + (AGENT_RADIUS + GAP) * normal, state)
        if gap(place, state) < CLEARANCE or (place < LOW).any() or (place > HIGH).any():
            continue
        turn = state[4] + TILT * rng.standard_normal()
        inward = -np.array(
            [np.cos(turn) * normal[0] - np.sin(turn) * normal[1], np.sin(turn) * normal[0] + np.cos(turn) * normal[1]]
        )
        starts.append(place)
        actions.append(rng.choice(SPEEDS) * inward)
    return np.array(starts), np.array(actions)


def _turn(middle, angle, wanted, state):
    """How far to turn around the block, rad: the shorter way unless a wall leaves no room there."""
    short = (wanted - angle + np.pi) % (2 * np.pi) - np.pi
    along = angle + short * np.linspace(0, 1, 16)
    return short if gap(_orbit(middle, along), state).min() > 0 else short - np.copysign(2 * np.pi, short)


def _orbit(middle, angle):
    """Places around the block, kept on the table. middle: (2,). angle: (...). Returns (..., 2)."""
    return (middle + ORBIT * np.stack([np.cos(angle), np.sin(angle)], axis=-1)).clip(LOW, HIGH)


def _is_clear(start, end, state):
    """Whether an agent gets straight from one place to the other without touching the block."""
    way = start + np.linspace(0, 1, 12)[:, None] * (end - start)
    return gap(way[1:], state).min() > min(CLEARANCE, gap(start, state))


def _distance(states, goal):
    """Mean distance of the T's corners from the goal's, px. states: (n, 10). Returns (n,)."""
    return np.linalg.norm(corners(states) - goal, axis=-1).mean(-1)


def _done(state):
    near = np.linalg.norm(state[2:4] - GOAL[2:4]) < NEAR
    return near and angle_between(state[4], GOAL[4]) < NEAR_ANGLE


def _to_block(points, state):
    cos, sin = np.cos(state[4]), np.sin(state[4])
    dx, dy = points[..., 0] - state[2], points[..., 1] - state[3]
    return np.stack([cos * dx + sin * dy, cos * dy - sin * dx], axis=-1)


def _to_table(points, state):
    cos, sin = np.cos(state[4]), np.sin(state[4])
    return state[2:4] + np.stack(
        [cos * points[..., 0] - sin * points[..., 1], sin * points[..., 0] + cos * points[..., 1]], -1
    )
