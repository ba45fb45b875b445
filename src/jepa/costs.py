"""What jobs cost: what config.yaml expects, what a cluster is asked for, and what finished jobs took.

Light on purpose: the Snakefile imports it.
"""

import json
import math
from collections import defaultdict, namedtuple
from pathlib import Path
from statistics import mean

from jepa.config import arm_settings
from jepa.errors import JepaError
from jepa.files import read_json

# The headroom between what is expected of a job and what it may use, stated here and nowhere else.
TIME_FACTOR, LEAST_MINUTES = 4, 10  # another machine is slower, or shared
MEMORY_FACTOR, SNAKEMAKE_MIB = 1.5, 350  # a job runs inside two Snakemakes of its own, which take 290 MiB

Cost = namedtuple("Cost", "seconds mebibytes")
Measured = namedtuple("Measured", "key seconds mebibytes")  # of one job; mebibytes is None where nothing was sampled


def minutes(seconds, attempt=1):
    """Time limit of a job that is expected to take `seconds`; a second attempt has twice the first's."""
    return max(LEAST_MINUTES, math.ceil(TIME_FACTOR * seconds / 60)) * attempt


def mebibytes(peak, attempt=1):
    """Memory limit of a job that is expected to use `peak` MiB at once; a second attempt has twice the first's."""
    return math.ceil(MEMORY_FACTOR * peak + SNAKEMAKE_MIB) * attempt


def expected(config, rule, wildcards):
    """The Cost that config.yaml expects of one job; a training of MoP-JEPA costs in proportion to its arm's steps."""
    key = _key(rule, wildcards)
    seconds = config["expected_seconds"][key] * _share(config, rule, wildcards)
    return Cost(seconds, config["memory_mb"][key])


def largest(config):
    """{rule: the largest Cost that config.yaml expects of a job of it}"""
    costs = {}
    for key, seconds in config["expected_seconds"].items():
        rule = "evaluate_qantara" if key.startswith("evaluate_") else key
        if rule == "train_mop":
            seconds *= max(_share(config, rule, {"arm": arm}) for arm in config["mop"]["arms"])
        before = costs.get(rule, Cost(0, 0))
        costs[rule] = Cost(max(seconds, before.seconds), max(config["memory_mb"][key], before.mebibytes))
    return costs


def _key(rule, wildcards):
    """Name under which config.yaml holds the cost of a job: evaluations differ by their dispatch."""
    return f"evaluate_{wildcards.get('dispatch')}" if rule == "evaluate_qantara" else rule


def _share(config, rule, wildcards):
    """Cost of a job in units of its rule's entry in config.yaml."""
    if rule != "train_mop":
        return 1
    return arm_settings(config, wildcards.get("arm"))["training"]["steps"] / config["mop"]["training"]["steps"]


def measured(config):
    """Yield a Measured for every job of the configured scale that has left a benchmark record.

    Seconds are in units of the entry in config.yaml, as in `expected`. The peak of memory is the larger of what
    Snakemake sampled, all processes together, and of what the process itself wrote into its provenance: a short job
    ends before it has been sampled at its peak. Raises JepaError where there is nothing to read.
    """
    root = Path("bench", config["scale"])
    found = 0
    for path in sorted(root.rglob("*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if "rule_name" not in record:  # written by a Snakemake that was run without our profile
                continue
            found += 1
            rule, wildcards = record["rule_name"], record["wildcards"]
            share = _share(config, rule, wildcards)
            peaks = [record["max_rss"], *_own_peak(config, path.relative_to(root).with_suffix(""))]
            sampled = [peak for peak in peaks if isinstance(peak, int | float)]
            yield Measured(_key(rule, wildcards), record["s"] / share, max(sampled, default=None))
    if not found:
        raise JepaError(f"{root} holds no benchmark record that names its rule; run the workflow at this scale first.")


def _own_peak(config, cell):
    """Peak in MiB from the provenance of the outputs that the benchmark `cell` mirrors, where they have one."""
    folder = Path("results", config["scale"])
    if cell.parts[0] == "data":
        folder, cell = Path(config["data"]["dir"], config["scale"]), Path(*cell.parts[1:])
    for path in (folder / f"{cell}.provenance.json", folder / cell / "provenance.json"):
        if path.exists():
            yield read_json(path).get("peak_memory_mib")


def table(config):
    """Rows of `jepa costs`, one a rule: what its jobs took, what config.yaml expects, what a cluster is asked for.

    [{rule, jobs, mean_s, max_s, expected_s, limit_min, max_mib, expected_mib, limit_mib, low}], `low`: names of the
    expectations that are below what was measured: the mean of the seconds, which a forecast adds up, or the largest
    MiB, which a limit has to cover.
    """
    jobs = defaultdict(list)
    for job in measured(config):
        jobs[job.key].append(job)
    rows = []
    for key in config["expected_seconds"]:
        if key not in jobs:
            continue
        seconds = [job.seconds for job in jobs[key]]
        peak = max((job.mebibytes for job in jobs[key] if job.mebibytes is not None), default=0)
        cost = Cost(config["expected_seconds"][key], config["memory_mb"][key])
        low = ["seconds"] * (round(mean(seconds)) > cost.seconds) + ["memory"] * (peak > cost.mebibytes)
        rows.append(
            {
                "rule": key,
                "jobs": len(seconds),
                "mean_s": mean(seconds),
                "max_s": max(seconds),
                "expected_s": cost.seconds,
                "limit_min": minutes(cost.seconds),
                "max_mib": peak,
                "expected_mib": cost.mebibytes,
                "limit_mib": mebibytes(cost.mebibytes),
                "low": low,
            }
        )
    return rows


def report(config, out):
    """Print the table; a rule whose expectation is too low is marked, and the mark says which one."""
    rows = table(config)
    columns = [name for name in rows[0] if name != "low"]
    lines = [[name.replace("_", " ") for name in columns] + [""]]
    for row in rows:
        cells = [f"{row[name]:.0f}" if isinstance(row[name], float) else str(row[name]) for name in columns]
        lines.append([*cells, f"<- more {' and '.join(row['low'])} than expected" if row["low"] else ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *numbers, mark in lines:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
        print(name.ljust(widths[0]), *aligned, mark, sep="  ", file=out)


def as_yaml(config):
    """The blocks `expected_seconds` and `memory_mb` of config.yaml as measured, for the rules that have run."""
    rows = table(config)
    seconds = [f"  {row['rule']}: {max(1, math.ceil(row['mean_s']))}" for row in rows]
    memory = [f"  {row['rule']}: {max(50, 50 * math.ceil(row['max_mib'] / 50))}" for row in rows]
    return "\n".join(["expected_seconds:", *seconds, "memory_mb:", *memory])
