# What the .smk files share: the validated configuration, names of cells, hashes of code.

import json
import re
import shlex
import sys
from pathlib import Path

from jepa import cells, costs
from jepa.config import (
    arm_settings,
    dataset_settings,
    domain_data_settings,
    domain_settings,
    episode_settings,
    evaluation_settings,
    frame_settings,
    pair_settings,
    recipe_settings,
    resolve,
    source_of,
    split_settings,
)
from jepa.errors import JepaError
from jepa.files import check_writable
from jepa.forecast import forecast
from jepa.provenance import code_hash as hash_of_script
from jepa.reporting import contents

try:
    CONFIG = resolve(config, Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")
    check_writable(f"results/{CONFIG['scale']}")
    for target in filter(lambda word: word.startswith("results/"), sys.argv):
        cells.check_target(target, CONFIG)
except JepaError as error:
    refuse(error)

SCALE = CONFIG["scale"]
DATA = f"{CONFIG['data']['dir']}/{SCALE}"
RESULTS = f"results/{SCALE}"
LOGS = f"logs/{SCALE}"
BENCH = f"bench/{SCALE}"
MOP = CONFIG["mop"]
CONDA = f"../envs/{CONFIG['conda']}.yaml"  # of every rule that starts a program, used with --sdm conda


QANTARA = CONFIG["qantara"]
REPORTED_TABLES = [(paper, table) for paper in contents.PAPERS for table in contents.tables(paper)]
REPORTED_FIGURES = [(paper, figure) for paper in contents.PAPERS for figure in contents.figures(paper)]
STEPS = {"mop": MOP["training"]["steps"], "qantara": QANTARA["base"]["training"]["steps"]}


wildcard_constraints:
    paper="|".join(contents.PAPERS),
    table=r"table\d|intext|ablations|generality",
    figure=r"figure\d",
    arm="|".join(map(re.escape, MOP["arms"])),
    control="|".join(cells.CONTROLS),
    executor_control="|".join(cells.EXECUTOR_CONTROLS),
    maze="|".join(MOP["mazes"]),
    dataset="|".join(contents.DATASETS[maze] for maze in MOP["mazes"]),
    data="|".join(map(re.escape, MOP["domains"]["data"])),
    domain="|".join(map(re.escape, MOP["domains"]["cells"])),
    recipe="|".join(map(re.escape, QANTARA["recipes"])),
    env="|".join(QANTARA["environments"]),
    dispatch="cem|bc|video-inverse|gcbc",
    size=r"[1-9]\d*",
    k=r"[1-9]\d*",
    seed=r"\d+",


# One thread a process; freed memory is kept for the next tensor of its size (a tenth of a training step); and the
# interpreter that runs Snakemake, unless conda provides another, which has the lock's packages and not this one.
PREFIX = (
    "set -euo pipefail; export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 "
    "MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296; "
)
if workflow.deployment_settings.deployment_method:
    PREFIX += f"export PYTHONNOUSERSITE=1 PYTHONPATH={shlex.quote(str(Path(workflow.basedir) / 'src'))}; "
else:
    PREFIX += f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
if CONFIG["data"]["mirror"]:
    PREFIX += f"export JEPA_DATA_MIRROR={shlex.quote(CONFIG['data']['mirror'])}; "
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))  # Snakemake would fill braces, which a path may have


def code_hash(script):
    """Hash of a script and of all package code below it: a `params` entry, so that changed code re-runs its cells."""
    return hash_of_script(Path(workflow.basedir) / f"workflow/scripts/{script}.py")


def as_json(settings):
    """A config slice on a command line."""
    return json.dumps(settings, sort_keys=True)


def seconds(rule):
    """Expected duration of one job of a rule on one core, for the forecast."""
    return lambda wildcards: max(1, round(costs.expected(CONFIG, rule, wildcards).seconds))


def minutes(rule):
    """Time limit for a cluster, more on a second attempt."""
    return lambda wildcards, attempt: costs.minutes(costs.expected(CONFIG, rule, wildcards).seconds, attempt)


def memory(rule):
    """Memory limit for a cluster, more on a second attempt."""
    return lambda wildcards, attempt: costs.mebibytes(costs.expected(CONFIG, rule, wildcards).mebibytes, attempt)


def gpus(rule):
    """GPUs that a job of this rule asks a cluster for; a job uses one where it finds one, and the CPU otherwise."""
    return CONFIG["gpus"].get(rule, 0)


def training_data(wildcards):
    """What a checkpoint is trained on: episodes, and frames where they are rendered once; elsewhere training draws."""
    recipe, env = getattr(wildcards, "recipe", "default"), wildcards.env
    encoder = recipe_settings(CONFIG, recipe, env)["encoder"]
    files = {"episodes": f"{DATA}/{env}.h5"}
    if "stride" in QANTARA["environments"][env]:
        files["frames"] = f"{DATA}/frames/{env}-{encoder['size']}.h5"
    if encoder["kind"] == "dinov2":
        files["weights"] = f"{DATA}/dinov2_vits14.pth"
    return files


def frames_option(wildcards, input):
    return ["--frames", input.frames] if "frames" in input.keys() else []


def training_settings(wildcards):
    """A resolved recipe, with the place of pretrained weights where it wants some.

    Of the wildcards alone: Snakemake does not re-run a job for a parameter that is derived from its input.
    """
    settings, files = recipe_settings(CONFIG, wildcards.recipe, wildcards.env), training_data(wildcards)
    if "weights" in files:
        settings["encoder"]["weights"] = files["weights"]
    return as_json(settings)


def demonstrator(wildcards):
    """What episodes are made from, where it is a file: an official dataset, or a trained expert."""
    env, official = wildcards.env, CONFIG["data"]["files"].get(wildcards.env)
    if official:
        return {"file": official}
    learned = episode_settings(CONFIG, env)["generator"].get("expert") == "sac"
    return {"expert": f"{DATA}/experts/{env}/model.safetensors"} if learned else {}


def demonstrator_options(wildcards, input):
    return [word for name, path in input.items() for word in (f"--{name}", path)]


def results_of(paper, name):
    """Paths of all results that a table or figure of a paper is made of."""
    run = contents.runs(CONFIG, paper)
    needed = contents.needs(name, CONFIG, paper)
    return [path for cell in needed for path in cells.paths_of(paper, SCALE, cell, run[cell])]


def caption_of(paper, name):
    """Text that the HTML report prints beside a table or figure."""
    return (Path(workflow.basedir) / f"workflow/report/{paper}/{name}.rst").read_text()


def printed(names=None):
    """Files of the tables of all papers; names: {paper: tables and figures}, None for every table."""
    return [
        f"{RESULTS}/tables/{paper}/{table}.{kind}"
        for paper, table in REPORTED_TABLES
        if names is None or table in names.get(paper, ())
        for kind in ("csv", "md", "tex")
    ]


def drawn(names=None):
    """Files of the figures of all papers; names as in `printed`."""
    return [
        f"{RESULTS}/figures/{paper}/{figure}.{kind}"
        for paper, figure in REPORTED_FIGURES
        if names is None or figure in names.get(paper, ())
        for kind in ("pdf", "png")
    ]


def provenance_of(paper):
    """Provenance of the datasets that a paper's experiments use: where the data tags come from."""
    datasets = [contents.DATASETS[maze] for maze in MOP["mazes"]] if paper == "mop" else QANTARA["environments"]
    return [f"{DATA}/{dataset}.provenance.json" for dataset in datasets]


def data_of(paper, name):
    """Provenance of the datasets behind one table or figure."""
    needed = contents.needs(name, CONFIG, paper)
    domains = [MOP["domains"]["cells"][cell[-1]]["data"] for cell in needed if cell[0] == "domains"]
    return provenance_of(paper) + [f"{DATA}/domains/{data}.provenance.json" for data in dict.fromkeys(domains)]


def print_forecast(dag):
    """Say what will run, how long it may take and how much disk it needs, before it starts."""
    needed = filter(dag.needrun, dag.jobs)
    jobs = [(job.rule.name, job.resources.get("expected_s", 1), job.resources.get("gpu", 0)) for job in needed]
    # On a cluster `cores` is the width of a group, and `jobs` says how many jobs run at once.
    cores = workflow.resource_settings.nodes or workflow.resource_settings.cores or 1
    disk_gb = sum(CONFIG["expected_mb"].get(rule, 0) for rule, *_ in jobs) / 1000
    print(forecast(jobs, cores, SCALE, disk_gb), file=sys.stderr, flush=True)


def lift_rate_limit(workflow):
    """Take Snakemake's default limit of 100 jobs a second from a run.

    With a limit, the scheduler of Snakemake 9 wakes up once a second for every job that has ended so far: after 400 jobs
    that costs half a core. A limit that the user has set stays.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
