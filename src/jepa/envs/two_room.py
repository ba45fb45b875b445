"""Two-Room: a disc that walks between two rooms through one door (Qantara App. A), thousands at once.

Lengths are pixels of a 224-pixel canvas at every render resolution; pixel i covers [i - 0.5, i + 0.5).

      7   14            107 117            209  216      centres of the disc lie in [14, 209]^2
      +---------------------------------------+          wall at x = 112, 10 thick
      |                  # #                  |   35
      |                 (door)                |   49     door: centre (112, 49), half-height 14
      |                  # #                  |   63
      |                  # #                  |

A step moves the disc by 5 px times the action, in sixteen parts. After each part a disc that overlaps the wall is
pushed out along the contact's normal, so that it slides without friction, never tunnels and rounds the door's corners.
"""

import gymnasium
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jepa.envs.batch import Batch
from jepa.errors import JepaError

CANVAS = 224
LOW, HIGH = 14.0, 209.0  # range of the disc's centre; the border of the rooms lies one radius further out
RADIUS = 7.0
SPEED = 5.0  # px a step at action 1, along each axis
WALL_X, WALL_HALF = 112.0, 5.0
DOOR_Y, DOOR_HALF = 49.0, 14.0
SUCCESS = 16.0  # px between the centres
PARTS = 16  # of a step; at most 0.44 px each, so the path between two parts cuts a door corner by less than 0.004 px
WALL_REACH = WALL_HALF + RADIUS + np.sqrt(2) * SPEED + 0.01  # a disc further from the wall cannot touch it in a step
TASK_LOW, TASK_HIGH = 27.0, 196.0  # starts and targets keep this distance from the border, as in the released data
TASK_STEPS = 25  # at full speed the way through the door takes at least this many steps
DOOR_TOLERANCE = 10.5  # px; the expert turns from the door to the target when it is this near to the door's centre
WHITE = 255.0
RENDERED_PIXELS = 2**17  # blended together, so that the intermediate arrays stay in the cache


def clearance(state):
    """Distance from the disc's edge to the wall. state: (..., 2). Returns (...,) px, negative where they overlap."""
    state = np.asarray(state, dtype=np.float64)
    along, across = _gaps(np.abs(state[..., 0] - WALL_X), np.abs(state[..., 1] - DOOR_Y))
    return np.sqrt(along**2 + across**2) - RADIUS


def is_free(state, tolerance=1e-3):
    """Whether the disc lies inside the rooms and off the wall. state: (..., 2), finite. Returns (...,) bool."""
    inside = ((state >= LOW - tolerance) & (state <= HIGH + tolerance)).all(-1)
    return inside & (clearance(state) >= -tolerance)


def step(state, action):
    """The states after one step.

    state: (N, 2) float32, free. action: (N, 2), clipped to [-1, 1]. Returns (N, 2) float32. Raises JepaError for an
    action that is not finite. Each row depends on nothing but its own state and action, to the last bit.
    """
    state, action = np.asarray(state, dtype=np.float32), np.asarray(action, dtype=np.float32)
    if not np.isfinite(action).all():
        raise JepaError("A Two-Room action is not finite; look for NaN in the policy or in the action normalisation.")
    move = np.float32(SPEED) * action.clip(-1, 1)
    after = (state + move).clip(LOW, HIGH)
    near = np.flatnonzero(np.abs(state[:, 0] - WALL_X) < WALL_REACH)
    if len(near):
        x, y = state[near].T
        part_x, part_y = (move[near] / np.float32(PARTS)).T
        for _ in range(PARTS):
            x, y = _push_out((x + part_x).clip(LOW, HIGH), (y + part_y).clip(LOW, HIGH))
        after[near, 0], after[near, 1] = x, y
    return after


def reached(state, goal):
    """Success: closer than 16 px. state, goal: (..., 2). Returns (...,) bool."""
    return ((np.asarray(state) - np.asarray(goal)) ** 2).sum(-1) < SUCCESS**2


def sample_free(n, rng):
    """n states, uniform over the free space, door included. rng: numpy Generator. Returns (n, 2) float32."""
    return _sample(n, rng, lambda size: rng.uniform(LOW, HIGH, (size, 2)), is_free)


def sample_tasks(n, rng):
    """Starts and targets of demonstrations: uniform inside the rooms, in different rooms, not too near.

    rng: numpy Generator. Returns start: (n, 2) and target: (n, 2) float32; the way from one to the other through the
    door's centre takes at least 25 steps at full speed.
    """

    def draw(size):
        return rng.uniform(TASK_LOW, TASK_HIGH, (size, 4))

    def accept(pair):
        sides = pair[:, [0, 2]] - WALL_X
        way = sum(np.hypot(*(pair[:, i : i + 2] - (WALL_X, DOOR_Y)).T) for i in (0, 2))
        in_rooms = (np.abs(sides) > WALL_HALF + RADIUS).all(-1)
        return in_rooms & (sides.prod(-1) < 0) & (way >= TASK_STEPS * SPEED)

    pair = _sample(n, rng, draw, accept)
    return pair[:, :2], pair[:, 2:]


def expert(state, target, rng, previous=None, noise=2.0, repeat=0.05):
    """The noisy door-then-target heuristic that recorded the demonstrations (Qantara App. A).

    Unit direction to the door's centre, or to the target once in its room or at the door, plus N(0, noise^2), clipped
    to [-1, 1]; with probability `repeat` the previous action instead. state, target: (N, 2). rng: numpy Generator.
    previous: (N, 2), the last actions, or None at the start of episodes. Returns (N, 2) float32.
    """
    door = np.array([WALL_X, DOOR_Y])
    other_room = (state[:, 0] > WALL_X) != (target[:, 0] > WALL_X)
    far = ((state - door) ** 2).sum(-1) > DOOR_TOLERANCE**2
    way = np.where((other_room & far)[:, None], door, target) - state
    direction = way / np.maximum(np.sqrt((way**2).sum(-1, keepdims=True)), 1e-8)
    action = direction + noise * rng.standard_normal(way.shape)
    repeated = rng.random(len(way)) < repeat
    if previous is not None:
        action = np.where(repeated[:, None], previous, action)
    return action.clip(-1, 1).astype(np.float32)


def render(state, size):
    """Frames of the states: white rooms, black walls, the agent a soft red disc; the target is not drawn.

    The disc is a Gaussian with its radius as standard deviation, as in the released environment: its position can be
    read to a fraction of a pixel even at 32 x 32. Walls are anti-aliased by covered area.

    state: (N, 2). size: pixels of a side. Returns (N, 3, size, size) uint8, RGB.
    """
    state = np.asarray(state, dtype=np.float32)
    background = _background(size)
    frames = np.empty((len(state), 3, size, size), dtype=np.uint8)
    frames[:] = np.round(background).astype(np.uint8)
    # Beyond the window the disc changes no pixel by half a grey level.
    window = min(size, int(np.ceil(2 * RADIUS * np.sqrt(2 * np.log(512)) * size / CANVAS)) + 1)
    together = max(1, RENDERED_PIXELS // window**2)
    for first in range(0, len(state), together):
        part = slice(first, first + together)
        _draw_discs(frames[part], background, state[part], window)
    return frames


class Simulator(Batch):
    """n independent agents that step and render together."""

    name = "Two-Room"
    state_dim, action_dim = 2, 2
    action_low, action_high = np.full(2, -1, dtype=np.float32), np.full(2, 1, dtype=np.float32)
    advance, draw, success = staticmethod(step), staticmethod(render), staticmethod(reached)

    def __init__(self, n):
        super().__init__(np.tile([60.0, 112.0], (n, 1)))

    def check(self, states):
        """Raise JepaError for a state inside a wall or outside the rooms."""
        _require_free(states)


class TwoRoom(gymnasium.Env):
    """One agent behind the Gymnasium interface.

    Observations are {"state": (2,), "goal": (2,)} float32, actions (2,) in [-1, 1]; the reward is 1 at success, which
    ends the episode. `reset(options={"state": ..., "goal": ...})` sets either exactly; otherwise they are a task of
    the demonstrations.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, render_mode=None, size=CANVAS):
        self.render_mode, self.size = render_mode, size
        place = gymnasium.spaces.Box(LOW, HIGH, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Dict({"state": place, "goal": place})
        self.action_space = gymnasium.spaces.Box(Simulator.action_low, Simulator.action_high, dtype=np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        start, target = sample_tasks(1, self.np_random)
        options = options or {}
        places = np.array([options.get("state", start[0]), options.get("goal", target[0])], dtype=np.float32)
        _require_free(places)
        self._state, self._goal = places
        return self._observation(), {}

    def step(self, action):
        self._state = step(self._state[None], np.asarray(action)[None])[0]
        success = bool(reached(self._state, self._goal))
        return self._observation(), float(success), success, False, {"success": success}

    def render(self):
        """The frame, (size, size, 3) uint8, when the render mode is rgb_array."""
        if self.render_mode == "rgb_array":
            return np.ascontiguousarray(render(self._state[None], self.size)[0].transpose(1, 2, 0))
        return None

    def _observation(self):
        return {"state": self._state.copy(), "goal": self._goal.copy()}


def _gaps(u, v):
    """Vector from the wall to a point, folded into one quadrant around the door's centre: u = |x - 112|, v = |y - 49|.

    By symmetry the wall is {u <= 5, v >= 14}. Returns its two components, each zero where the wall is level with the
    point.
    """
    return np.maximum(u - WALL_HALF, 0), np.maximum(DOOR_HALF - v, 0)


def _push_out(x, y):
    """Move discs that overlap the wall to the nearest place where they touch it. x, y: (n,) float32."""
    dx, dy = x - np.float32(WALL_X), y - np.float32(DOOR_Y)
    u, v = np.abs(dx), np.abs(dy)
    along, across = _gaps(u, v)
    distance = np.sqrt(along * along + across * across)
    overlaps = distance < RADIUS
    scale = np.float32(RADIUS) / np.maximum(distance, np.float32(1e-6))
    pushed_x = np.where(overlaps & (along > 0), np.float32(WALL_X) + np.copysign(WALL_HALF + along * scale, dx), x)
    pushed_y = np.where(overlaps & (across > 0), np.float32(DOOR_Y) + np.copysign(DOOR_HALF - across * scale, dy), y)
    return pushed_x, pushed_y


def _draw_discs(frames, background, state, window):
    """Blend one disc into each frame, inside a square window around it.

    frames: (n, 3, size, size) uint8, written in place. background: (size, size) float32. state: (n, 2).
    """
    size = len(background)
    pixel = CANVAS / size
    centre = (state + np.float32(0.5)) / np.float32(pixel) - np.float32(0.5)
    first = np.round(centre - (window - 1) / 2).astype(np.int64).clip(0, size - window)
    offset = (first - centre).astype(np.float32)[:, :, None] + np.arange(window, dtype=np.float32)
    weight = np.exp(np.square(offset) * np.float32(-0.5 * (pixel / RADIUS) ** 2))
    alpha = weight[:, 1, :, None] * weight[:, 0, None, :]

    column, row = first.T
    dimmed = sliding_window_view(background, (window, window))[row, column]
    dimmed *= 1 - alpha
    alpha *= np.float32(WHITE)
    alpha += dimmed
    windows = sliding_window_view(frames, (window, window), axis=(2, 3), writeable=True)
    for channel, value in enumerate((alpha, dimmed, dimmed)):
        windows[np.arange(len(state)), channel, row, column] = np.rint(value).astype(np.uint8)


def _require_free(states):
    wrong = np.flatnonzero(~is_free(states))  # NaN is not free either
    if len(wrong):
        raise JepaError(f"The Two-Room state {states[wrong[0]].tolist()} lies in a wall or outside the rooms.")


def _sample(n, rng, draw, accept):
    """n accepted rows of `draw(size)`, in the order of drawing, as float32."""
    kept = np.empty((0, draw(1).shape[1]))
    while len(kept) < n:
        rows = draw(2 * n + 16)
        kept = np.concatenate([kept, rows[accept(rows)]])
    return kept[:n].astype(np.float32)


def _background(size):
    """Grey levels of the empty rooms, (size, size) float32, black by the share of a pixel that a wall covers."""

    def covered(low, high):
        edge = np.arange(size + 1) * CANVAS / size - 0.5
        return (np.minimum(edge[1:], high) - np.maximum(edge[:-1], low)).clip(0) * size / CANVAS

    room = covered(LOW - RADIUS, HIGH + RADIUS)
    wall = covered(WALL_X - WALL_HALF, WALL_X + WALL_HALF)
    door = covered(DOOR_Y - DOOR_HALF, DOOR_Y + DOOR_HALF)
    open_share = np.outer(room, room) * (1 - np.outer(1 - door, wall))
    return (WHITE * open_share).astype(np.float32)
