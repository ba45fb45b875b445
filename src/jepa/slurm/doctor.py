"""Whether `snakemake --profile slurm` can work here: one line a setting, with what to do about one that cannot."""

import getpass
import math
import shutil
from collections import defaultdict, namedtuple
from pathlib import Path

import yaml

from jepa import costs
from jepa.errors import JepaError
from jepa.slurm.jobs import ask, jobs_in, masters_in

LINK, DEFAULT = Path("slurm"), Path("profiles/default/config.yaml")
LONGEST_LOOK = 180  # seconds between two looks of the executor at its jobs, when nothing has happened for a while
OF_CLUSTERS = ("default-resources", "executor", "jobs", "set-resources")

Node = namedtuple("Node", "minutes mib cores gpus")  # what one job may have there; gpus as Slurm writes them
Request = namedtuple("Request", "minutes mib cores")  # of the largest job of a rule


def findings(config):
    """Yield (topic, good, text) for every setting; good is None where a finding is neither good nor bad.

    Raises JepaError where there is no Slurm to ask.
    """
    ask("sbatch", "--version")  # the first sentence names the command that a user misses
    slurm = dict(_settings(ask("scontrol", "show", "config")))
    yield "slurm", True, f"{slurm.get('SLURM_VERSION', 'a version without a name')} on {slurm.get('ClusterName')}"
    profile = yield from _profile()
    yield from _status(profile, slurm)
    yield from _account(profile, slurm)
    yield from _partitions(config, profile)
    left, masters = jobs_in("."), masters_in(".")
    if left and not masters:
        yield (
            "jobs",
            False,
            f"{len(left)} of this folder are queued or running, and no snakemake runs here on this machine: a new run "
            "would start the same cells a second time; `jepa slurm clean` cancels them",
        )
    else:
        yield "jobs", True, f"{len(left)} of this folder, {len(masters)} snakemake here"


def scale_of_profile():
    """The scale that the profile runs, or None where it leaves that to config.yaml."""
    profile = yaml.safe_load((LINK / "config.yaml").read_text()) if (LINK / "config.yaml").exists() else {}
    entries = dict(entry.split("=", 1) for entry in profile.get("config") or [])
    return entries.get("scale")


def _settings(text):
    """(key, value) of the lines `Key = value` of scontrol show config."""
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip(), value.strip()


def _profile():
    """What the profile's own files say; returns the profile."""
    path = LINK / "config.yaml"
    if not path.exists():
        yield (
            "profile",
            False,
            f"{path} does not exist: Snakemake finds `slurm` through a link; ln -s profiles/slurm slurm",
        )
        return {}
    profile = yaml.safe_load(path.read_text()) or {}
    yield "profile", True, f"{path}, executor {profile.get('executor')}, up to {profile.get('jobs')} jobs"
    if profile.get("executor") != "slurm":
        yield "profile", False, f"executor is {profile.get('executor')!r} in {path}; write executor: slurm"
    if profile.get("groups") and not profile.get("cores"):
        yield (
            "profile",
            False,
            f"{path} has groups and no cores: a group would ask for the sum of its cells; write cores: 1",
        )
    if profile.get("slurm-array-jobs"):
        yield "profile", False, f"{path} has slurm-array-jobs: a failed task loses the others' outputs; remove the key"
    default = yaml.safe_load(DEFAULT.read_text()) if DEFAULT.exists() else {}
    for key in set(OF_CLUSTERS) & set(default or {}):
        yield (
            "profile",
            False,
            f"{DEFAULT} sets {key}, which replaces the whole key of every other profile; remove it there",
        )
    return profile


def _status(profile, slurm):
    """Whether the executor will learn that its jobs have ended; if not, a run waits for ever."""
    accounting = _accounting()
    # Without the key the executor takes sacct wherever the program is installed.
    command = profile.get("slurm-status-command") or ("sacct" if shutil.which("sacct") else "squeue")
    age = int(slurm.get("MinJobAge", "300").split()[0])
    if command == "sacct" and not accounting:
        yield (
            "status",
            False,
            "the executor would ask sacct, which has no accounting database here, and wait for ever with every output "
            "done; write slurm-status-command: squeue",
        )
    elif command == "squeue" and age <= LONGEST_LOOK:
        other = "write slurm-status-command: sacct, which works here" if accounting else "ask for MinJobAge=300"
        yield (
            "status",
            False,
            f"squeue forgets a job after MinJobAge = {age} s and the executor looks every {LONGEST_LOOK} s at most, so "
            f"that the end of a job can be missed and the run waits for ever; {other}",
        )
    else:
        yield "status", True, f"{command} (accounting {'works' if accounting else 'is off'}, MinJobAge {age} s)"


def _accounting():
    """Whether sacct answers."""
    try:
        ask("sacct", "--noheader", "--allocations", "--starttime=now-1minutes")
    except JepaError:
        return False
    return True


def _account(profile, slurm):
    """Whether Slurm will charge the jobs to an account that is yours; the executor refuses one that it cannot check."""
    wanted = sorted({str(use["slurm_account"]) for use in _uses(profile).values() if use.get("slurm_account")})
    try:
        answer = ask("sacctmgr", "-n", "-P", "show", "associations", f"user={getpass.getuser()}", "format=account")
    except JepaError:
        known = None
    else:
        known = sorted(set(answer.split()))
    for account in wanted:
        if known is None:
            advice = "which the executor insists on; remove slurm_account"
            yield "account", False, f"{account} cannot be checked without accounting, {advice}"
        else:
            yield "account", account in known, f"{account}; yours are {', '.join(known) or 'none'}"
    if not wanted:
        enforced = "associations" in slurm.get("AccountingStorageEnforce", "")
        yours = f"; yours are {', '.join(known)}" if known else ""
        text = f"none in the profile{', although this cluster enforces one' * enforced}{yours}"
        yield "account", bool(known) if enforced else None, text


def _partitions(config, profile):
    """Partitions that the profile sends rules to: known, with GPUs where a rule asks for some, and large enough."""
    partitions, default = _nodes()
    uses, requests, of_partition = _uses(profile), _requests(config, profile), defaultdict(list)
    for rule in requests:
        of_partition[str(uses.get(rule, uses[None]).get("slurm_partition") or default)].append(rule)
    for name, rules in of_partition.items():
        if name == "None":
            yield "partition", False, "the profile names none and the cluster has no default; set slurm_partition"
        elif name not in partitions:
            yield "partition", False, f"{name} is unknown; the cluster has {', '.join(partitions)}"
        else:
            nodes = partitions[name]
            sizes = sorted({f"{node.cores} cores, {node.mib} MiB, {node.gpus}" for node in nodes})
            yield "partition", True, f"{name}: {'; '.join(sizes)}"
            for rule in rules:
                gpus, model = config["gpus"].get(rule, 0), uses.get(rule, uses[None]).get("gpu_model")
                yield from _fits(rule, requests[rule], gpus, model, name, nodes)


def _requests(config, profile):
    """{rule: Request}. A group asks for `cores` cells at once, and for the time of all rows of so many in turn."""
    width, groups = profile.get("cores") or 1, profile.get("groups") or {}
    components = profile.get("group-components") or {}
    requests = {}
    for rule, cost in costs.largest(config).items():
        minutes, mib = costs.minutes(cost.seconds), costs.mebibytes(cost.mebibytes)
        at_once = min(width, components.get(groups[rule], 1)) if rule in groups else 1
        rows = math.ceil(components.get(groups[rule], 1) / at_once) if rule in groups else 1
        requests[rule] = Request(minutes * rows, mib * at_once, config["threads"].get(rule, 1) * at_once)
    return requests


def _fits(rule, request, gpus, model, name, nodes):
    """What of a rule's requests no node of its partition can give."""
    elsewhere = f"give it another slurm_partition in set-resources of {LINK / 'config.yaml'}"
    wanted = f"gpu:{model}" if model else "gpu"
    if gpus and not any(f"{wanted}:" in node.gpus for node in nodes):
        text = f"{rule} asks for {gpus} of kind {wanted}, and no node of {name} has one"
        yield "gpu", False, f"{text}: {elsewhere}, or set its gpus to 0 in config.yaml"
    for field, topic, unit, keys in (
        ("minutes", "time", " min", "expected_seconds or group-components"),
        ("mib", "memory", " MiB", "memory_mb or cores"),
        ("cores", "cores", " cores", "threads or cores"),
    ):
        asked, most = getattr(request, field), max(getattr(node, field) for node in nodes)
        if asked > most:
            yield topic, False, f"{rule} asks for {asked}{unit}, {name} gives {most:g}: {elsewhere}, or lower {keys}"


def _uses(profile):
    """{rule: resources that the profile gives it, None: those of every other rule}"""
    default = _mapping(profile.get("default-resources") or {}, "default-resources")
    own = _mapping(profile.get("set-resources") or {}, "set-resources")
    return {None: default} | {rule: default | _mapping(use, f"set-resources.{rule}") for rule, use in own.items()}


def _mapping(value, key):
    if not isinstance(value, dict):
        raise JepaError(f"{LINK / 'config.yaml'}: write `{key}` as a mapping, a line `name: value` each.")
    return value


def _nodes():
    """({partition: [Node]}, name of the default partition or None)"""
    partitions, default = defaultdict(list), None
    for line in ask("sinfo", "--noheader", "--Node", "--format=%P|%l|%m|%c|%G").splitlines():
        name, limit, memory, cores, gpus = line.split("|")
        if name.endswith("*"):
            name = default = name.removesuffix("*")
        partitions[name].append(Node(_minutes(limit), int(memory), int(cores), gpus))
    return dict(partitions), default


def _minutes(limit):
    """Slurm's [days-]hours:minutes:seconds, or minutes:seconds, or infinite."""
    if not limit[0].isdigit():
        return float("inf")
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, minutes, seconds = [0] * (3 - len(parts)) + parts
    return int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60
