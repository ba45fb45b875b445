"""Reading recorded results: one JSON file a cell. `Records` are those of MoP-JEPA: audits, executions, fan-outs."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jepa.errors import JepaError
from jepa.files import read_json
from jepa.reporting import domain_grid
from jepa.reporting.layout import TAGS
from jepa.reporting.mop_grid import DATASETS

FIRST_SEEDS = 3  # the paper executes and measures coverage with three seeds
KINDS = {  # key that tells the kind of a file: (kind, what it must hold)
    "runs": ("evals", {"runs": list}),
    "fanout": ("fanout", {"fanout": dict, "beliefs": dict}),
    "raw": ("audits", {"raw": dict}),
}


@dataclass(frozen=True)
class Record:
    """One file: its path, for messages, and its content."""

    path: str
    data: dict

    def at(self, path):
        """The value at a dotted path such as `raw.votes.realroute`; None where any part of it is undefined.

        Raises JepaError, naming the file, when the key is absent.
        """
        value = self.data
        for key in path.split("."):
            if value is None:
                return None
            if not isinstance(value, dict) or key not in value:
                raise JepaError(f"{self.path} lacks `{path}`; delete it and run the rule that writes it again.")
            value = value[key]
        return value

    def number(self, path):
        """The number at a dotted path as a float; None where it is undefined. Raises JepaError for anything else."""
        value = self.at(path)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise JepaError(f"{self.path} has {value!r} at `{path}`, not a number; delete it and run its rule again.")
        return None if value is None else float(value)

    def points(self, path, *fields):
        """The points of a curve, dicts that have at least `fields`; none where the curve is undefined."""
        points = self.at(path) or []
        if not all(isinstance(point, dict) and set(fields) <= set(point) for point in points):
            fields = ", ".join(fields)
            raise JepaError(f"{self.path} has a point of `{path}` without one of {fields}; run its rule again.")
        return points


class Records:
    """Files by (kind, method, maze), ordered by seed; kind is `audits`, `evals`, `fanout` or `domains`.

    files: in any order; KINDS tells them apart, and one without any of its keys is a damaged audit. The file of a
    domain holds every arm: it becomes a record of each, and one of each row that no model makes, of which the one in
    domain_grid.REFERENCES is also called `reference`.
    """

    def __init__(self, files=()):
        self._by_cell = {}
        for path in files:
            self._add(Path(path))
        for cell, records in self._by_cell.items():
            records.sort(key=lambda record: record.data["seed"])
            twice = [seed for seed, count in Counter(r.data["seed"] for r in records).items() if count > 1]
            if twice:
                paths = ", ".join(record.path for record in records if record.data["seed"] == twice[0])
                raise JepaError(f"{' '.join(cell)} was given twice for seed {twice[0]} ({paths}); pass each file once.")

    def _add(self, path):
        data = read_json(path)
        data = data if isinstance(data, dict) else {}
        if "arms" in data:
            self._add_domain(path, data)
            return
        kind, needed = KINDS[next((key for key in KINDS if key in data), "raw")]
        types = {"method": str, "maze": str, "seed": int, **needed}
        missing = [key for key, type_ in types.items() if not isinstance(data.get(key), type_)]
        if missing:
            raise JepaError(f"{path} lacks `{missing[0]}`; delete it and run the rule that writes it again.")
        if data["maze"] not in DATASETS:
            raise JepaError(f"{path} is of the unknown maze `{data['maze']}`; known are {', '.join(DATASETS)}.")
        self._by_cell.setdefault((kind, data["method"], data["maze"]), []).append(Record(str(path), data))

    def _add_domain(self, path, data):
        types = {"domain": str, "seed": int, "metric": str, "better": str, "arms": dict, "references": dict}
        missing = [key for key, type_ in types.items() if not isinstance(data.get(key), type_)]
        if missing:
            raise JepaError(f"{path} lacks `{missing[0]}`; delete it and run the rule that writes it again.")
        domain = data["domain"]
        if domain not in domain_grid.DATASETS:
            known = ", ".join(domain_grid.DATASETS)
            raise JepaError(f"{path} is of the unknown domain `{domain}`; known are {known}.")
        facts = {key: data[key] for key in ("seed", "metric", "better")} | {"maze": domain}
        references = {name: {"raw": scores} for name, scores in data["references"].items()}
        if domain_grid.REFERENCES.get(domain) in references:
            references["reference"] = references[domain_grid.REFERENCES[domain]]
        for method, scores in (references | data["arms"]).items():
            if not isinstance(scores, dict):
                raise JepaError(
                    f"{path} lacks the scores of `{method}`; delete it and run the rule that writes it again."
                )
            record = Record(str(path), facts | {"method": method} | scores)
            self._by_cell.setdefault(("domains", method, domain), []).append(record)

    def get(self, kind, method, maze):
        """Records of one cell of the grid, by seed; empty when it was not run."""
        return self._by_cell.get((kind, method, maze), [])

    def audits_of(self, maze):
        """Audits of every method on one maze."""
        return [r for (kind, _, m), records in self._by_cell.items() if (kind, m) == ("audits", maze) for r in records]

    def places(self):
        """Mazes and domains that have any file."""
        return {maze for _, _, maze in self._by_cell}

    def protocols(self):
        """MoP-JEPA has a single protocol, of which its tables do not tell."""
        return {}

    def seeds(self):
        """The least and the most seeds that the files of a cell are of."""
        counts = [len({record.data["seed"] for record in records}) for records in self._by_cell.values()]
        return min(counts, default=0), max(counts, default=0)

    def steps(self):
        """Numbers of training steps that the files tell, ascending; empty when they tell none."""
        found = {r.data.get("steps") for records in self._by_cell.values() for r in records}
        return sorted(found - {None})


def seed_values(records, path):
    """Values at a dotted path by seed, without the undefined ones: {seed: float}."""
    values = {record.data["seed"]: record.number(path) for record in records}
    return {seed: value for seed, value in values.items() if value is not None}


def episodes(records, readout, planner, cost, repair, which):
    """(successes, episodes, tasks) of the runs that match; None without such a run.

    tasks: (task, seed) pairs. The graph decides them: their episodes differ in start and goal noise alone and mostly
    share their outcome, so an interval may count them but once.
    which: `all` episodes, or `first`: the first episode of every task for the first three seeds (the paper's
    1 x 5 x 3).
    """
    wanted = {"readout": readout, "planner": planner, "cost": cost, "repair": repair}
    if which == "first":
        records = records[:FIRST_SEEDS]
    outcomes, tasks = [], set()
    for record in records:
        for run in record.data["runs"]:
            try:
                if all(run[key] == value for key, value in wanted.items()):
                    played = [e for e in run["episodes"] if which == "all" or e["episode"] == 0]
                    outcomes += [int(e["success"]) for e in played]
                    tasks |= {(record.path, e["task"]) for e in played}
            except (KeyError, TypeError) as error:
                message = f"{record.path} has a run without {error}; delete it and run its rule again."
                raise JepaError(message) from None
    return (sum(outcomes), len(outcomes), len(tasks)) if outcomes else None


def read_tags(tag_files, places, datasets):
    """Equivalence tag of the data of each place, from the provenance files of the datasets: {place: tag}.

    places: those that have results. datasets: {place: name of its dataset}. Raises JepaError when a place that has
    results has no tag: no number is printed without one.
    """
    by_dataset = {}
    for path in tag_files:
        facts = Record(str(path), read_json(path))
        tag = facts.at("tag")
        if tag not in TAGS:
            raise JepaError(f"{path} has the unknown data tag `{tag}`; known are {', '.join(TAGS)}.")
        by_dataset[_name(facts)] = tag
    untagged = [datasets[place] for place in sorted(places) if datasets[place] not in by_dataset]
    if untagged:
        raise JepaError(f"No provenance file tells the data tag of {', '.join(untagged)}; pass its .provenance.json.")
    return {place: by_dataset[dataset] for place, dataset in datasets.items() if dataset in by_dataset}


def _name(provenance):
    """What the places call their data. The prepared data of a domain has a name beside that of its content."""
    return provenance.at("data" if "data" in provenance.data else "dataset")


def _generator(facts):
    """What provenance says of how episodes were made; None where it says nothing."""
    return facts.get("generator") if isinstance(facts, dict) else None


def read_generators(tag_files, datasets):
    """How the episodes of each place were made, or what a domain holds, as provenance says: {place: text}."""
    by_dataset = {}
    for path in tag_files:
        facts = Record(str(path), read_json(path))
        told = facts.at("dataset") if "data" in facts.data else _generator(facts.data.get("facts"))
        by_dataset[_name(facts)] = told
    return {place: by_dataset[dataset] for place, dataset in datasets.items() if by_dataset.get(dataset)}
