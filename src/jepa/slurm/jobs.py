"""Slurm jobs of this folder: which there are, and how to be rid of them after Snakemake itself was killed."""

import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import psutil

from jepa.errors import JepaError

Job = namedtuple("Job", "id state name folder")  # name: what the executor wrote about it, such as rule_train_mop_...

PATIENCE = 120  # seconds until a cancelled job counts as one that does not go: twice the longest KillWait that is usual


def ask(*command):
    """What a command of Slurm prints. Raises JepaError when it does not exist, fails or does not answer."""
    if shutil.which(command[0]) is None:
        raise JepaError(
            f"{command[0]} was not found on PATH: run this on a login node of the cluster, after `module load slurm` "
            "where that is needed."
        )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise JepaError(f"`{' '.join(command)}` did not answer within a minute; ask whether Slurm is up.") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise JepaError(f"`{' '.join(command)}` failed ({said[-1] if said else 'without a word'}).")
    return done.stdout


def jobs_in(folder):
    """This user's jobs that were submitted from `folder` and are not over; the executor makes it their WorkDir."""
    folder, found = Path(folder).resolve(), []
    # A line each, the folder last: it may hold any character.
    for line in ask("squeue", f"--user={os.geteuid()}", "--noheader", "--format=%i|%T|%k|%Z").splitlines():
        job = Job(*line.split("|", 3))
        if Path(job.folder).resolve() == folder:
            found.append(job)
    return found


def masters_in(folder):
    """Ids of the processes on this machine that are a Snakemake started in `folder`, those inside Slurm jobs apart."""
    folder, found = Path(folder).resolve(), []
    for process in psutil.process_iter():
        try:
            called = any(Path(word).name == "snakemake" for word in process.cmdline()[:3])
            if called and Path(process.cwd()) == folder and "SLURM_JOB_ID" not in process.environ():
                found.append(process.pid)
        except psutil.Error:  # another user's, or gone
            continue
    return found


def clean(folder, dry_run=False, out=sys.stdout, patience=PATIENCE):
    """Cancel the jobs of `folder`, wait until they are gone, and remove Snakemake's lock; say what was done.

    For after a Snakemake that did not end by itself: kill -9, a reboot, a lost node. Jobs of other folders are not
    touched. dry_run: only say what would be done. Raises JepaError while a Snakemake runs here, or when jobs stay.
    """
    folder = Path(folder).resolve()
    running = masters_in(folder)
    if running:
        raise JepaError(
            f"Snakemake is running in {folder} (process {', '.join(map(str, running))}); it cancels its jobs itself "
            "when it gets Ctrl-C."
        )
    jobs = jobs_in(folder)
    for job in jobs:
        print(f"{'would cancel' if dry_run else 'cancelling'} {job.id} ({job.state}) {job.name}", file=out, flush=True)
    if jobs and not dry_run:
        ask("scancel", *(job.id for job in jobs))
        _wait_until_gone(folder, patience)
    if not jobs:
        print(f"no job of {folder} is queued or running", file=out)
    # A lock of Snakemake is a pair of files; an empty folder is none.
    if not any(folder.glob(".snakemake/locks/*")):
        print("no lock to remove", file=out)
    elif dry_run:
        print("would remove Snakemake's lock", file=out)
    else:
        _unlock(folder)
        print("removed Snakemake's lock; the same command as before goes on where it was", file=out)


def _wait_until_gone(folder, patience):
    """A job that was told to end may still write for a while: a training saves its checkpoint."""
    end = time.monotonic() + patience
    while left := jobs_in(folder):
        if time.monotonic() > end:
            raise JepaError(
                f"job {', '.join(job.id for job in left)} is still there {patience} s after scancel; "
                "run this again later, and ask the administrators when it stays."
            )
        time.sleep(1)


def _unlock(folder):
    command = [sys.executable, "-m", "snakemake", "--unlock"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise JepaError(f"`snakemake --unlock` failed in {folder}: {done.stdout.strip().splitlines()[-1]}")
