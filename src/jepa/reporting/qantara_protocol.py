"""Panels of the in-text table about the protocol: what the pairs, the canvas and the criterion of success give away."""

from jepa.reporting.layout import Column, Panel, Row
from jepa.reporting.qantara_grid import ENVS, FLOORS

FLOORED = (
    "‡ at its floor: the Wilson 95 % interval of the rate, which counts every evaluation pair once, does not lie above "
    "the rate of random actions on the same pairs."
)

PAIRS = Panel(
    "What the evaluation pairs give away: SR and Wilson 95 % interval of floors and ceilings",
    (
        Row("pairs solved", "solved at t = 0", ("random",), quantity="solved:", only=tuple(f"pairs {e}" for e in ENVS)),
        *(Row(f"pairs {name}", label, (name,)) for name, label in FLOORS.items()),
        Row("pairs n", "pairs", ("random",), "count", quantity="pairs:", only=tuple(f"pairs {e}" for e in ENVS)),
    ),
    tuple(
        column
        for env, label in ENVS.items()
        for column in (
            Column(f"pairs {env}", "SR", (env,), "sr_wilson:", group=label),
            Column(f"pairs {env} unsolved", "unsolved", (env,), "unsolved_wilson:", group=label),
        )
    ),
)

GOALS = Panel(
    "Goal-shuffle test on Push-T: does the canvas tell the goal?",
    (
        *(
            Row(f"goals {name}", label, ("default",), quantity=f"canvas:{name}", only=("goals difference",))
            for name, label in (
                ("canvas_difference", "largest difference of a canvas under both goals, grey levels"),
                ("render_difference", "... and from the frames of training, grey levels"),
            )
        ),
        *(
            Row(f"goals {key}", label, ("default",), argument=f"dispatches.{key}")
            for key, label in (
                ("cem", "CEM, which is given the goal"),
                ("bc", "BC, goal-blind"),
                ("video-inverse", "video-inverse, goal-blind"),
            )
        ),
        *(
            Row(f"goals {name}", FLOORS[name], ("default",), group, argument=f"floors.{name}")
            for name, group in (("random", "floors"), ("stand-still", "floors"), ("replay", "ceiling"))
        ),
    ),
    (
        *(
            Column(f"goals {goals} {key}", label, ("push_t",), f"{quantity}:{goals}{rate}", group)
            for goals, group in (
                ("own", "own goal"),
                ("shuffled", "goal of another pair"),
                ("earlier", "state before the start"),
            )
            for key, label, quantity, rate in (
                ("sr", "SR", "shuffle_wilson", " sr"),
                ("unsolved", "unsolved", "shuffle", " sr_unsolved"),
                ("n", "episodes", "shuffle_episodes", ""),
            )
        ),
        Column("goals difference", "SR, another − own", ("push_t",), "shuffle_difference:", "difference"),
        Column(
            "goals reached",
            "SR, goal of another pair",
            ("push_t",),
            "shuffle_reached:shuffled",
            "pairs where CEM arrived",
        ),
    ),
    (
        "It tests Section 3.3, where goal-blind success on Push-T is explained by the target pose that the canvas "
        "renders. The same starts are played with the pair's own goal, with that of another pair, and with the state "
        "as long before the start as the goal comes after it. A canvas that tells the goal changes with it, and a "
        "goal-blind dispatch can follow; a difference of 0 leaves nothing to read, and a goal-blind dispatch then acts "
        "the same whatever the goal. SR with its Wilson 95 % interval; one training seed.",
    ),
)

VARIANTS = Panel(
    "Reacher: success with and without wrapping joint angles",
    (
        *(
            Row(f"variant {dispatch}", label, ("default",), argument=dispatch)
            for dispatch, label in (
                ("cem-k4", "CEM, K = 4"),
                ("bc-k2", "BC, K = 2"),
                ("video-inverse-k2", "video-inverse, K = 2"),
            )
        ),
        *(
            Row(f"variant {name}", label, (name,), "ceiling" if name in ("goal-blind", "replay") else "floors")
            for name, label in FLOORS.items()
        ),
        Row("variant pairs", "pairs", ("random",), "count", quantity="pairs:", only=("variant qpos_match",)),
    ),
    (
        Column("variant qpos_match", "SR", ("reacher",), "sr:", "qpos_match"),
        Column("variant qpos_match unsolved", "unsolved", ("reacher",), "unsolved:", "qpos_match", spread=False),
        Column("variant wrapped", "SR", ("reacher",), "variant:wrapped sr", "wrapped"),
        Column(
            "variant wrapped unsolved", "unsolved", ("reacher",), "variant:wrapped sr_unsolved", "wrapped", spread=False
        ),
    ),
    (
        "qpos_match compares joint angles as numbers, as the paper does and as the tables here do; wrapped takes the "
        "shoulder, which turns without limit, modulo a full turn. Same episodes.",
    ),
)
