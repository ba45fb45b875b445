"""Reading Qantara's results: evaluations, dense diagnostics, floors and goal-shuffle tests, one JSON file each."""

from collections import Counter
from pathlib import Path

from jepa.errors import JepaError
from jepa.evaluation.statistics import wilson
from jepa.files import read_json
from jepa.reporting.qantara_grid import ENVS, PROTOCOLS
from jepa.reporting.records import Record

NEEDED = {  # kind: keys and types by which a file is known and without which it is refused
    "evals": {"recipe": str, "env": str, "seed": int, "dispatch": str, "k": int, "episodes": list, "manifest": dict},
    "timings": {"recipe": str, "env": str, "seed": int, "dispatch": str, "k": int, "latency_ms": None},
    "dense": {"recipe": str, "env": str, "seed": int, "forward_error": None},
    "floors": {"env": str, "floors": dict, "manifest": dict},
    "goal_shuffle": {"recipe": str, "env": str, "seed": int, "goal_shuffle": dict, "manifest": dict},
}


class Runs:
    """Results by cell, ordered by seed: ("evals" or "timings", recipe, env, "cem-k4"), ("dense" or "goal_shuffle",
    recipe, env), ("floors", env)."""

    def __init__(self, files=()):
        self._by_cell = {}
        protocols, manifests = {}, {}
        for path in files:
            kind, record = _read(Path(path))
            data = record.data
            cell = {
                "evals": lambda d: ("evals", d["recipe"], d["env"], f"{d['dispatch']}-k{d['k']}"),
                "timings": lambda d: ("timings", d["recipe"], d["env"], f"{d['dispatch']}-k{d['k']}"),
                "dense": lambda d: ("dense", d["recipe"], d["env"]),
                "floors": lambda d: ("floors", d["env"]),
                "goal_shuffle": lambda d: ("goal_shuffle", d["recipe"], d["env"]),
            }[kind](data)
            self._by_cell.setdefault(cell, []).append(record)
            if kind not in ("dense", "timings"):
                _check_protocol(record, protocols)
                _check_manifest(record, manifests)
        self._protocols = {env: protocol for env, (protocol, _) in protocols.items()}
        for cell, records in self._by_cell.items():
            records.sort(key=lambda record: record.data.get("seed", 0))
            twice = [seed for seed, n in Counter(r.data.get("seed", 0) for r in records).items() if n > 1]
            if twice:
                paths = ", ".join(record.path for record in records if record.data.get("seed", 0) == twice[0])
                raise JepaError(f"{' '.join(cell)} was given twice for one seed ({paths}); pass each file once.")

    def get(self, *cell):
        """Records of one cell, by seed; empty when it was not run."""
        return self._by_cell.get(cell, [])

    def places(self):
        """Environments that have any file."""
        return {record.data["env"] for records in self._by_cell.values() for record in records}

    def protocols(self):
        """Under which protocol the pairs of each environment were drawn: {environment: key of PROTOCOLS}."""
        return self._protocols

    def steps(self):
        """Evaluations do not tell the training steps."""
        return []


def _read(path):
    data = read_json(path)
    data = data if isinstance(data, dict) else {}
    for kind, needed in NEEDED.items():
        if all(key in data and (type_ is None or isinstance(data[key], type_)) for key, type_ in needed.items()):
            if data["env"] not in ENVS:
                raise JepaError(f"{path} is of the unknown environment `{data['env']}`; known are {', '.join(ENVS)}.")
            return kind, Record(str(path), data)
    raise JepaError(
        f"{path} is neither an evaluation, nor its timing, nor dense diagnostics, nor floors, nor a goal-shuffle test "
        "of Qantara; delete it and run its rule again."
    )


def _check_protocol(record, protocols):
    """Refuse results of one environment that were measured under different protocols."""
    env, protocol = record.data["env"], record.at("protocol")
    if protocol not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise JepaError(
            f"{record.path} is of the unknown protocol {protocol!r}; known are {known}. Run its rule again."
        )
    first = protocols.setdefault(env, (protocol, record.path))
    if first[0] != protocol:
        raise JepaError(
            f"{record.path} is of the protocol {protocol} and {first[1]} of {first[0]}, both on {env}; delete those "
            "that config.yaml does not ask for and run again."
        )


def _check_manifest(record, manifests):
    """Refuse results of one environment that were not measured on the same pairs."""
    env, hash_ = record.data["env"], record.at("manifest.hash")
    first = manifests.setdefault(env, (hash_, record.path))
    if first[0] != hash_:
        raise JepaError(
            f"{record.path} and {first[1]} were evaluated on different pairs of {env}; delete the older and run again."
        )


def outcomes(record, episodes):
    """[(success, solved at start), ...] of a list of episodes, both booleans. Raises JepaError, naming the file."""
    try:
        return [(bool(e["success"]), bool(e["solved_at_start"])) for e in episodes]
    except (KeyError, TypeError) as error:
        message = f"{record.path} has an episode without {error}; delete it and run its rule again."
        raise JepaError(message) from None


def outcomes_of_floor(record, name):
    """The outcomes of one floor or ceiling; empty where it was not run."""
    floor = record.at("floors").get(name)
    if not isinstance(floor, dict | None):
        raise JepaError(f"{record.path} has {floor!r} for the floor `{name}`; delete it and run its rule again.")
    return outcomes(record, floor.get("episodes", [])) if floor else []


def interval(rate, share, record):
    """Wilson interval in percent. Evaluation and training seeds repeat the same pairs, so it counts each pair once.

    rate: in percent. share: of the episodes that count (all, or the unsolved). record: names the manifest.
    """
    pairs = share * record.number("manifest.n")
    return (100 * bound for bound in wilson(rate / 100 * pairs, pairs))
