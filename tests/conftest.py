"""Shared by the tests: the repository's root and a way to run Snakemake on a copy of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PARTS = ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "paper", "envs")


class Workflow:
    """A copy of the workflow in a folder of its own, run as a user runs it."""

    def __init__(self, folder):
        self.folder = folder
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)

    def run(self, *arguments, timeout=900, variables=None):
        """snakemake with these arguments on two cores. Returns the finished process, its output as text.

        variables: of the environment, beside the present ones.
        """
        process = self.start(*arguments, variables=variables, stdout=subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def start(self, *arguments, cores=2, variables=None, **options):
        """Begin what `run` runs, with options of Popen. Returns the process."""
        command = [Path(sys.executable).parent / "snakemake", "--cores", str(cores), *arguments]
        environment = {k: v for k, v in os.environ.items() if k != "JEPA_DATA_MIRROR"}
        environment |= {"COLUMNS": "200"} | (variables or {})
        options = {"stderr": subprocess.STDOUT, "text": True} | options
        return subprocess.Popen(command, cwd=self.folder, env=environment, **options)

    def edit(self, change):
        """Apply `change` to the configuration, a nested dict, and write it back."""
        path = self.folder / "config.yaml"
        config = yaml.safe_load(path.read_text())
        change(config)
        path.write_text(yaml.safe_dump(config, sort_keys=False))

    def planned(self, *arguments):
        """{rule name: jobs} of a dry run; rule names are printed with spaces by the logger."""
        done = self.run("-n", *arguments)
        assert done.returncode == 0, done.stdout
        jobs = {}
        for line in done.stdout.partition("Job stats")[2].splitlines():
            words = line.split()
            if words and words[0] == "total":
                break
            if len(words) >= 2 and words[-1].isdigit():
                jobs["_".join(words[:-1])] = int(words[-1])
        return jobs


@pytest.fixture
def workflow(tmp_path):
    return Workflow(tmp_path)
