"""Panels of the in-text table about the protocol: what the pairs, the canvas and the criterion of success give away."""

from jepa.reporting.layout import Column, Panel, Row
from jepa.reporting.qantara_grid import ENVS, FLOORS

FLOORED = (
    "‡ at its floor: the Wilson 95 % interval of the rate, which counts every evaluation pair once, does not lie above "
    "the rate of random actions on the same pairs."
)
BLIND = (
    "The goal-blind expert is known for Two-Room alone: for the other environments there is no goal-blind heuristic, "
    "so that its rate is undefined there."
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
    "Goal-shuffle test on Push-T: does goal-blind success depend on the goal?",
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
        "as long before the start as the goal comes after it. Our simulator, as the "
        "released code, never draws the goal that is evaluated: a difference of canvases of 0 holds by construction "
        "and is no finding. The evidence is the SR in the three arms: a goal-blind dispatch acts the same in all of "
        "them, and its SR says how often what it does anyway ends at the goal. SR with its Wilson 95 % interval; one "
        "training seed.",
    ),
)

CRITERIA = (  # environment, label, the tables' criterion, another one
    ("reacher", "Reacher", "qpos_match", "wrapped"),
    ("push_t", "Push-T", "agent and block", "block"),
)
VARIANTS = Panel(
    "Other criteria of success: Reacher with wrapped joint angles, Push-T by the block alone",
    (
        *(
            Row(f"variant {dispatch}", label, (recipe,), argument=dispatch)
            for recipe, dispatch, label in (
                ("default", "cem-k4", "CEM, K = 4"),
                ("default", "bc-k2", "BC, K = 2"),
                ("default", "video-inverse-k2", "video-inverse, K = 2"),
                ("gcbc", "gcbc-k1", "GCBC"),
            )
        ),
        *(
            Row(f"variant {name}", FLOORS[name], (name,), group)
            for name, group in (("random", "floors"), ("stand-still", "floors"), ("replay", "ceiling"))
        ),
        Row(
            "variant pairs",
            "pairs",
            ("random",),
            "count",
            quantity="pairs:",
            only=tuple(f"variant {usual}" for _, _, usual, _ in CRITERIA),
        ),
    ),
    tuple(
        Column(f"variant {key}", "unsolved" if unsolved else "SR", (env,), quantity, f"{label}: {name}", spread=spread)
        for env, label, usual, other in CRITERIA
        for name, key, quantity, unsolved, spread in (
            (usual, usual, "sr:", False, True),
            (usual, f"{usual} unsolved", "unsolved:", True, False),
            (other, other, f"variant:{other} sr", False, True),
            (other, f"{other} unsolved", f"variant:{other} sr_unsolved", True, False),
        )
    ),
    (
        "Same episodes; unsolved is by the criterion of its column. Reacher: qpos_match compares joint angles as "
        "numbers, as the paper does and as the tables here do; wrapped takes the shoulder, which turns without limit, "
        "modulo a full turn. Push-T: the tables ask that agent and block are where the goal has them; block asks for "
        "the pose of the block alone, within 20 px and 20 degrees, wherever the agent is.",
    ),
)
