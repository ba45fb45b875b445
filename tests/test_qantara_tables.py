"""Qantara's tables: what a cell says about the recorded runs, floors and published numbers beside it, printing."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import synthetic_qantara
from jepa.errors import JepaError
from jepa.evaluation.statistics import wilson
from jepa.reporting import contents, qantara_grid
from jepa.reporting.layout import cells_of
from jepa.reporting.measurements import join_measurements, read_measurements, read_published, write_measurements
from jepa.reporting.tables import write_table

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "paper/qantara.csv"
TABLES = contents.tables("qantara")
FEW = ("default", "uniform", "lewm")


def rows_of(table, files, out):
    arguments = (files["results"], PAPER, out, "smoke", files["tags"], 20)
    write_measurements(table, *arguments, paper="qantara")
    return read_measurements(out).set_index(["row", "column"])


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return synthetic_qantara.make(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def folder(grid, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    for table in TABLES:
        measured = folder / f"{table}.measured.csv"
        rows_of(table, grid, measured)
        write_table(measured, *(folder / f"{table}.{kind}" for kind in ("csv", "md", "tex")))
    return folder


@pytest.fixture(scope="module")
def measured(folder):
    return {t: read_measurements(folder / f"{t}.measured.csv").set_index(["row", "column"]) for t in TABLES}


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


@pytest.mark.parametrize("table", ["table1", "table3", "table4", "table5", "table6"])
def test_every_table_has_floors_ceilings_and_size(folder, table):
    page = (folder / f"{table}.md").read_text()
    for label in (*qantara_grid.FLOORS.values(), "episodes"):
        assert f"| {label}" in page
    assert page.index("*floors*") < page.index("*references*") < page.index("*size*")


def test_the_dagger_is_where_the_paper_puts_it_in_table_3():
    lines = list(csv.DictReader(PAPER.open()))
    marked = {(x["row"], x["column"]) for x in lines if x["table"] == "table3" and "†" in x["note"]}
    wide = {
        (x["row"], x["column"]) for x in lines if x["table"] == "table3" and float(x["sd"]) > qantara_grid.COLLAPSED
    }
    assert marked == wide and len(marked) == 18


def test_only_a_collapsed_recipe_of_ours_is_marked(folder):
    line = next(x for x in (folder / "table3.csv").read_text().splitlines() if "drop-{policy}" in x)
    cells = next(csv.reader([line]))
    assert sum("†" in text for text in cells) == 3  # ours on Two-Room and Push-T, and the paper's Push-T
    reference = next(x for x in (folder / "table3.csv").read_text().splitlines() if "reference" in x)
    assert "†" not in reference


def test_the_papers_samples_deviations_are_not_population_deviations():
    published = read_published(PAPER)
    assert published["table4", "gamma-2", "two_room"][1] > 100 * np.std([0, 0, 1])  # the widest of three rates
    for recipe in ("default", "gamma-sqrt2"):
        for env in ("cube", "reacher"):
            sample, population = published["table4", recipe, env][1], published["table6", f"{recipe} k1", env][1]
            assert population == pytest.approx(sample / np.sqrt(1.5), abs=0.07)


def test_every_published_number_stands_beside_a_cell():
    cells = {
        (name, row.key, column.key)
        for name in TABLES
        for row, column, _ in cells_of(contents.PAPERS["qantara"][0][name])
        if column.paper
    }
    assert set(read_published(PAPER)) <= cells


def test_cells_are_named_once_in_a_table():
    for name in TABLES:
        keys = [(row.key, column.key) for row, column, q in cells_of(contents.PAPERS["qantara"][0][name]) if q]
        assert len(keys) == len(set(keys)), name


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


@pytest.mark.parametrize("table", ["table1", "table2", "table3", "table4", "table5", "table6"])
def test_every_environment_has_numbers_floors_and_its_tag(measured, folder, table):
    rows = measured[table]
    for env in qantara_grid.ENVS:
        own = rows[[env in f"{row} {column}".split() for row, column in rows.index]]
        assert own.value.notna().any() and set(own.tag) - {""} == {synthetic_qantara.TAGS[env]}
    page = (folder / f"{table}.md").read_text()
    for env, label in qantara_grid.ENVS.items():
        assert f"{label} ({synthetic_qantara.TAGS[env]})" in page


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


def test_published_and_retrained_rows_of_a_method_differ_in_key_and_label():
    rows = contents.PAPERS["qantara"][0]["table1"].panels[0].rows
    assert len({row.label for row in rows}) == len({row.key for row in rows}) == len(rows)
    for name in ("PLDM", "DINO-WM", "LeWM"):
        assert len({row.group for row in rows if row.label.startswith(name)}) == 2
    stand_in = next(row for row in rows if row.methods == ("random-features",))
    assert not stand_in.label.startswith("DINO-WM")


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


@pytest.mark.parametrize("table", TABLES)
def test_every_table_tells_its_protocol_and_how_episodes_were_made(measured, folder, table):
    for kind in ("md", "tex"):
        page = (folder / f"{table}.{kind}").read_text()
        assert "Protocol: repaired (pairs from held-out episodes)." in page
        assert "Episodes: Push-T: noisy replays of human demonstrations, noise 0.1; Cube: planning oracle." in page
    assert set(measured[table].protocol) <= {"", "repaired"}


def test_a_protocol_of_each_environment_is_told_and_a_mixture_within_one_is_refused(tmp_path):
    files = synthetic_qantara.make(tmp_path, envs=("two_room", "cube"), recipes=FEW, seeds=1)
    of_cube = [f for f in files["results"] if "cube" in str(f.relative_to(tmp_path))]
    for f in of_cube:
        f.write_text(f.read_text().replace('"repaired"', '"released"'))
    rows_of("table1", files, tmp_path / "t.csv")
    write_table(tmp_path / "t.csv", *(tmp_path / f"t.{kind}" for kind in ("c", "md", "tex")))
    page = (tmp_path / "t.md").read_text()
    assert "held-out episodes) on Two-Room; released (pairs from the training file, training windows split by" in page
    victim = next(f for f in of_cube if f.name == "cem-k4.json")
    for damage, message in (("repaired", "repaired.*released"), ("secret", "unknown protocol 'secret'")):
        victim.write_text(re.sub('"protocol": "[a-z]*"', f'"protocol": "{damage}"', victim.read_text()))
        with pytest.raises(JepaError, match=message):
            rows_of("table1", files, tmp_path / "t.csv")


def test_a_suite_average_is_over_all_four(tmp_path):
    files = synthetic_qantara.make(tmp_path, recipes=("default",), seeds=2)
    rows = rows_of("intext", files, tmp_path / "t.csv")
    single = [rows.loc["suite default", f"suite {env}"].value for env in qantara_grid.ENVS]
    assert rows.loc["suite default", "suite"].value == pytest.approx(np.mean(single), rel=1e-5)


def test_a_model_without_an_action_head_has_no_action_error(measured):
    assert measured["intext"].loc["dense lewm", "two_room bc_error"].text == "undefined"


def test_published_values_are_printed_as_published(folder):
    page = (folder / "table2.md").read_text()
    assert "| 75 |" in page and "| 6.1 |" in page and "90.1 ± 1.1" in page
    assert "rank-monotone" in (folder / "intext.md").read_text() and "17–24" in (folder / "intext.md").read_text()


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
            return ("evals", *f.parts[-4:-2], f.stem)

        files = {"tags": grid["tags"], "results": [f for f in grid["results"] if cell(f) in needed]}
        assert len(files["results"]) > 0
        assert rows_of(table, files, tmp_path / f"{table}.csv").equals(measured[table])


@pytest.mark.parametrize("table", TABLES)
def test_markdown_is_rectangular(folder, table):
    text = (folder / f"{table}.md").read_text()
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "nan" not in text.lower() and "None" not in text
    assert "Scale smoke" in text and "3 training seeds" in text and "same = " in text


@pytest.mark.parametrize("table", TABLES)
def test_latex_is_balanced_ascii_and_rectangular(folder, table):
    text = (folder / f"{table}.tex").read_text()
    text.encode("ascii")
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}") and rf"\label{{tab:qantara-{table}}}" in text
    for columns, body in re.findall(r"\\begin\{tabular\}\{@\{\}l(r+)@\{\}\}(.*?)\\end\{tabular\}", text, flags=re.S):
        for line in body.splitlines():
            spanned = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
            if line.endswith(r"\\"):
                assert len(re.findall(r"(?<!\\)&", line)) + spanned == len(columns), line


def test_the_slips_of_the_paper_are_printed_in_every_format(folder):
    assert "71.5 ± 49.4" in (folder / "table4.md").read_text()
    for kind in ("md", "tex"):
        assert "Table 3 has eleven" in (folder / f"intext.{kind}").read_text()


def test_measurements_of_both_papers_can_be_joined(folder, tmp_path):
    join_measurements([folder / f"{table}.measured.csv" for table in TABLES], tmp_path / "all.csv")
    rows = read_measurements(tmp_path / "all.csv")
    assert set(rows["paper"]) == {"qantara"} and not rows.duplicated(["paper", "table", "row", "column"]).any()


def test_the_page_and_the_csv_have_the_same_rows(folder):
    for table in TABLES:
        lines = list(csv.DictReader(io.StringIO((folder / f"{table}.csv").read_text())))
        assert len(lines) == sum(len(panel.rows) for panel in contents.PAPERS["qantara"][0][table].panels)


def test_every_table_and_figure_has_a_caption():
    for name in (*TABLES, *contents.figures("qantara")):
        assert (ROOT / f"workflow/report/qantara/{name}.rst").read_text().strip()
