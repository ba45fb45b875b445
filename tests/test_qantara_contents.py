"""Which cells of the grids Qantara's tables and figures are made of."""

import pytest

from jepa.errors import JepaError
from jepa.reporting import contents

CONFIG = {
    "qantara": {
        "envs": ["two_room"],
        "grids": {
            "headline": {"recipes": ["default"], "seeds": 2, "evals": [["cem", 1], ["cem", 4], ["bc", 2]]},
            "modes": {"recipes": ["default", "uniform"], "seeds": 3, "evals": [["cem", 4]]},
            "elsewhere": {"recipes": ["gamma-0"], "envs": ["cube"], "seeds": 3, "evals": [["cem", 1]]},
        },
    }
}


def test_the_grids_tell_which_cells_run_and_with_how_many_seeds():
    run = contents.runs(CONFIG, "qantara")
    assert run["evals", "default", "two_room", "cem-k4"] == 3  # the most of two grids
    assert run["evals", "default", "two_room", "cem-k1"] == 2
    assert run["dense", "uniform", "two_room"] == 3 and run["floors", "cube"] == 0
    assert ("evals", "gamma-0", "two_room", "cem-k1") not in run


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
