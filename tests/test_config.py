"""The configuration: scales change sizes only, arms list differences, mistakes are one sentence."""

import copy

import pytest
import yaml

from conftest import ROOT
from jepa import cells
from jepa.config import (
    arm_settings,
    dataset_settings,
    evaluation_settings,
    merge,
    pair_settings,
    recipe_settings,
    resolve,
    split_settings,
)
from jepa.errors import JepaError
from jepa.reporting.mop_grid import MDN_GRID
from jepa.training.mop import build

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"


@pytest.fixture
def raw():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_every_scale_resolves_and_keeps_the_shape(raw, scale):
    config = resolve(raw | {"scale": scale}, SCHEMA)
    base = resolve(raw | {"scale": "laptop"}, SCHEMA)
    assert config["mop"]["arms"] == base["mop"]["arms"]
    assert config["mop"]["audit"] == base["mop"]["audit"]
    assert config["mop"]["mazes"] == base["mop"]["mazes"]
    assert config["mop"]["training"]["lr"] == base["mop"]["training"]["lr"]


def test_laptop_meets_its_promise(raw):
    """7 arms x 3 mazes x 3 seeds, at least 6,000 steps each, on the official number of episodes."""
    mop = resolve(raw, SCHEMA)["mop"]
    assert mop["grids"]["planning"]["arms"] == ["dense", "m3", "var", "mdn", "mop", "ensemble", "codebook"]
    assert len(mop["grids"]["planning"]["mazes"]) == 3
    assert mop["seeds"] >= 3 and mop["training"]["steps"] >= 6000 and mop["episode_share"] == 1


def test_an_arm_depends_on_its_own_entry_only(raw):
    config = resolve(raw, SCHEMA)
    before = {arm: arm_settings(config, arm) for arm in config["mop"]["arms"]}
    config["mop"]["arms"]["mdn"]["predictor"]["lambda_bal"] = 0.5
    changed = [arm for arm in before if arm_settings(config, arm) != before[arm]]
    assert changed == ["mdn"]


def test_a_dataset_may_have_a_source_of_its_own(raw):
    raw["data"]["sources"] = {"pointmaze-teleport-navigate": "generate"}
    config = resolve(raw, SCHEMA)
    assert dataset_settings(config, "pointmaze-teleport-navigate")["source"] == "generate"
    assert dataset_settings(config, "pointmaze-large-stitch")["source"] == "auto"


def test_a_recipe_lists_only_its_difference(raw):
    config = resolve(raw, SCHEMA)
    default = recipe_settings(config, "default", "two_room")
    assert default == merge(config["qantara"]["base"], {"data": {"protocol": "repaired"}})
    for recipe, difference in config["qantara"]["recipes"].items():
        settings = recipe_settings(config, recipe, "two_room")
        changed = {
            f"{part}.{key}"
            for part in settings
            if isinstance(settings[part], dict)
            for key in settings[part]
            if settings[part][key] != default[part].get(key)
        }
        listed = {f"{part}.{key}" for part, keys in difference.items() if isinstance(keys, dict) for key in keys}
        assert changed <= listed, recipe
        assert settings == merge(default, difference), recipe
    with pytest.raises(JepaError, match="'drop-all' is unknown; allowed are default"):
        recipe_settings(config, "drop-all", "two_room")
    with pytest.raises(JepaError, match="'push_u' is unknown; allowed are push_t"):
        recipe_settings(config, "default", "push_u")


def test_an_environment_changes_what_it_lists_and_a_recipe_comes_after_it(raw):
    raw["qantara"]["environments"]["push_t"]["base"] = {"encoder": {"size": 64}, "training": {"steps": 7}}
    raw["qantara"]["environments"]["push_t"]["evaluation"] = {"pairs": 9, "iterations": 30}
    raw["qantara"]["recipes"]["quick"] = {"training": {"steps": 5}}
    config = resolve(raw, SCHEMA)
    default, quick = (recipe_settings(config, recipe, "push_t") for recipe in ("default", "quick"))
    assert (default["encoder"]["size"], default["training"]["steps"], quick["training"]["steps"]) == (64, 7, 5)
    assert recipe_settings(config, "default", "two_room")["encoder"]["size"] == 32
    assert evaluation_settings(config, "cem", "push_t")["iterations"] == 30
    assert pair_settings(config, "push_t")["pairs"] == 9 != pair_settings(config, "two_room")["pairs"]


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_an_environment_can_be_taken_out_at_every_scale(raw, scale):
    del raw["qantara"]["environments"]["cube"], raw["qantara"]["environments"]["two_room"]
    config = resolve(raw | {"scale": scale}, SCHEMA)
    assert list(config["qantara"]["environments"]) == ["push_t", "reacher"]


def test_quality_is_part_of_what_a_model_knows(raw):
    config = resolve(raw, SCHEMA)
    assert recipe_settings(config, "default", "cube")["data"]["quality"] == "fast"
    assert "quality" not in recipe_settings(config, "default", "reacher")["data"]


def test_the_protocol_reaches_training_pairs_and_floors(raw):
    raw["qantara"]["protocol"] = "released"
    config = resolve(raw, SCHEMA)
    assert recipe_settings(config, "lewm", "cube")["data"]["protocol"] == "released"
    assert pair_settings(config, "cube")["protocol"] == split_settings(config)["protocol"] == "released"


def test_steps_factor_multiplies_the_scale(raw):
    config = resolve(raw, SCHEMA)
    steps = config["mop"]["training"]["steps"]
    assert arm_settings(config, "mop-matched")["training"]["steps"] == 3 * steps
    assert "steps_factor" not in arm_settings(config, "mop")["training"]


def test_annealing_is_a_share_of_the_training(raw):
    config = resolve(raw, SCHEMA)
    settings = arm_settings(config, "mop-anneal-slow")
    model = build(settings)
    assert model.predictor.anneal_steps == round(0.8 * settings["training"]["steps"])
    assert build(arm_settings(config, "mop")).predictor.anneal_steps == 0


def test_the_grid_of_mdn_is_what_its_rows_say(raw):
    """d_eff x K x lambda, every combination once, each arm as its label has it."""
    config = resolve(raw, SCHEMA)
    assert set(config["mop"]["grids"]["mdn-grid"]["arms"]) == set(MDN_GRID)
    for arm, label in MDN_GRID.items():
        predictor = arm_settings(config, arm)["predictor"]
        weight = f"{predictor['lambda_bal']:g}".removeprefix("0") or "0"
        assert label == f"d_eff {predictor.get('d_eff', 'd')}, K {predictor['K']}, λ {weight}"


def test_a_grid_may_have_seeds_of_its_own(raw):
    config = resolve(raw, SCHEMA)
    config["mop"]["grids"] = {
        "all": {"arms": ["mop", "mdn"], "mazes": ["teleport"]},
        "more": {"arms": ["mop"], "mazes": ["teleport", "large-stitch"], "seeds": 1},
    }
    config["mop"]["seeds"] = 2
    found = [cell for cell in cells.grid_cells(config, "models")]
    assert found == [("mdn", "teleport", 0), ("mdn", "teleport", 1), ("mop", "large-stitch", 0)] + [
        ("mop", "teleport", 0),
        ("mop", "teleport", 1),
    ]


def test_merge_leaves_its_arguments_alone():
    base, override = {"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}}
    kept = copy.deepcopy((base, override))
    assert merge(base, override) == {"a": {"b": 1, "c": [2]}}
    assert (base, override) == kept


def put(raw, path, value):
    *parents, last = path.split(".")
    entry = raw
    for parent in parents:
        entry = entry[parent]
    entry[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("scale", "huge", ["scale", "'huge'", "'smoke', 'laptop', 'paper'"]),
        ("colour", 1, ["top level", "'colour'", "allowed there: conda, data"]),
        ("mop.seedz", 1, ["mop", "'seedz'", "seeds"]),
        ("mop.seeds", -1, ["mop.seeds", "-1", "at least 1"]),
        ("mop.seeds", 2.5, ["mop.seeds", "2.5", "integer"]),
        ("mop.model.width", 0, ["mop.model.width", "0", "at least 1"]),
        ("mop.training.lr", "fast", ["mop.training.lr", "'fast'", "number"]),
        ("mop.training.batch_size", None, ["mop.training.batch_size", "None", "integer"]),
        ("mop.episode_share", 0, ["mop.episode_share", "0", "greater than 0"]),
        ("mop.episode_share", 1.5, ["mop.episode_share", "1.5", "at most 1"]),
        ("mop.mazes", ["giant"], ["mop.mazes", "'giant'", "medium-stitch"]),
        ("mop.grids.planning.arms", ["mopp"], ["mop.grids.planning.arms", "'mopp'", "dense, m3"]),
        ("mop.grids.planning.mazes", ["umaze"], ["'umaze'", "teleport"]),
        ("mop.arms.mop.predictor.balance", "hard", ["balance", "'hard'", "'soft', 'literal'"]),
        ("mop.arms.mop.predictor.kappa", 1, ["mop.arms.mop.predictor", "'kappa'"]),
        ("qantara.grids.modes.recipes", ["drop-all"], ["qantara.grids.modes.recipes", "'drop-all'", "drop-joint"]),
        ("qantara.recipes.uniform.sampling.sampler", "grid", ["sampler", "'grid'", "'edges', 'uniform'"]),
        ("qantara.base.training.batch_size", -4, ["qantara.base.training.batch_size", "-4", "at least 1"]),
        ("scales.paper.qantara.base.predictor", {"gamma": 2}, ["scales.paper.qantara.base.predictor", "'gamma'"]),
        (
            "data.sources",
            {"pointmaze-giant": "mirror"},
            ["data.sources", "'pointmaze-giant'", "pointmaze-large-stitch"],
        ),
        ("mop.mazes", [], ["mop.mazes", "[]"]),
        ("mop.arms.mop.predictor.kind", "mopp", ["kind", "'mopp'", "'ensemble'"]),
        ("mop.arms.majority", {"predictor": {"kind": "mop"}}, ["mop.arms", "'majority'", "choose another"]),
        ("expected_seconds.train_mob", 3, ["expected_seconds", "'train_mob'", "train_mop"]),
        ("qantara.environments.cube.stride", 3, ["qantara.environments.cube.stride", "3", "must divide"]),
        (
            "qantara.environments.cube",
            {"episodes": 3, "stride": 5},
            ["qantara.environments.cube", "'quality' is a required"],
        ),
        ("qantara.environments.push_t.generator", {"steps": 3}, ["push_t.generator", "'steps'", "noise"]),
        ("qantara.environments.door", {}, ["qantara.environments", "'door'", "two_room"]),
        ("qantara.protocol", "mine", ["qantara.protocol", "'mine'", "'repaired', 'released'"]),
        ("data.files", {"cube": "x"}, ["data.files", "'cube'", "push_t"]),
        ("qantara.evaluation.elites", 99, ["qantara.evaluation.elites", "99", "at most"]),
        ("qantara.recipes.no-bridge.predictor", {"bridge": False}, ["qantara.recipes.no-bridge", "residual: false"]),
        ("data.source", "internet", ["data.source", "'internet'", "'mirror'"]),
        ("scales.smoke.mop.audit", {"gate": 1}, ["scales.smoke.mop", "'audit'"]),
        ("scales.laptop.mop", {"training": {"lr": 1.0}}, ["scales.laptop.mop.training", "'lr'"]),
        ("mop.model", None, ["mop.model", "None", "object"]),
    ],
)
def test_mistakes_name_key_value_and_what_is_allowed(raw, path, value, words):
    put(raw, path, value)
    with pytest.raises(JepaError) as caught:
        resolve(raw, SCHEMA)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message and message.endswith(".")


def test_grid_arms_exist_for_execution_too(raw):
    raw["mop"]["execution"]["arms"] = ["mop", "nope"]
    with pytest.raises(JepaError, match="mop.execution.arms.*'nope'"):
        resolve(raw, SCHEMA)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/laptop/audits/mop/mopp/teleport/seed0.json", ["arm 'mopp'", "dense"]),
        ("results/laptop/audits/mop/mop/giant/seed0.json", ["maze 'giant'", "teleport"]),
        ("results/paper/audits/mop/mop/teleport/seed0.json", ["scale 'paper'", "'laptop'"]),
        ("results/laptop/audits/mop/mop/teleport/seedx.json", ["seed0"]),
        ("results/laptop/models/mop/displacement/teleport/seed0/model.safetensors", ["arm 'displacement'"]),
    ],
)
def test_targets_that_cannot_exist_are_refused_in_a_sentence(raw, target, words):
    with pytest.raises(JepaError) as caught:
        cells.check_target(target, resolve(raw, SCHEMA))
    assert all(word in str(caught.value) for word in words)


def test_targets_that_exist_pass(raw):
    config = resolve(raw, SCHEMA)
    for kind in cells.PATTERNS:
        for cell in cells.grid_cells(config, kind):
            cells.check_target(cells.path_of(kind, "laptop", *cell), config)
    for beside in ("graphs.npz", "provenance.json"):
        cells.check_target(f"results/laptop/audits/mop/mop/teleport/seed0.{beside}", config)
    cells.check_target("results/laptop/measurements.csv", config)
    cells.check_target("all_tables", config)
