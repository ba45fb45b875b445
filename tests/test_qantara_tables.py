"""What a cell of Qantara's tables says about the recorded runs, their floors and what was not run."""

import json
import re

import numpy as np
import pytest

import synthetic_qantara
from jepa.errors import JepaError
from jepa.evaluation.statistics import wilson
from jepa.reporting import contents, qantara_grid
from jepa.reporting.tables import write_table
from qantara_tables import (  # noqa: F401
    FEW,
    TABLES,
    folder_fixture,
    grid_fixture,
    measured_fixture,
    rows_of,
)


def episodes_of(files, recipe, name):
    where = (recipe, "two_room")
    found = [json.loads(f.read_text()) for f in files["results"] if f.parts[-4:-2] == where and f.stem == name]
    return [record["episodes"] for record in found]


def test_a_success_rate_is_the_mean_of_the_seeds_with_both_intervals(grid, measured):
    seeds = [100 * np.mean([e["success"] for e in played]) for played in episodes_of(grid, "drop-joint", "cem-k4")]
    together = [e["success"] for played in episodes_of(grid, "drop-joint", "cem-k4") for e in played]
    cell = measured["table3"].loc["drop-joint", "cem two_room"]
    assert cell.value == pytest.approx(np.mean(seeds), rel=1e-5) and cell.sd == pytest.approx(np.std(seeds), rel=1e-4)
    assert (cell.n, cell.episodes, cell.tag, cell.steps) == (3, 120, "same", "20")
    assert cell.lo <= cell.value <= cell.hi
    assert [cell.wilson_lo / 100, cell.wilson_hi / 100] == pytest.approx(
        wilson(sum(together) / 3, 40), rel=1e-4
    )  # 40 pairs, 3 seeds


def test_unsolved_pairs_exclude_those_solved_at_the_start(grid, measured):
    played = [e for seed in episodes_of(grid, "default", "cem-k4") for e in seed if not e["solved_at_start"]]
    cell = measured["table1"].loc["default", "two_room unsolved"]
    assert cell.episodes == len(played) == 108
    assert cell.value == pytest.approx(100 * np.mean([e["success"] for e in played]), rel=1e-5)
    assert measured["table1"].loc["episodes", "two_room unsolved"].value == 108


def test_standing_still_solves_what_was_solved(measured):
    assert measured["table1"].loc["stand-still", "two_room"].value == pytest.approx(10)
    assert measured["table1"].loc["stand-still", "two_room unsolved"].value == 0
    assert measured["intext"].loc["pairs solved", "pairs two_room"].value == pytest.approx(10)


def test_counts_of_seeds_and_euler_sweeps(measured):
    below = measured["intext"].loc["collapse drop-policy", "two_room below"]
    assert (below.value, below.n) == (1, 3)
    assert measured["intext"].loc["collapse drop-policy", "two_room lowest"].value < 40
    sweep = [measured["intext"].loc[f"euler k{k}", "euler two_room"].value for k in (1, 2, 4, 8)]
    spread = measured["intext"].loc["euler spread", "euler two_room"].value
    assert spread == pytest.approx(max(sweep) - min(sweep), abs=1e-3)


def test_default_against_uniform_counts_seeds(grid, measured):
    values = {}
    for f in grid["results"]:
        if f.name == "dense.json" and f.parts[-3] == "two_room":
            record = json.loads(f.read_text())
            values[record["recipe"], record["seed"]] = record["inverse_error"]
    lower = sum(values["default", seed] < values["uniform", seed] for seed in range(3))
    cell = measured["intext"].loc["edges inverse_error", "edges two_room lower"]
    assert (cell.value, cell.n) == (lower, 3)


def test_an_environment_that_a_scale_leaves_out_is_not_run(tmp_path):
    files = synthetic_qantara.make(tmp_path, envs=("two_room",), recipes=FEW, seeds=1)
    for table in ("table1", "table4", "table5", "table6"):
        rows = rows_of(table, files, tmp_path / "t.csv")
        ours = rows[[column.split()[0] in ("push_t", "cube", "reacher") for _, column in rows.index]]
        assert set(ours.text) <= {"not run", "undefined"} and ours.value.isna().all()
    rows = rows_of("intext", files, tmp_path / "t.csv")
    assert rows.loc["suite default", "suite"].text == "not run"  # an average needs all four
    write_table(tmp_path / "t.csv", *(tmp_path / f"t.{kind}" for kind in ("c", "md", "tex")))
    page = (tmp_path / "t.md").read_text()
    assert "Dense diagnostics on held-out windows: Cube\n\n*not run*" in page
    assert re.search(r"Goal-shuffle test on Push-T.*\n\n\*not run\*", page)


def test_a_rate_is_marked_where_its_interval_does_not_lie_above_random_actions(measured, folder):
    rows, marked = measured["table3"], 0
    for (row, column), cell in rows.iterrows():
        if row in qantara_grid.RECIPES and np.isfinite(cell.value):
            floored = cell.wilson_lo <= rows.loc["random", column].value
            assert (cell.text == qantara_grid.AT_FLOOR) == floored
            marked += floored
    page = (folder / "table3.md").read_text()
    body = "".join(line for line in page.splitlines() if line.startswith("|"))
    assert marked > 0 and body.count("‡") == marked
    assert r"$\ddagger$" in (folder / "table3.tex").read_text()


def test_a_dispatch_that_does_what_random_actions_do_is_at_its_floor(tmp_path):
    files = synthetic_qantara.make(tmp_path, envs=("reacher",), recipes=("default",), seeds=1)
    floors = json.loads(next(f for f in files["results"] if f.parent.name == "floors").read_text())
    victim = next(f for f in files["results"] if f.name == "bc-k2.json")
    value = json.loads(victim.read_text())
    victim.write_text(json.dumps(value | {"episodes": floors["floors"]["random"]["episodes"]}))
    rows = rows_of("table2", files, tmp_path / "t.csv")
    assert rows.loc["reacher", "bc"].text == rows.loc["reacher", "bc unsolved"].text == qantara_grid.AT_FLOOR
    assert rows.loc["reacher", "cem"].text != qantara_grid.AT_FLOOR


def test_baselines_stand_among_ours_and_a_missing_one_is_not_run(tmp_path):
    recipes = [recipe for recipe in qantara_grid.RECIPES if recipe != "dino-wm"]
    files = synthetic_qantara.make(tmp_path, envs=("push_t",), recipes=recipes, seeds=1)
    rows = rows_of("table1", files, tmp_path / "t.csv")
    assert rows.loc["dino-wm retrained", "push_t"].text == "not run"
    assert np.isfinite(rows.loc["pldm retrained", "push_t"].value)
    assert rows.loc["dino-wm", "push_t"].published == 74  # the published row stays
    write_table(tmp_path / "t.csv", *(tmp_path / f"t.{kind}" for kind in ("c", "md", "tex")))
    page = (tmp_path / "t.md").read_text()
    assert "| DINO-WM (retrained; needs DINOv2's weights) | not run" in page and "sha256" in page


def test_gcbc_is_ours_beside_the_published(grid, measured):
    found = [f for f in grid["results"] if f.name == "gcbc-k1.json" and f.parts[-3] == "cube"]
    played = [e for f in found for e in json.loads(f.read_text())["episodes"]]
    cell = measured["table2"].loc["cube", "gcbc"]
    assert cell.value == pytest.approx(100 * np.mean([e["success"] for e in played])) and cell.published == 84
    assert measured["table2"].loc["cube", "GCBC episodes"].value == len(played)
    assert measured["intext"].loc["size gcbc", "size cube"].value > 0
    assert np.isnan(measured["table2"].loc["reacher", "gcbc"].published)


def test_the_goal_shuffle_test_compares_goals_on_the_same_pairs(grid, measured):
    path = next(f for f in grid["results"] if f.name == "goal-shuffle.json")
    test, rows = json.loads(path.read_text())["goal_shuffle"], measured["intext"]
    for key, of in (("bc", "dispatches"), ("cem", "dispatches"), ("random", "floors")):
        own, shuffled = (100 * test[of][key][goals]["sr"] for goals in ("own", "shuffled"))
        cell = rows.loc[f"goals {key}", "goals own sr"]
        assert cell.value == pytest.approx(own, rel=1e-5) and cell.wilson_lo < own < cell.wilson_hi
        assert rows.loc[f"goals {key}", "goals difference"].value == pytest.approx(shuffled - own, abs=1e-4)
        assert rows.loc[f"goals {key}", "goals shuffled n"].value == synthetic_qantara.PAIRS
    assert rows.loc["goals canvas_difference", "goals difference"].value == 0
    assert rows.loc["goals bc", "goals reached"].value == 40 and rows.loc["goals cem", "goals reached"].text


def test_a_goal_shuffle_test_without_an_arm_or_a_dispatch_is_not_run_there(tmp_path):
    files = synthetic_qantara.make(tmp_path, envs=("push_t",), recipes=("default",), seeds=1)
    path = next(f for f in files["results"] if f.name == "goal-shuffle.json")
    value = json.loads(path.read_text())
    del value["goal_shuffle"]["dispatches"]["cem"], value["goal_shuffle"]["reachable"]
    del value["goal_shuffle"]["dispatches"]["bc"]["earlier"]
    path.write_text(json.dumps(value))
    rows = rows_of("intext", files, tmp_path / "t.csv")
    for row, column in (("cem", "own sr"), ("bc", "earlier sr"), ("bc", "reached"), ("cem", "difference")):
        assert rows.loc[f"goals {row}", f"goals {column}"].text == "not run"
    assert np.isfinite(rows.loc["goals bc", "goals own sr"].value)


@pytest.mark.parametrize(("usual", "other"), [("qpos_match", "wrapped"), ("agent and block", "block")])
def test_success_by_a_weaker_criterion_is_never_rarer(measured, usual, other):
    rows = measured["intext"]
    for row in ("cem-k4", "bc-k2", "video-inverse-k2", "gcbc-k1", "random", "stand-still", "replay"):
        strict, weaker = (rows.loc[f"variant {row}", f"variant {name}"].value for name in (usual, other))
        assert weaker >= strict


def test_a_goal_blind_expert_is_undefined_where_no_heuristic_is_known(measured, folder):
    assert np.isfinite(measured["table1"].loc["goal-blind", "two_room"].value)
    assert measured["table1"].loc["goal-blind", "push_t"].text == "undefined"
    line = next(x for x in (folder / "table1.md").read_text().splitlines() if x.startswith("| goal-blind"))
    assert "not run" not in line and line.count("–") >= 6
    for table in TABLES:
        assert "known for Two-Room alone" in (folder / f"{table}.md").read_text()


def test_a_suite_average_is_over_all_four(tmp_path):
    files = synthetic_qantara.make(tmp_path, recipes=("default",), seeds=2)
    rows = rows_of("intext", files, tmp_path / "t.csv")
    single = [rows.loc["suite default", f"suite {env}"].value for env in qantara_grid.ENVS]
    assert rows.loc["suite default", "suite"].value == pytest.approx(np.mean(single), rel=1e-5)


def test_a_model_without_an_action_head_has_no_action_error(measured):
    assert measured["intext"].loc["dense lewm", "two_room bc_error"].text == "undefined"


def test_results_on_different_pairs_are_refused(tmp_path):
    files = synthetic_qantara.make(tmp_path, recipes=FEW, seeds=1)
    victim = next(f for f in files["results"] if f.name == "bc-k2.json")
    victim.write_text(victim.read_text().replace('"abc"', '"other"'))
    with pytest.raises(JepaError, match="different pairs"):
        rows_of("table2", files, tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("cem-k4.json", lambda text: text[:100]),
        ("cem-k4.json", lambda text: "[]"),
        ("cem-k4.json", lambda text: text.replace('"solved_at_start"', '"solved"')),
        ("cem-k4.json", lambda text: text.replace('"two_room"', '"moon"')),
        ("dense.json", lambda text: text.replace('"bc_error": ', '"bc_error": "low", "old": ')),
        ("two_room.json", lambda text: text.replace('"success"', '"won"')),
    ],
)
def test_a_damaged_result_is_named(tmp_path, name, damage):
    files = synthetic_qantara.make(tmp_path, envs=("two_room",), recipes=("default",), seeds=1)
    victim = next(f for f in files["results"] if f.name == name)
    victim.write_text(damage(victim.read_text()))
    with pytest.raises(JepaError, match=str(victim)):
        rows_of("intext", files, tmp_path / "t.csv")
        rows_of("table1", files, tmp_path / "t.csv")


def test_a_table_without_results_is_printed(tmp_path):
    for table in TABLES:
        rows = rows_of(table, {"results": [], "tags": []}, tmp_path / f"{table}.csv")
        assert rows.value.isna().all()
        write_table(tmp_path / f"{table}.csv", *(tmp_path / f"{table}.{kind}" for kind in ("c", "md", "tex")))
        assert "not run" in (tmp_path / f"{table}.md").read_text()


def test_a_table_measures_nothing_beyond_what_it_needs(grid, measured, tmp_path):
    grids = {
        recipe: {"recipes": [recipe], "seeds": 3, "evals": list(map(list, synthetic_qantara.evals_of(recipe)))}
        for recipe in qantara_grid.RECIPES
    }
    environments = {env: {} for env in qantara_grid.ENVS}
    config = {"qantara": {"environments": environments, "grids": grids, "goal_shuffle": {"envs": ["push_t"]}}}
    for table in TABLES:
        needed = set(contents.needs(table, config, "qantara"))

        def cell(f):
            if f.parent.name == "floors":
                return ("floors", f.stem)
            if f.stem in ("dense", "goal-shuffle"):
                return (f.stem.replace("-", "_"), *f.parts[-4:-2])
            kind = "timings" if f.stem.endswith(".timing") else "evals"
            return (kind, *f.parts[-4:-2], f.stem.removesuffix(".timing"))

        files = {"tags": grid["tags"], "results": [f for f in grid["results"] if cell(f) in needed]}
        assert len(files["results"]) > 0
        assert rows_of(table, files, tmp_path / f"{table}.csv").equals(measured[table])
