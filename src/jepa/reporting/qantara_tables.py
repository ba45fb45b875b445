"""Tables 1-6 of Qantara, declared as rows by columns. The in-text results stand in `qantara_intext`."""

from dataclasses import replace

from jepa.reporting.layout import Column, Panel, Row, Table
from jepa.reporting.qantara_grid import COUNT_ROW, ENVS, FLOOR_ROWS, FLOORS, MODE_RECIPES, OTHER_RECIPES, REFERENCE_ROWS
from jepa.reporting.qantara_intext import INTEXT, SLIPS

UNSOLVED = (
    "SR: success rate over all evaluation pairs, in percent; unsolved: over the pairs that are not solved at t = 0, "
    "mean alone. Floors and ceilings are measured on the same pairs; they have no training seeds. "
    "Cells without ± are of one training seed."
)
MARK = "† seeds disagree: population deviation above 15 SR, computed for both columns."


def by_env(argument, count, published=ENVS, prefix="", best=False):
    """SR, the published SR where the paper gives one, and SR on initially unsolved pairs, for every environment.

    argument: the dispatch; empty where the rows name it. count: the dispatch whose episodes the last row counts.
    """
    columns = []
    for env, label in ENVS.items():
        key, place = f"{prefix}{env}", (env,)
        columns += [
            Column(key, "SR", place, f"sr:{argument}", label, env in published, best, count=f"episodes:{count}"),
            Column(
                f"{key} unsolved",
                "unsolved",
                place,
                f"unsolved:{argument}",
                label,
                spread=False,
                count=f"unsolved_episodes:{count}",
            ),
        ]
    return tuple(columns)


def recipe_rows(names, labels):
    return tuple(Row(name, labels[name], (name,)) for name in names)


TABLE1 = Table(
    "table1",
    "Table 1",
    "LeWM suite: success rate of latent planning (CEM, K = 4)",
    (
        Panel(
            "Goal-conditioned planning",
            (
                Row("pldm", "PLDM", group="external"),
                Row("dino-wm", "DINO-WM", group="external"),
                Row("lewm-paper", "LeWM (paper)", group="external"),
                Row("lewm", OTHER_RECIPES["lewm"], ("lewm",)),
                Row("default", "Qantara", ("default",)),
                *REFERENCE_ROWS,
            ),
            by_env("cem-k4", "cem-k4", best=True),
            (UNSOLVED, SLIPS["iterations"], SLIPS["epochs"]),
        ),
    ),
)


def dispatch_columns():
    columns = []
    for key, label, dispatch in (
        ("cem", "CEM (K = 4)", "cem-k4"),
        ("bc", "BC (K = 2)", "bc-k2"),
        ("video-inverse", "video-inverse (K = 2)", "video-inverse-k2"),
    ):
        columns += [
            Column(key, "SR", (), f"sr:{dispatch}", label, True, methods=("default",)),
            Column(
                f"{key} unsolved", "unsolved", (), f"unsolved:{dispatch}", label, spread=False, methods=("default",)
            ),
        ]
    return tuple(columns)


def reference_columns(quantity, count):
    """Floors and ceilings as columns, and the number of episodes."""
    return (
        *(Column(f"{name} {quantity}", label, (), f"{quantity}:", methods=(name,)) for name, label in FLOORS.items()),
        Column(f"episodes {quantity}", "episodes", (), f"{count}:cem-k4", methods=("default",)),
    )


ENV_ROWS = tuple(Row(env, label, places=(env,)) for env, label in ENVS.items())
TABLE2 = Table(
    "table2",
    "Table 2",
    "One Qantara checkpoint, three inference paradigms",
    (
        Panel(
            "A. The three dispatches, and goal-conditioned behaviour cloning (GCBC, published)",
            ENV_ROWS,
            (*dispatch_columns(), Column("gcbc", "GCBC", (), "sr:", paper=True)),
            (
                "BC and video-inverse do not see the goal. The paper's Reacher row stands in its text, without "
                "deviations.",
                UNSOLVED,
            ),
        ),
        Panel("B. Floors and ceilings, all pairs", ENV_ROWS, reference_columns("sr", "episodes")),
        Panel(
            "C. Floors and ceilings, initially unsolved pairs",
            ENV_ROWS,
            reference_columns("unsolved", "unsolved_episodes"),
        ),
    ),
)

MODE_ROWS = (*recipe_rows(MODE_RECIPES, MODE_RECIPES), *REFERENCE_ROWS)
TABLE3 = Table(
    "table3",
    "Table 3",
    "Mode-set and sampler ablation at the default recipe",
    (
        Panel(
            "A. CEM (K = 4)",
            MODE_ROWS,
            by_env("cem-k4", "cem-k4", ("push_t", "cube", "reacher"), "cem "),
            (MARK, UNSOLVED, "The paper omits Two-Room (no headroom at 100 SR)."),
        ),
        Panel(
            "B. BC (K = 2)",
            MODE_ROWS,
            by_env("bc-k2", "bc-k2", ("push_t",), "bc "),
            (MARK, "The paper prints the goal-blind dispatches on Push-T alone."),
        ),
        Panel(
            "C. Video-inverse (K = 2)",
            MODE_ROWS,
            by_env("video-inverse-k2", "video-inverse-k2", ("push_t",), "video-inverse "),
            (MARK, SLIPS["ten"], SLIPS["free"]),
        ),
    ),
)

GAMMA_LABELS = OTHER_RECIPES | {"default": "γ = 1 (default)"}
TABLE4 = Table(
    "table4",
    "Table 4",
    "Brownian-bridge γ sweep (CEM, K = 1)",
    (
        Panel(
            "Scale of the bridge noise",
            (
                *recipe_rows(("gamma-0", "gamma-0.5", "default", "gamma-sqrt2", "gamma-2"), GAMMA_LABELS),
                *REFERENCE_ROWS,
            ),
            by_env("cem-k1", "cem-k1"),
            (MARK, "The paper marks whole rows: γ = 0, 0.5 and 2.", UNSOLVED, SLIPS["sample"]),
        ),
    ),
)

STRUCTURE_LABELS = {
    "default": "bridge on, residual on (default)",
    "no-residual": "bridge on, residual off",
    "no-bridge": "bridge off, residual off",
}
TABLE5 = Table(
    "table5",
    "Table 5",
    "State-head residual and input-side bridge (CEM, K = 1)",
    (
        Panel(
            "Structural ablation",
            (*recipe_rows(STRUCTURE_LABELS, STRUCTURE_LABELS), *REFERENCE_ROWS),
            by_env("cem-k1", "cem-k1"),
            (
                MARK,
                "The paper does not say K; its default row is that of Table 4, which is at K = 1.",
                UNSOLVED,
                SLIPS["sample"],
            ),
        ),
    ),
)

TABLE6 = Table(
    "table6",
    "Table 6",
    "CEM recursion steps K on trained checkpoints",
    (
        Panel(
            "Denoising steps of the forward recursion",
            (
                *(
                    Row(f"{recipe} k{k}", f"{label}, K = {k}{mark}", (recipe,), argument=f"cem-k{k}")
                    for recipe, label in (("default", "γ = 1"), ("gamma-sqrt2", "γ = √2"))
                    for k in (1, 2, 4, 8)
                    for mark in (" (default)" if (recipe, k) == ("default", 4) else "",)
                ),
                *FLOOR_ROWS,
                replace(COUNT_ROW, label="episodes at K = 4"),
            ),
            by_env("", "cem-k4"),
            (MARK, UNSOLVED, SLIPS["default"]),
        ),
    ),
)

TABLES = {table.key: table for table in (TABLE1, TABLE2, TABLE3, TABLE4, TABLE5, TABLE6, INTEXT)}
