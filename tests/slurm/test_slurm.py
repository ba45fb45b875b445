"""The workflow on a real Slurm: the literal command, a failing cell, a killed master, preemption, Ctrl-C.

Not among the ordinary tests: `make test-slurm`. Needs root, because the Slurm is started here and thrown away.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from cluster import ThrowAwaySlurm, why_not
from conftest import Workflow
from jepa.reporting.contents import PAPERS, tables

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

BIN = Path(sys.executable).parent
LONG = 10_000  # steps of a training that is disturbed: five seconds on a fast machine, half a minute on a slow one
STARTED = []  # processes, so that none outlives the cluster
ACTIVE = {"PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING"}


class Root(Workflow):
    """A copy of the repository's workflow in which the config says smoke, and commands typed in its root."""

    def __init__(self, folder, change=lambda config: None):
        folder.mkdir()
        super().__init__(folder)
        (folder / "slurm").symlink_to("profiles/slurm")
        self.profile("config: [scale=paper]", "config: [scale=smoke]")
        self.edit(lambda config: config["threads"].update(render_frames=2))  # the node has no 16 cores
        self.edit(change)

    def profile(self, before, after):
        """Replace text of the profile; text that is not there is a mistake of the test."""
        path = self.folder / "profiles/slurm/config.yaml"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def start(self, command):
        self.output = self.folder / "output.txt"
        with open(self.output, "w") as output:
            process = subprocess.Popen(
                command.split(),
                cwd=self.folder,
                env=environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                # What runs in the background of a shell ignores Ctrl-C, and so would all that it starts.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        STARTED.append(process)
        return process

    def type(self, command, timeout=400):
        """(exit status, output) of a command that runs to its end; 124 as of `timeout` when it does not."""
        process = self.start(command)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            status = 124
        return status, self.output.read_text()

    def jobs(self):
        """Slurm's records of the jobs of this root, oldest first."""
        lines = subprocess.run(["scontrol", "--oneliner", "show", "job"], capture_output=True, text=True).stdout
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines.splitlines() if "JobId=" in line]
        return sorted((job for job in found if job["WorkDir"] == str(self.folder)), key=lambda job: int(job["JobId"]))

    def active(self):
        return [job for job in self.jobs() if job["JobState"] in ACTIVE]

    def begin_training(self, seed):
        """(master, its Slurm job, the cell) once a training of the arm mop-long has come some way."""
        cell = Cell(self.folder, seed)
        master = self.start(f"snakemake --profile slurm {cell.target}")
        wait_until(lambda: cell.progress() >= LONG // 20, lambda: self.output.read_text(), master)
        (job,) = self.active()
        assert job["JobState"] == "RUNNING"
        return master, job, cell


class Cell:
    """One training of the arm mop-long."""

    def __init__(self, root, seed):
        self.target = f"results/smoke/models/mop/mop-long/teleport/seed{seed}/model.safetensors"
        self.log = root / f"logs/smoke/models/mop/mop-long/teleport/seed{seed}.log"
        self.folder = (root / self.target).parent

    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    def progress(self):
        """Steps that the progress bar of the running training shows."""
        return max(map(int, re.findall(rf"(\d+)/{LONG}\b", self.said())), default=0)

    def resumed_at(self):
        return max(map(int, re.findall(r"resumed from \S+ at step (\d+)", self.said())), default=0)

    def is_whole(self):
        return pd.read_csv(self.folder / "history.csv")["step"].tolist() == list(range(100, LONG + 1, 100))


def environment():
    kept = {key: value for key, value in os.environ.items() if key not in ("JEPA_DATA_MIRROR", "SLURM_CONF")}
    return kept | {"PATH": f"{BIN}:{kept['PATH']}", "COLUMNS": "200"}


def wait_until(ready, what, process=None, seconds=300):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end and (process is None or process.poll() is None), what()
        time.sleep(0.2)


def less(config):
    """The smallest experiments of which every table can be made; one rule asks for a GPU."""
    mop, qantara, smoke = config["mop"], config["qantara"], config["scales"]["smoke"]
    for env in ("push_t", "cube", "reacher"):
        del qantara["environments"][env], smoke["qantara"]["environments"][env]
    qantara["goal_shuffle"]["envs"] = []
    for name in set(qantara["grids"]) - {"headline"}:
        qantara["grids"][name]["envs"] = []
    qantara["grids"]["headline"]["evals"] = [["cem", 4]]
    mop["mazes"] = ["teleport"]
    for name, grid in mop["grids"].items():
        grid["mazes"] = ["teleport"] if name == "planning" else []
    mop["grids"]["planning"]["arms"] = ["mop"]
    mop["execution"]["arms"] = ["mop"]
    mop["domains"]["cells"] = {"taxi-position": mop["domains"]["cells"]["taxi-position"]}
    smoke["mop"] |= {"seeds": 1, "grids": {}}
    smoke["mop"]["domains"]["cells"] = {}
    smoke["qantara"]["grids"] = {}
    config["gpus"]["train_qantara"] = 1


@pytest.fixture(scope="module")
def slurm():
    cluster = ThrowAwaySlurm()
    try:
        yield cluster.start()
    finally:
        for process in STARTED:
            process.kill()
        cluster.stop()


@pytest.fixture(scope="module")
def tabled(slurm, tmp_path_factory):
    """A root in which the literal command has run once."""
    root = Root(tmp_path_factory.mktemp("tabled") / "root", less)
    status, said = root.type("snakemake --profile slurm all_tables", timeout=900)
    assert status == 0, said
    return root


@pytest.fixture(scope="module")
def _crossed(slurm, tmp_path_factory):
    """A root with the data that the arm mop-long is trained on, and that arm alone."""
    long = {"predictor": {"kind": "mop"}, "training": {"steps": LONG}}
    root = Root(
        tmp_path_factory.mktemp("crossed") / "root", lambda config: config["mop"]["arms"].update({"mop-long": long})
    )
    status, said = root.type("snakemake --profile slurm data/smoke/crossings/teleport.npz")
    assert status == 0, said
    return root


@pytest.fixture
def crossed(_crossed):
    """That root, in which a test that fails leaves nothing behind for the next one."""
    yield _crossed
    for process in STARTED:
        process.kill()
        process.wait()
    if _crossed.active():
        subprocess.run(["scancel", *(job["JobId"] for job in _crossed.active())], check=True)
        wait_until(lambda: not _crossed.active(), lambda: "jobs stay", seconds=30)
    shutil.rmtree(_crossed.folder / ".snakemake/locks", ignore_errors=True)


def test_the_literal_command_makes_every_table(tabled):
    for paper in PAPERS:
        for table in tables(paper):
            for kind in ("csv", "md", "tex"):
                assert (tabled.folder / f"results/smoke/tables/{paper}/{table}.{kind}").stat().st_size > 100
    assert {job["JobState"] for job in tabled.jobs()} == {"COMPLETED"}


def test_small_cells_share_jobs(tabled):
    comments = [job["Comment"] for job in tabled.jobs()]
    reported = sum(len(tables(paper)) for paper in PAPERS)
    assert sum(comment.startswith("rule_tables") for comment in comments) == -(-reported // 4)
    assert any(comment.startswith("rule_cells") for comment in comments)
    alone = ("rule_print_table", "rule_measure_table", "rule_audit_mop", "rule_audit_control", "rule_execute")
    assert not any(comment.startswith(alone) for comment in comments)


def test_a_gpu_cell_is_bound_to_a_gpu(slurm, tabled):
    (job,) = (job for job in tabled.jobs() if job["Comment"].startswith("rule_train_qantara"))
    assert job["TresPerJob"] == "gres:gpu:1"
    assert not any("TresPerJob" in other for other in tabled.jobs() if other is not job and other != job)
    path = tabled.folder / "results/smoke/models/qantara/default/two_room/seed0/provenance.json"
    provenance = json.loads(path.read_text())["slurm"]
    assert provenance["job"] == job["JobId"]
    if slurm.counted_devices:
        assert provenance["gpus"] in ("0", "1")
    else:
        assert provenance["gpus"] is None


def test_costs_are_read_from_jobs_on_a_cluster(tabled):
    status, said = tabled.type("jepa costs --scale smoke")
    assert status == 0
    rules = {line.split()[0]: line.split() for line in said.splitlines()[1:]}
    assert rules["train_mop"][1] == "1" and rules["print_table"][1] == "16" and "train_qantara" in rules


def test_again_it_does_nothing(tabled):
    before = len(tabled.jobs())
    status, said = tabled.type("snakemake --profile slurm all_tables")
    assert status == 0 and "Nothing to be done" in said
    assert len(tabled.jobs()) == before


def test_partition_gpu_type_and_options_as_the_profile_shows_them(slurm, tabled):
    """The lines marked HERE, with the names of this cluster."""
    tabled.profile("  # slurm_partition: cpu # HERE", "  slurm_partition: main #")
    tabled.profile("""  # slurm_extra: "'--mail-type=FAIL'\"""", """  slurm_extra: "'--nice=7'\"""")
    tabled.profile("# set-resources:\n", "set-resources:\n")
    tabled.profile("#   train_qantara: {slurm_partition: gpu, gpu_model: h200}",
                   "  train_qantara: {slurm_partition: accelerated, gpu_model: fake}")  # fmt: skip
    cell = "results/smoke/models/qantara/gamma-2/two_room/seed0/model.safetensors"
    status, said = tabled.type(f"snakemake --profile slurm {cell}")
    assert status == 0, said
    job = tabled.jobs()[-1]
    assert (job["Partition"], job["TresPerJob"], job["Nice"]) == ("accelerated", "gres:gpu:fake:1", "7")


def test_a_failing_cell_runs_twice_with_more_memory_the_second_time(slurm, tmp_path):
    def without_data(config):
        config["data"]["source"] = "mirror"
        config["scales"]["smoke"]["mop"]["episode_share"] = 1.0  # less is generated, whatever the source

    root = Root(tmp_path / "root", without_data)
    status, said = root.type("snakemake --profile slurm results/smoke/audits/mop/mdn/teleport/seed1.json")
    assert status != 0
    assert "JEPA_DATA_MIRROR" in " ".join(said.split()), said
    first, second = root.jobs()
    assert first["Comment"] == second["Comment"] and first["JobState"] == second["JobState"] == "FAILED"
    memory = [int(job["MinMemoryNode"].removesuffix("M")) for job in (first, second)]
    assert memory[0] >= 500 and memory[1] == 2 * memory[0]
    assert not (root.folder / "data/smoke/pointmaze-teleport-navigate.npz").exists()


def test_after_kill_9_of_the_master_the_training_is_resumed(crossed):
    master, job, cell = crossed.begin_training(seed=0)
    master.kill()
    master.wait()
    status, said = crossed.type("jepa slurm doctor")
    assert status == 1 and "1 of this folder are queued or running" in said and "jepa slurm clean" in said
    assert list((crossed.folder / ".snakemake/locks").iterdir())
    status, said = crossed.type("jepa slurm clean")
    assert status == 0 and f"cancelling {job['JobId']} (RUNNING)" in said and "removed Snakemake's lock" in said
    assert crossed.active() == []
    assert not (crossed.folder / cell.target).exists() and (cell.folder / "checkpoint.safetensors").exists()
    status, said = crossed.type(f"snakemake --profile slurm {cell.target}")
    assert status == 0, said
    assert cell.resumed_at() >= LONG // 20 and cell.is_whole()


def test_a_preempted_training_is_resumed_under_the_same_master(crossed):
    master, job, cell = crossed.begin_training(seed=1)
    subprocess.run(["scontrol", "requeue", job["JobId"]], check=True)
    assert master.wait(400) == 0, crossed.output.read_text()
    (after,) = (other for other in crossed.jobs() if other["JobId"] == job["JobId"])
    assert after["Restarts"] == "1" and after["JobState"] == "COMPLETED"
    assert after == crossed.jobs()[-1], "the master submitted the cell a second time"
    assert cell.resumed_at() >= LONG // 20 and cell.is_whole()


def test_ctrl_c_leaves_no_job_behind(crossed):
    master, job, cell = crossed.begin_training(seed=2)
    master.send_signal(signal.SIGINT)
    assert master.wait(90) != 0
    wait_until(lambda: not crossed.active(), lambda: str(crossed.active()), seconds=30)
    status, said = crossed.type("jepa slurm clean")
    assert status == 0 and "no job" in said and "no lock to remove" in said
    assert (cell.folder / "checkpoint.safetensors").exists()


def test_clean_leaves_the_jobs_of_others_alone(crossed, tmp_path):
    subprocess.run(["sbatch", "--mem=10", f"--output={tmp_path}/out", "--wrap=sleep 120"], cwd=tmp_path, check=True)
    other = Workflow.__new__(Root)
    other.folder = tmp_path
    assert crossed.type("jepa slurm clean")[0] == 0
    (job,) = other.active()
    subprocess.run(["scancel", job["JobId"]], check=True)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("slurm-status-command: squeue", "slurm-status-command: squeue", None),
        ("slurm-status-command: squeue", "slurm-status-command: sacct", "status     FAIL"),
        ("  # slurm_partition: cpu # HERE", "  slurm_partition: nowhere #", "partition  FAIL  nowhere is unknown"),
        ("  # slurm_partition: cpu # HERE", "  slurm_partition: accelerated #", "accelerated gives 60"),
        ("  # slurm_account: my-project # HERE", "  slurm_account: mine #", "account    FAIL  mine"),
    ],
)
def test_the_doctor_on_this_cluster(slurm, tmp_path, before, after, words):
    root = Root(tmp_path / "root")
    root.profile(before, after)
    status, said = root.type("jepa slurm doctor")
    assert (status, "FAIL" in said) == ((0, False) if words is None else (1, True)), said
    assert words is None or words in said, said
