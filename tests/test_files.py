"""Files are complete or absent."""

import json
import os

import pytest

from jepa.errors import JepaError
from jepa.files import atomic_path, read_json, write_json
from jepa.random import rng_of, seed_of


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_written_files_have_the_permissions_of_ordinary_files(tmp_path):
    write_json(tmp_path / "a.json", 1)
    (tmp_path / "b.json").write_text("1")
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "b.json").stat().st_mode


def test_nan_is_refused_and_damage_is_a_sentence(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "n.json", float("nan"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(JepaError, match="does not exist"):
        read_json(tmp_path / "n.json")
    (tmp_path / "n.json").write_text('{"half":')
    with pytest.raises(JepaError, match="not valid JSON"):
        read_json(tmp_path / "n.json")


def test_seeds_depend_on_every_part_and_on_where_parts_end():
    assert seed_of("a", 1) == seed_of("a", 1)
    assert len({seed_of("a", 1), seed_of("a", 2), seed_of("a1"), seed_of("1", "a")}) == 4
    assert rng_of("x").random() == rng_of("x").random()
