"""Reacher demonstrations: one target after the other on reacher-hard, all episodes side by side (Qantara App. A).

The demonstrator goes to a target, has been over it for `hold` steps and is given the next one, so that the arm moves in
nearly every window; its actions carry exploration noise.
"""

import numpy as np
from tqdm import tqdm

from jepa.data.episodes import write
from jepa.envs.reacher import Simulator
from jepa.envs.reacher_hard import Actor, nearest_posture, over_target, pd, returns, sample_starts, sample_targets
from jepa.errors import JepaError
from jepa.random import rng_of

EXPERTS = {
    "ik": "inverse kinematics and PD control",
    "sac": "Soft Actor-Critic actor",
}
TRIALS = 200  # noiseless episodes of reacher-hard, as long as the demonstrations, in which the demonstrator is judged


def generate(path, seed, episodes, steps=100, expert="ik", noise=1.0, hold=25, policy=None):
    """Generate `episodes` demonstrations of `steps` steps into the HDF5 file `path` (see jepa.data.episodes).

    expert: `ik`, inverse kinematics and PD control, or `sac`, the actor in the folder `policy`. noise: standard
    deviation of what is added to every action before it is clipped to [-1, 1]. hold: steps over a target, in all,
    before the next. `target` is the posture over an episode's last target, at rest. The same arguments give the same
    episodes.

    Returns the facts for provenance: generator, seed, episodes, rows, mean_steps, arrived (share of episodes that
    reached a target), targets (mean number reached in an episode), noiseless_reached and noiseless_return (of the
    demonstrator without noise on reacher-hard episodes of this length, the return at most 2 * steps), actor (facts of
    a learned one). Raises JepaError for a number below 1, an unknown expert and a policy that does not fit.
    """
    for name, value in {"episodes": episodes, "steps": steps, "hold": hold}.items():
        if value < 1:
            raise JepaError(f"Reacher cannot be generated with {name} {value}; set it to at least 1.")
    demonstrator = demonstrator_of(expert, policy)
    states, actions, target, count = demonstrate(
        demonstrator, episodes, steps, noise, hold, rng_of("reacher demonstrations", seed)
    )
    generator = f"{EXPERTS[expert]}, noise {noise:g} (jepa.data.generate_reacher)"
    facts = write(path, states=states, actions=actions, target=target, env="reacher", seed=seed, generator=generator)
    earned, reached = returns(demonstrator, TRIALS, rng_of("reacher trials", seed), steps)
    return facts | {
        "arrived": round(float((count > 0).mean()), 4),
        "targets": round(float(count.mean()), 3),
        "noiseless_reached": round(float(reached.mean()), 4),
        "noiseless_return": round(float(earned.mean()), 2),
        "actor": getattr(demonstrator, "facts", None),
    }


def demonstrator_of(expert, policy):
    """The demonstrator of that name (see jepa.envs.reacher_hard). Raises JepaError for a wrong name or policy."""
    if expert not in EXPERTS:
        raise JepaError(f"Reacher has no expert {expert!r}; choose one of {', '.join(EXPERTS)}.")
    if expert == "ik":
        return pd
    if policy is None:
        raise JepaError("The expert `sac` needs `policy`, the folder that train_expert.py has written; give it.")
    return Actor.load(policy)


def demonstrate(act, episodes, steps, noise, hold, rng):
    """Let `act` reach one target after the other. rng: numpy Generator.

    Returns states: (E, steps + 1, 4), actions: (E, steps + 1, 2) with NaN in the last row, target: (E, 4), the posture
    over the last target, and count: (E,), the targets reached.
    """
    simulator = Simulator(episodes)
    simulator.set_state(sample_starts(episodes, rng))
    target = sample_targets(episodes, rng)
    joints = nearest_posture(simulator.state, target)
    states = np.empty((episodes, steps + 1, simulator.state_dim), dtype=np.float32)
    actions = np.full((episodes, steps + 1, simulator.action_dim), np.nan, dtype=np.float32)
    states[:, 0] = simulator.state
    over, count = np.zeros(episodes, dtype=np.int64), np.zeros(episodes, dtype=np.int64)
    for t in tqdm(range(steps), "reacher demonstrations", unit="step"):
        intended = act(states[:, t], target, joints)
        actions[:, t] = (intended + noise * rng.standard_normal(intended.shape)).clip(-1, 1)
        states[:, t + 1] = simulator.step(actions[:, t])

        # Whoever has been over the target for long enough gets the next one.
        there = over_target(states[:, t + 1], target)
        count += there & (over == 0)
        over += there
        done = over >= hold
        fresh = sample_targets(episodes, rng)  # for everybody, so that one episode does not shift another's draws
        target = np.where(done[:, None], fresh, target)
        joints = np.where(done[:, None], nearest_posture(states[:, t + 1], fresh), joints)
        over[done] = 0
    return states, actions, np.concatenate([joints, np.zeros_like(joints)], axis=1), count
