"""Mistakes in config.yaml, met as a user meets them: one sentence that names the key, and nothing done."""

import copy

import pytest
import yaml

from bad_input import refused
from conftest import ROOT
from jepa.config import resolve
from jepa.config_file import read
from jepa.errors import JepaError

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
CONFIG = (ROOT / "config.yaml").read_text()
PARSED = yaml.safe_load(CONFIG)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder in which `jepa` works."""
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def raw():
    return copy.deepcopy(PARSED)


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
TEXTS = {
    "nothing": ("", ["holds no keys at its top level"]),
    "a list": ("- a\n- b\n", ["holds no keys at its top level"]),
    "a word": ("laptop\n", ["holds no keys at its top level"]),
    "no YAML": ("scale: laptop\n\tmop: [\n", ["cannot be read", "in line 2"]),
    "two documents": (CONFIG + "\n---\nscale: smoke\n", ["cannot be read"]),
    "a key that stands twice": (CONFIG + "\nscale: smoke\n", ["the key 'scale' stands twice in line"]),
    "an arm that stands twice": (
        CONFIG.replace("    m3: {predictor", "    dense: {predictor: {kind: m3}}\n    m3: {predictor", 1),
        ["the key 'dense' stands twice"],
    ),
    "a call": ('scale: !!python/object/apply:os.system ["touch pwned"]\n', ["cannot be read", "python/object/apply"]),
    "an import": ("scale: !!python/name:os.system\n", ["cannot be read"]),
    "a bomb of aliases": (BOMB, ["more than 100000 values"]),
    "a list that holds itself": (CONFIG.replace("mazes: [", "mazes: &x [*x, ", 1), ["more than 100000 values"]),
    "an alias of nothing": ("scale: *nothing\n", ["cannot be read", "undefined alias"]),
    "control characters": ("scale: lap\x00top\n", ["cannot be read"]),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_file_that_is_no_configuration(repository, case):
    text, words = TEXTS[case]
    (repository / "config.yaml").write_text(text)
    refused("jepa", ["cells"], ["config", *words], repository)


def test_a_file_in_another_encoding(repository):
    (repository / "config.yaml").write_bytes("scale: läptop\n".encode("latin-1"))
    refused("jepa", ["cells"], ["config.yaml cannot be read", "utf-8"], repository)


def test_a_folder_for_a_file(repository):
    (repository / "config.yaml").mkdir()
    refused("jepa", ["cells"], ["config.yaml cannot be read"], repository)


ARM = {"predictor": {"kind": "mop"}}
NAMED = "lower-case letters and digits, words joined by one of - _ and ., 60 characters at most"
NAMES = [
    "<script>alert(1)</script>",
    "x; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "../../etc",
    "a/b",
    "two words",
    "mop\n",
    "möp",
    "Mop",
    "-rf",
    "{wildcards.seed}",
    "a|b",
    "a'b",
    "",
    "x" * 61,
]


PLACES = {
    "mop.arms": ARM,
    "qantara.recipes": {},
    "mop.domains.cells": {"data": "video"},
    "mop.domains.data": {"kind": "video"},
    "mop.grids": {"arms": ["mop"], "mazes": ["teleport"]},
    "qantara.grids": {"recipes": ["default"], "seeds": 1, "evals": []},
}


@pytest.mark.parametrize(
    ("key", "name"),
    [("mop.arms", name) for name in NAMES] + [(key, name) for key in PLACES for name in NAMES[:3]],
)
def test_names_that_could_mean_something_elsewhere(raw, key, name):
    """Of folders, of a shell, of a regular expression, of a wildcard, of HTML."""
    place = raw
    for part in key.split("."):
        place = place[part]
    place[name] = PLACES[key]
    with pytest.raises(JepaError) as caught:
        resolve(raw, SCHEMA)
    message = str(caught.value)
    assert f"config key `{key}` has the entry {name!r}"[:70] in message and NAMED in message and "\n" not in message


VALUES = {
    "a learning rate that is no number": ("mop.training.lr", float("nan"), ["`mop.training.lr` is nan", "finite"]),
    "an infinite learning rate": ("qantara.base.training.lr", float("inf"), ["is inf", "finite"]),
    "a huge number of steps": ("mop.training.steps", 10**12, ["1000000000000", "at most 1000000000"]),
    "a number of a thousand digits": ("mop.audit.gate", 10**1000, ["`mop.audit.gate` is 1000", "finite"]),
    "a truth value for a size": ("mop.seeds", True, ["`mop.seeds` is True", "integer"]),
    "a key that YAML reads as no word": ("mop.arms", {True: ARM}, ["has the entry True", "quotes"]),
    "a number for a name": ("qantara.recipes", {"default": {}, 7: {}}, ["has the entry 7", "quotes"]),
    "a number for a folder": ("data.dir", 7, ["`data.dir` is 7", "string"]),
    "a folder with a wildcard": ("data.dir", "data/{scale}", ["'data/{scale}'", "without braces"]),
    "a folder with a line break": ("data.dir", "data\n", ["'data\\n'", "control characters"]),
    "a folder like an option": ("data.dir", "-data", ["'-data'", "begins with no dash"]),
    "a home that nobody expands": ("data.dir", "~/data", ["'~/data'", "tilde"]),
    "a folder that ends with a blank": ("data.dir", "data ", ["'data '", "blank"]),
    "a mirror with a wildcard": ("data.mirror", "{x}", ["`data.mirror` is '{x}'", "without braces"]),
    "no folder": ("data.dir", "", ["`data.dir` is ''"]),
    "a nested list for a folder": ("data.dir", [[1] * 999], ["`data.dir` is [[1, 1,", "..."]),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_that_mean_nothing(repository, raw, case):
    path, value, words = VALUES[case]
    *parents, last = path.split(".")
    place = raw
    for part in parents:
        place = place[part]
    place[last] = value
    (repository / "config.yaml").write_text(yaml.safe_dump(raw))
    refused("jepa", ["cells"], words, repository)


def test_nothing_was_run(repository):
    (repository / "config.yaml").write_text('scale: !!python/object/apply:os.system ["touch pwned"]\n')
    refused("jepa", ["cells"], ["cannot be read"], repository)
    assert not (repository / "pwned").exists()


def test_the_configuration_of_the_repository_is_read_as_yaml_reads_it():
    assert read(ROOT / "config.yaml") == PARSED


@pytest.mark.parametrize("folder", ["data", "../shared data", "/scratch/wörld models & co", "a'b;c$d"])
def test_folders_that_may_be_named_so(raw, folder):
    raw["data"]["dir"] = folder
    assert resolve(raw, SCHEMA)["data"]["dir"] == folder
