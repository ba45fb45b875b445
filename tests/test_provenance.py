"""Code hashes follow behaviour; provenance names everything a number depends on."""

import json

import pytest

from conftest import ROOT
from jepa import provenance
from jepa.errors import JepaError
from jepa.provenance import Record, code_hash

SCRIPTS = ROOT / "workflow/scripts"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `jepa` of two modules, of which `a` imports `b`, and a script that imports `a`."""
    source = tmp_path / "jepa"
    source.mkdir()
    (source / "__init__.py").write_text("")
    (source / "a.py").write_text("from jepa.b import two\n\ndef one():\n    return two()\n")
    (source / "b.py").write_text('def two():\n    """Two."""\n    return 2\n')
    (source / "c.py").write_text("three = 3\n")
    (tmp_path / "script.py").write_text("def main():\n    from jepa.a import one\n    one()\n")
    monkeypatch.setattr(provenance, "SOURCE", source)

    def current():
        provenance.code_hash.cache_clear()
        provenance._parsed.cache_clear()
        return code_hash(tmp_path / "script.py")

    return source, current


def test_a_change_far_below_changes_the_hash(package):
    source, current = package
    before = current()
    (source / "b.py").write_text('def two():\n    """Two."""\n    return 3\n')
    assert current() != before


def test_comments_docstrings_and_strangers_do_not(package):
    source, current = package
    before = current()
    (source / "b.py").write_text('# why\ndef two():\n    """Another docstring."""\n\n    return 2\n')
    (source / "c.py").write_text("three = 4\n")
    assert current() == before


def test_cells_of_one_kind_do_not_depend_on_reporting():
    """Editing a figure must not retrain a model: the closure of the training script holds no reporting code."""
    provenance.code_hash.cache_clear()
    seen, pending = set(), set(provenance._parsed(SCRIPTS / "train_mop.py")[1])
    while pending:
        name = pending.pop()
        seen.add(name)
        path = provenance._module_file(name)
        pending |= (provenance._parsed(path)[1] - seen) if path else set()
    assert "jepa.models.mixtures" in seen and "jepa.data.crossings" in seen
    assert not any(name.startswith(("jepa.reporting", "jepa.evaluation", "jepa.planning")) for name in seen)


def test_a_missing_script_is_a_sentence():
    with pytest.raises(JepaError, match="nowhere.py does not exist"):
        code_hash("nowhere.py")


def test_record_holds_what_a_number_depends_on(tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("a")
    Record(SCRIPTS / "train_mop.py").write(
        tmp_path / "p.json", inputs=[source], settings={"K": 8}, seed=3, device="cpu"
    )
    record = json.loads((tmp_path / "p.json").read_text())
    assert record["inputs"] == {str(source): "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}
    assert record["settings"] == {"K": 8} and record["seed"] == 3 and record["device"] == "cpu"
    assert record["versions"]["torch"] and record["code_hash"] == code_hash(SCRIPTS / "train_mop.py")
    assert record["wall_seconds"] >= 0 and record["peak_memory_mib"] > 1
    assert {"git_commit", "git_dirty", "finished", "command", "machine"} <= set(record)
