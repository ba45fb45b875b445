"""Kinds of domain and the two programs that prepare and audit them."""

import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import ROOT
from domain_worlds import domain, settings, three_modes
from jepa import provenance
from jepa.domains import registry
from jepa.domains.compare import compare
from jepa.errors import JepaError


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_kind_has_its_two_functions(kind):
    module = registry.module(kind)
    assert module.__name__ == f"jepa.domains.{kind}" and callable(module.prepare) and callable(module.audit)


def test_an_unknown_kind_is_refused():
    with pytest.raises(JepaError, match="no kind of domain called 'weather'; choose one of pedestrians"):
        registry.module("weather")


def test_the_hash_of_the_scripts_follows_every_kind():
    _, imported = provenance._parsed(Path(registry.__file__))
    assert {f"jepa.domains.{kind}" for kind in registry.KINDS} <= imported


@pytest.fixture
def script(tmp_path, monkeypatch):
    """script(name, *arguments): run a program of workflow/scripts on a kind of domain that is made up here."""

    def prepare(out, *, source, mirror, seed, settings, progress):
        assert settings["kind"] == "fixture"
        world = domain(three_modes, n=300, seed=seed)
        np.savez(out, contexts=world.contexts, targets=world.targets)
        facts = {"dataset": "modes", "source": "generate", "tag": "mechanism", "message": f"asked for {source}"}
        return facts | {"pairs": 300, "mirror": mirror}

    def audit(arrays, settings, seed, work, progress):
        (work.parent / "worked").write_text(work.name)
        return compare(domain(three_modes, n=300), settings, seed, work, progress=False)

    layout = {"contexts": ("f", "N", "d"), "targets": ("f", "N", "d")}
    fixture = SimpleNamespace(ARRAYS=layout, prepare=prepare, audit=audit)
    monkeypatch.setattr(registry, "module", lambda kind: fixture)

    def call(name, *arguments):
        path = ROOT / f"workflow/scripts/{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")

    return call


def test_the_scripts_prepare_and_audit_a_domain(script, tmp_path):
    data, facts = tmp_path / "modes.npz", tmp_path / "modes.provenance.json"
    asked = json.dumps({"kind": "fixture", "source": "auto", "seed": 0})
    script("prepare_domain", "--data=modes", f"--settings={asked}", f"--out={data}", f"--provenance={facts}")
    written = json.loads(facts.read_text())
    assert (written["dataset"], written["source"], written["tag"]) == ("modes", "generate", "mechanism")
    assert written["message"] == "asked for auto" and written["facts"] == {"pairs": 300, "mirror": None}
    assert list(written["sha256"]) == ["modes.npz"] and written["data"] == "modes"

    out, stale = tmp_path / "results/seed3.json", tmp_path / "results/.seed3-0123456789abcdef"
    stale.mkdir(parents=True)
    asked = settings(steps=5)
    asked.pop("domain")
    audit = [f"--data={data}", "--domain=modes", "--seed=3", f"--settings={json.dumps(asked)}"]
    script("audit_domain", *audit, f"--out={out}", f"--provenance={tmp_path / 'results/seed3.provenance.json'}")
    record = json.loads(out.read_text())
    assert (record["domain"], record["kind"], record["seed"]) == ("modes", "fixture", 3)
    assert list(record["arms"]) == ["codebook", "dense", "mop"] and record["n_train"] == 200
    assert (tmp_path / "results/worked").read_text().startswith(".seed3-")
    assert sorted(p.name for p in out.parent.iterdir()) == ["seed3.json", "seed3.provenance.json", "worked"]
    assert str(data) in json.loads((tmp_path / "results/seed3.provenance.json").read_text())["inputs"]
