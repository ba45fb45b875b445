"""A stand-in for the `conda` command, as far as Snakemake calls it: py-rattler solves, downloads and links.

python conda_stand_in.py FOLDER ARGUMENT...; FOLDER is what conda calls its prefix, with bin/activate. The pip section
of an environment file is treated as conda treats it: written as a file beside the environment file and installed from
there by the new environment's pip. Solver, activation scripts and configuration of conda are not what is tested here.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import rattler
import yaml

ANSWERS = {
    "clean -y --tarballs": "",
    "--version": "conda 24.7.1",
    "config --get channel_priority --json": json.dumps({"get": {"channel_priority": "strict"}}),
}


def create(file, prefix, cache):
    """Make the environment `prefix` from an environment file or from an explicit list of packages."""
    if file.suffix == ".txt":
        specs = [line for line in file.read_text().splitlines() if "://" in line]
        channels, pip = [], []
    else:
        environment = yaml.safe_load(file.read_text())
        channels = [channel for channel in environment["channels"] if channel != "nodefaults"]
        specs = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
        pip = [line for entry in environment["dependencies"] if isinstance(entry, dict) for line in entry["pip"]]

    async def install():
        records = await rattler.solve(channels, specs, platforms=["linux-64", "noarch"])
        await rattler.install(records, target_prefix=prefix, cache_dir=cache, show_progress=False)

    asyncio.run(install())
    if pip:
        requirements = file.with_name(f"condaenv.{file.stem}.requirements.txt")
        requirements.write_text("\n".join(pip))
        command = [prefix / "bin/python", "-m", "pip", "install", "-U", "-r", requirements]
        subprocess.run(command, cwd=file.parent, check=True)


def main(folder, arguments):
    if arguments == ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(folder), "platform": "linux-64"}))
    elif " ".join(arguments) in ANSWERS:
        print(ANSWERS[" ".join(arguments)])
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("words", nargs="+", choices=["env", "create"])
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--prefix", type=Path, required=True)
        for flag in ("--quiet", "--no-default-packages", "--yes"):
            parser.add_argument(flag, action="store_true")
        options = parser.parse_args(arguments)
        create(options.file, options.prefix, folder / "pkgs")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)  # py-rattler's threads can crash an interpreter that ends
