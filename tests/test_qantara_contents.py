"""Which cells of the grids Qantara's tables and figures are made of."""

import pytest

from jepa import cells
from jepa.errors import JepaError
from jepa.reporting import contents

CONFIG = {
    "qantara": {
        "environments": {"two_room": {}, "cube": {}, "push_t": {}},
        "grids": {
            "headline": {
                "envs": ["two_room"],
                "recipes": ["default"],
                "seeds": 2,
                "evals": [["cem", 1], ["cem", 4], ["bc", 2]],
            },
            "modes": {"envs": ["two_room"], "recipes": ["default", "uniform"], "seeds": 3, "evals": [["cem", 4]]},
            "elsewhere": {"recipes": ["gamma-0"], "envs": ["cube"], "seeds": 3, "evals": [["cem", 1]]},
            "baselines": {"envs": ["two_room"], "recipes": ["gcbc"], "seeds": 1, "evals": [["gcbc", 1]]},
        },
        "goal_shuffle": {"envs": ["push_t"]},
        "recipes": {"default": {}},
    }
}


def test_the_grids_tell_which_cells_run_and_with_how_many_seeds():
    run = contents.runs(CONFIG, "qantara")
    assert run["evals", "default", "two_room", "cem-k4"] == 3  # the most of two grids
    assert run["evals", "default", "two_room", "cem-k1"] == 2
    assert run["dense", "uniform", "two_room"] == 3 and run["floors", "cube"] == 0
    assert ("evals", "gamma-0", "two_room", "cem-k1") not in run
    assert run["evals", "gcbc", "two_room", "gcbc-k1"] == 1 and run["goal_shuffle", "default", "push_t"] == 0


def test_an_environment_that_is_taken_out_leaves_every_grid():
    config = {"qantara": CONFIG["qantara"] | {"environments": {"two_room": {}}}}
    assert {cell[-2] if cell[0] in ("evals", "timings") else cell[-1] for cell in contents.runs(config, "qantara")} == {
        "two_room",
        "draws",
    }


def test_a_table_needs_the_cells_that_the_scale_runs():
    needs = contents.needs("table4", CONFIG, "qantara")
    assert set(needs) == {
        ("floors", "two_room"),
        ("floors", "cube"),
        ("evals", "default", "two_room", "cem-k1"),
        ("evals", "gamma-0", "cube", "cem-k1"),
    }
    assert contents.needs("figure1", CONFIG, "qantara") == [("draws",)]
    assert contents.needs("figure2", CONFIG, "qantara") == [("rollouts", "two_room")]
    with pytest.raises(JepaError, match="table1.*figure2"):
        contents.needs("table99", CONFIG, "qantara")
    assert ("evals", "gcbc", "two_room", "gcbc-k1") in contents.needs("table2", CONFIG, "qantara")
    needs = contents.needs("intext", CONFIG, "qantara")
    assert ("goal_shuffle", "default", "push_t") in needs and ("timings", "default", "two_room", "cem-k4") in needs


def test_the_goal_shuffle_test_has_one_path():
    paths = cells.paths_of("qantara", "smoke", ("goal_shuffle", "default", "push_t"), 0)
    assert paths == ["results/smoke/evals/qantara/default/push_t/seed0/goal-shuffle.json"]


@pytest.mark.parametrize("name", ["cem-k4", "gcbc-k1", "goal-shuffle", "dense"])
def test_targets_of_known_environments_and_dispatches_are_let_through(name):
    config = CONFIG | {"scale": "smoke"}
    cells.check_target(f"results/smoke/evals/qantara/default/two_room/seed0/{name}.json", config)
    with pytest.raises(JepaError, match="gcbc"):
        cells.check_target("results/smoke/evals/qantara/default/two_room/seed0/magic-k1.json", config)
    with pytest.raises(JepaError, match="environment 'moon'"):
        cells.check_target(f"results/smoke/evals/qantara/default/moon/seed0/{name}.json", config)
