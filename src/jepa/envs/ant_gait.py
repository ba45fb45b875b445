"""A scripted gait for the ant: walking without an expert that somebody trained. It is not the OGBench expert.

A trot: legs 1 and 3 swing together, 2 and 4 half a period later. The hip of a leg swings by as much as its foot's
circle runs along the wanted direction, in the frame of the body, so the ant walks sideways as well as ahead and never
has to turn. The ankle lifts the foot while it swings forward. Both follow their targets by proportional-differential
control at the 10 Hz of the environment.

The nine parameters of GAIT were found by `search` (seed 0, 700 candidates); call it to find them again.
"""

from dataclasses import dataclass

import numpy as np

from jepa.envs.ant_maze import Ant, upright, yaw
from jepa.random import rng_of

LEGS = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / np.sqrt(2)  # where legs 1, 2, 3, 4 point to in the body
TANGENTS = np.stack([-LEGS[:, 1], LEGS[:, 0]], axis=1)  # which way a foot moves when its hip's angle grows
DOWN = np.array([1, -1, -1, 1])  # sign of the ankle's angle that lowers the foot
HALF_PERIODS = np.array([0, 1, 0, 1])  # diagonal legs together
MOTORS = np.array([3, 0, 1, 2])  # legs in the order of the actions
FALLEN = 0.3  # an ant whose up-axis is below this has fallen
NOISE = 0.2  # standard deviation of the torque noise while walking, as in OGBench's ant data
OPEN = np.array([200.0, 200.0])  # a place on the floor far from every wall


@dataclass(frozen=True)
class Gait:
    """frequency: periods per step of 0.1 s. hip_swing, ankle_rest, ankle_lift: rad. ankle_lead: share of a period.

    hip_gain, ankle_gain: torque per rad. hip_damping, ankle_damping: torque per rad/s.
    """

    frequency: float
    hip_swing: float
    hip_gain: float
    hip_damping: float
    ankle_rest: float
    ankle_lift: float
    ankle_lead: float
    ankle_gain: float
    ankle_damping: float


RANGES = {  # of the random search
    "frequency": (0.05, 0.35),
    "hip_swing": (0.2, 1.2),
    "hip_gain": (0.5, 5.0),
    "hip_damping": (0.0, 0.5),
    "ankle_rest": (0.6, 1.2),
    "ankle_lift": (0.1, 0.8),
    "ankle_lead": (-0.5, 0.5),
    "ankle_gain": (0.5, 5.0),
    "ankle_damping": (0.0, 0.5),
}
GAIT = Gait(  # search(seed=0, candidates=700)
    frequency=0.117,
    hip_swing=0.6312,
    hip_gain=1.5215,
    hip_damping=0.0407,
    ankle_rest=0.6751,
    ankle_lift=0.1638,
    ankle_lead=-0.2623,
    ankle_gain=4.1738,
    ankle_damping=0.2617,
)


def torques(gait, qpos, qvel, direction, t):
    """The action of a gait. qpos: (15,). qvel: (14,). direction: (2,) unit, in the maze. t: int step of the episode.

    Returns (8,) in [-1, 1], in the order of the environment's motors.
    """
    heading = yaw(qpos)
    cosine, sine = np.cos(heading), np.sin(heading)
    ahead = np.array([cosine * direction[0] + sine * direction[1], cosine * direction[1] - sine * direction[0]])
    phase = 2 * np.pi * gait.frequency * t + np.pi * HALF_PERIODS
    hip = gait.hip_swing * (TANGENTS @ ahead) * np.sin(phase)
    lift = gait.ankle_lift * np.cos(phase + 2 * np.pi * gait.ankle_lead)
    ankle = DOWN * (gait.ankle_rest - lift)
    angles, speeds = qpos[7:].reshape(4, 2), qvel[6:].reshape(4, 2)
    action = np.empty((4, 2))
    action[:, 0] = gait.hip_gain * (hip - angles[:, 0]) - gait.hip_damping * speeds[:, 0]
    action[:, 1] = gait.ankle_gain * (ankle - angles[:, 1]) - gait.ankle_damping * speeds[:, 1]
    return action[MOTORS].clip(-1, 1).reshape(-1)


def walk(ant, gait, direction, steps, rng, noise=NOISE):
    """Walk in one direction, far from every wall. ant: Ant. direction: (2,) unit. rng: numpy Generator.

    Returns the distance along the direction, in units of the maze (a cell is 4 wide), or 0 after a fall.
    """
    ant.reset(OPEN, rng)
    for t in range(steps):
        action = torques(gait, ant.qpos, ant.qvel, direction, t) + noise * rng.standard_normal(8)
        ant.step(action, rng)
        if upright(ant.qpos) < FALLEN:
            return 0.0
    return float((ant.xy - OPEN) @ direction)


def pace(ant, gait, steps=100, directions=8, at_least=0.0):
    """Distance in `steps` steps, in the slowest of `directions` directions around; see `walk`.

    The directions are tried one after the other, and the first that falls short of `at_least` ends the trial.
    """
    slowest = np.inf
    for turn in range(directions):
        angle = 2 * np.pi * turn / directions
        direction = np.array([np.cos(angle), np.sin(angle)])
        slowest = min(slowest, walk(ant, gait, direction, steps, rng_of("ant gait walk", turn)))
        if slowest < at_least:
            break
    return slowest


def candidate(seed, number):
    """Gait `number` of the random search: every parameter uniform in its range."""
    rng = rng_of("ant gait", seed, number)
    return Gait(**{name: round(float(rng.uniform(*bounds)), 4) for name, bounds in RANGES.items()})


def search(seed=0, candidates=700, first=0):
    """Random search: the fastest of the gaits `first` to `first + candidates`. Returns (Gait, pace in units).

    A trial is half as long as `pace` and ends once the gait is too slow in some direction to become the best; a gait
    that could is measured in full. 700 take about a quarter of a minute.
    """
    ant, best, fastest = Ant(), None, 0.0
    for number in range(first, first + candidates):
        gait = candidate(seed, number)
        promising = pace(ant, gait, steps=50, directions=4, at_least=0.4 * fastest) > 0.4 * fastest
        distance = pace(ant, gait, at_least=fastest) if promising else 0.0
        if distance > fastest:
            best, fastest = gait, distance
    return best, fastest
