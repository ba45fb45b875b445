"""Push-T: a round agent pushes a T-shaped block over a table seen from above (Qantara App. A).

Lengths are pixels of a 512-pixel canvas, y points down, angles are radians. The block's pose is that of its local
origin, the middle of the bar's far side:

        x = -60      0      60
      y =  0  +------o-------+      o  position of the block (the arm points along its y axis)
              |     bar      |
          30  +---+------+---+
                  |      |
                  | arm  |          30 wide
         120      +------+

The columns of a state are
    0, 1  agent's position        2, 3  block's position     4     block's angle, in [0, 2 pi)
    5, 6  agent's velocity, px/s  7, 8  block's velocity     9     block's angular velocity, rad/s
The first seven are those of the released data. The block's own velocity is needed too: no velocity of it survives a
part of a step (damping 0), but the last contact's moves it at the beginning of the next one. What no state holds is
the contact solver's memory: after `set_state` on a state in which the agent pushes the block, the next step differs
from the one that would have followed without it. Over the steps of 26 human demonstrations that move the block, by
0.0004 px in the median, 0.03 px at the 99th percentile and 0.3 px at most. From `set_state` on everything is a
function of the state.

Physics is that of the human demonstrations (Chi et al. 2023), whose open-loop replay is exact with pymunk < 7 if the
block's angle is set before its position. The agent is kinematic: nothing stops it, not even a wall, and it can force
the block through one.
"""

import numpy as np
import pymunk

from jepa.envs.push_t_render import render
from jepa.errors import JepaError

ACTION_SCALE = 100.0  # px from the agent to its target at action 1
PARTS, PART_SECONDS = 10, 0.01  # of one step, a tenth of a second
STIFFNESS, FRICTION = 100.0, 20.0  # of the controller that pulls the agent to its target, 1/s^2 and 1/s
AGENT_RADIUS = 15.0
BAR = ((-60, 0), (60, 0), (60, 30), (-60, 30))  # in the block's frame
ARM = ((-15, 30), (15, 30), (15, 120), (-15, 120))
CENTRE_OF_GRAVITY = (0, 45)  # mean of the two rectangles', in the block's frame
WALL_LOW, WALL_HIGH, WALL_RADIUS = 5, 506, 2
SUCCESS = 20.0  # px, agent's and block's distances together
SUCCESS_ANGLE = np.pi / 9
POSE = 5  # columns that say where everything is; the rest are velocities


def at_rest(poses):
    """States without motion. poses: (..., 5) as the first columns of a state. Returns (..., 10) float32."""
    poses = np.asarray(poses, dtype=np.float32)
    return np.concatenate([poses, np.zeros((*poses.shape[:-1], Simulator.state_dim - POSE), np.float32)], axis=-1)


def reached(state, goal):
    """Success of the released environment: agent and block are where the goal has them.

    The norm of the four differences of positions (agent's x and y, block's x and y, together) is less than 20 px and
    the block's angle differs by less than 20 degrees (pi / 9), the shorter way round. Velocities do not count.
    state, goal: (..., 10). Returns (...,) bool.
    """
    state, goal = np.asarray(state, dtype=np.float64), np.asarray(goal, dtype=np.float64)
    near = ((state[..., :4] - goal[..., :4]) ** 2).sum(-1) < SUCCESS**2
    return near & (angle_between(state[..., 4], goal[..., 4]) < SUCCESS_ANGLE)


def block_reached(state, goal):
    """Success of the block alone: within 20 px and 20 degrees of the goal's pose, wherever the agent is."""
    state, goal = np.asarray(state, dtype=np.float64), np.asarray(goal, dtype=np.float64)
    near = ((state[..., 2:4] - goal[..., 2:4]) ** 2).sum(-1) < SUCCESS**2
    return near & (angle_between(state[..., 4], goal[..., 4]) < SUCCESS_ANGLE)


VARIANTS = {"block": block_reached}


def angle_between(a, b):
    """Size of the smaller turn from one angle to another, in [0, pi]. a, b: (...)."""
    return np.abs((np.asarray(a, dtype=np.float64) - b + np.pi) % (2 * np.pi) - np.pi)


def corners(poses):
    """Where the corners of the block's two rectangles are, on the canvas. poses: (..., 5+). Returns (..., 8, 2)."""
    poses = np.asarray(poses, dtype=np.float64)
    local = np.array(BAR + ARM, dtype=np.float64)
    cos, sin = np.cos(poses[..., 4, None]), np.sin(poses[..., 4, None])
    turned = np.stack([cos * local[:, 0] - sin * local[:, 1], sin * local[:, 0] + cos * local[:, 1]], axis=-1)
    return poses[..., None, 2:4] + turned


class Simulator:
    """n independent tables that step and render together."""

    state_dim, action_dim = 10, 2
    action_low, action_high = np.full(2, -1, dtype=np.float32), np.full(2, 1, dtype=np.float32)

    def __init__(self, n):
        self._tables = [None] * n
        self.set_state(at_rest(np.tile(np.array([256, 400, 256, 300, 0], dtype=np.float32), (n, 1))))

    @property
    def state(self):
        """A copy of the states, (n, 10) float32."""
        return self._state.astype(np.float32)

    def set_state(self, states, goals=None):
        """Place everything exactly, with nothing remembered of what went before. states: (n, 10).

        goals: for environments that draw them; this one draws the same T always. Raises JepaError for a wrong shape
        and for a value that is not finite.
        """
        states = np.array(states, dtype=np.float64)
        expected = (len(self._tables), self.state_dim)
        if states.shape != expected:
            raise JepaError(f"Push-T states have the shape {states.shape}; give {expected}.")
        if not np.isfinite(states).all():
            raise JepaError("A Push-T state is not finite; look for NaN in the dataset or in what chose the state.")
        self._state = states
        self._state[:, 4] %= 2 * np.pi
        self._tables = [_table(state) for state in states.tolist()]

    def step(self, actions, active=None):
        """One step of 0.1 s. actions: (n, 2), clipped to [-1, 1]: the target is the agent's position + 100 px * action.

        active: (n,) bool, the tables that move; None for all. Returns the new states. Raises JepaError for an action
        that is not finite.
        """
        actions = np.asarray(actions, dtype=np.float64)
        return self.step_to(self._state[:, :2] + ACTION_SCALE * actions.clip(-1, 1), active)

    def step_to(self, targets, active=None):
        """One step with absolute targets of the agents, in px, as the human demonstrations have them: (n, 2)."""
        chosen = np.arange(len(self._tables)) if active is None else np.flatnonzero(active)
        targets = np.asarray(targets, dtype=np.float64)[chosen]
        if not np.isfinite(targets).all():
            raise JepaError("A Push-T action is not finite; look for NaN in the policy or in the action normalisation.")
        velocities = _agent_velocities(self._state[chosen, :2], self._state[chosen, 5:7], targets).tolist()
        for i, velocity in zip(chosen, velocities, strict=True):
            self._state[i] = _advance(*self._tables[i], velocity)
        return self.state

    def frames(self, size, index=None):
        """Frames of the tables `index`, (m,) int or (n,) bool; None for all. Returns (m, 3, size, size) uint8."""
        return render(self._state if index is None else self._state[index], size)

    def reached(self, goals):
        """Success of every table. goals: (n, 10) states. Returns (n,) bool."""
        return reached(self._state, goals)


def _table(state):
    """A new pymunk space in this state. state: ten floats. Returns (space, agent's body, block's body)."""
    space = pymunk.Space()
    space.damping = 0
    ends = [(WALL_LOW, WALL_HIGH), (WALL_LOW, WALL_LOW), (WALL_HIGH, WALL_LOW), (WALL_HIGH, WALL_HIGH)]
    # The order of the walls is the released environment's; the solver visits contacts in the order of the shapes.
    for a, b in ((0, 1), (1, 2), (2, 3), (0, 3)):
        space.add(pymunk.Segment(space.static_body, ends[a], ends[b], WALL_RADIUS))
    agent = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
    agent.position, agent.velocity = state[0:2], state[5:7]
    space.add(agent, pymunk.Circle(agent, AGENT_RADIUS))
    block = pymunk.Body(1, 2 * pymunk.moment_for_poly(1, BAR))  # twice the bar's, as released
    block.center_of_gravity = CENTRE_OF_GRAVITY
    block.angle = state[4]  # turns about the centre of gravity, so the position comes after it
    block.position = state[2:4]
    block.velocity, block.angular_velocity = state[7:9], state[9]
    space.add(block, pymunk.Poly(block, BAR), pymunk.Poly(block, ARM))
    return space, agent, block


def _agent_velocities(position, velocity, target):
    """The agents' velocities in each part of a step; nothing else moves an agent. (m, 2) each; returns (m, 10, 2)."""
    parts = np.empty((len(position), PARTS, 2))
    for part in range(PARTS):
        velocity = velocity + (STIFFNESS * (target - position) - FRICTION * velocity) * PART_SECONDS
        position = position + velocity * PART_SECONDS
        parts[:, part] = velocity
    return parts


def _advance(space, agent, block, velocities):
    """Move one table through the parts of a step. velocities: ten pairs, the agent's. Returns its state."""
    for velocity in velocities:
        agent.velocity = velocity
        space.step(PART_SECONDS)
    angle = block.angle % (2 * np.pi)
    return (*agent.position, *block.position, angle, *agent.velocity, *block.velocity, block.angular_velocity)
