"""What jobs cost: limits have headroom, measurements are in units of config.yaml, low expectations are marked."""

import io
import json
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from jepa import costs
from jepa.config import resolve
from jepa.errors import JepaError

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def config_of(scale, **changes):
    return resolve(CONFIG | {"scale": scale} | changes, SCHEMA)


def record(path, rule, seconds, mib, **wildcards):
    """A benchmark record as Snakemake's --benchmark-extended writes it."""
    path = Path("bench/laptop", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rule_name": rule, "wildcards": wildcards, "s": seconds, "max_rss": mib}) + "\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_second_attempt_gets_twice_the_time_and_memory():
    assert costs.minutes(600, attempt=2) == 2 * costs.minutes(600) == 80
    assert costs.mebibytes(1000, attempt=2) == 2 * costs.mebibytes(1000) == 3700


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_no_limit_is_below_what_the_executor_itself_needs(scale):
    for rule, cost in costs.largest(config_of(scale)).items():
        assert costs.minutes(cost.seconds) >= 10, rule
        assert costs.mebibytes(cost.mebibytes) >= 425, rule


def test_a_training_costs_in_proportion_to_its_steps():
    config = config_of("laptop")
    usual, long = (costs.expected(config, "train_mop", {"arm": arm}) for arm in ("mop", "mop-60k"))
    assert long.seconds == pytest.approx(10 * usual.seconds) and long.mebibytes == usual.mebibytes
    assert costs.largest(config)["train_mop"].seconds == pytest.approx(long.seconds)


def test_an_evaluation_costs_what_its_dispatch_does():
    config = config_of("laptop")
    seconds = {name: costs.expected(config, "evaluate_qantara", {"dispatch": name}).seconds for name in ("cem", "bc")}
    assert seconds == {name: config["expected_seconds"][f"evaluate_{name}"] for name in seconds}
    assert costs.largest(config)["evaluate_qantara"].seconds == max(
        seconds for key, seconds in config["expected_seconds"].items() if key.startswith("evaluate_")
    )


def test_measurements_are_in_units_of_the_config(folder):
    """60,000 steps that took 50 s are 5 s of the scale's 6,000; an evaluation stands under its dispatch."""
    record("models/mop/mop-60k/teleport/seed0.jsonl", "train_mop", 50.0, 400.0, arm="mop-60k")
    record("evals/qantara/default/push_t/seed0/bc-k2.jsonl", "evaluate_qantara", 3.0, 900.0, dispatch="bc")
    found = {job.key: job for job in costs.measured(config_of("laptop"))}
    assert found["train_mop"].seconds == pytest.approx(5) and found["train_mop"].mebibytes == 400
    assert found["evaluate_bc"].seconds == 3


@pytest.mark.parametrize(
    ("cell", "provenance"),
    [
        ("audits/mop/mop/teleport/seed0", "results/laptop/audits/mop/mop/teleport/seed0.provenance.json"),
        ("models/mop/mop/teleport/seed0", "results/laptop/models/mop/mop/teleport/seed0/provenance.json"),
        ("data/crossings/teleport", "data/laptop/crossings/teleport.provenance.json"),
    ],
)
def test_the_peak_that_a_short_job_reported_itself_counts(folder, cell, provenance):
    """Snakemake samples every half second: a job of one second is seen while it still imports."""
    record(f"{cell}.jsonl", "audit_control", 1.0, "NA")
    path = Path(provenance)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"peak_memory_mib": 321.0}))
    assert [job.mebibytes for job in costs.measured(config_of("laptop"))] == [321]


def test_expectations_below_what_was_measured_are_marked(folder):
    config = config_of("laptop")
    expected = config["expected_seconds"], config["memory_mb"]
    for index, share in enumerate((0.5, 2.5)):  # 1.5 times as long on average
        record(f"a{index}.jsonl", "audit_mop", share * expected[0]["audit_mop"], 0.9 * expected[1]["audit_mop"])
    record("b.jsonl", "measure_floors", 0.5 * expected[0]["measure_floors"], 1.1 * expected[1]["measure_floors"])
    record("c.jsonl", "audit_control", 0.5 * expected[0]["audit_control"], 0.5 * expected[1]["audit_control"])
    out = io.StringIO()
    costs.report(config, out)
    lines = {line.split()[0]: line for line in out.getvalue().splitlines()}
    assert lines["audit_mop"].endswith("<- more seconds than expected")
    assert lines["measure_floors"].endswith("<- more memory than expected")
    assert "<-" not in lines["audit_control"] and "train_mop" not in lines


def test_what_is_printed_as_yaml_is_an_expectation_that_holds(folder):
    record("a.jsonl", "audit_mop", 7.3, 612.0)
    printed = yaml.safe_load(costs.as_yaml(config_of("laptop")))
    assert printed == {"expected_seconds": {"audit_mop": 8}, "memory_mb": {"audit_mop": 650}}
    changed = {key: CONFIG[key] | block for key, block in printed.items()}
    assert [row["low"] for row in costs.table(config_of("laptop", **changed))] == [[]]


def test_nothing_measured_is_said(folder):
    with pytest.raises(JepaError, match="bench/laptop holds no benchmark record"):
        costs.table(config_of("laptop"))
