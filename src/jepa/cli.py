"""The `jepa` command: what a machine or cluster can do, which cells exist, what they cost, one dataset. No torch."""

import argparse
import os
import sys
from pathlib import Path

from jepa.errors import JepaError, run


def load_config(scale=None):
    """The resolved configuration of the repository that the command is run in."""
    from jepa.config import resolve
    from jepa.config_file import read

    raw = read("config.yaml")
    if scale:
        raw["scale"] = scale
    return resolve(raw, "workflow/schemas/config.schema.yaml")


def doctor(arguments):
    """Say what this machine can do before anyone waits for it."""
    from jepa.doctor import report

    healthy = report(load_config(arguments.scale), sys.stdout)
    sys.exit(0 if healthy else 1)


def slurm_doctor(arguments):
    """Say whether `snakemake --profile slurm` can work here: reads the profile in this folder and asks Slurm."""
    from jepa.doctor import show
    from jepa.slurm.doctor import findings, scale_of_profile

    config = load_config(arguments.scale or scale_of_profile())
    sys.exit(0 if show(findings(config), sys.stdout) else 1)


def slurm_clean(arguments):
    """After a Snakemake that was killed: cancel the jobs that it left, wait until they are gone, remove its lock.

    Only jobs of yours that were submitted from this folder are cancelled. Finished cells are kept; give the same
    snakemake command again afterwards, and interrupted trainings go on from their checkpoints.
    """
    from jepa.slurm.jobs import clean

    load_config()  # so that it is the root of the repository
    clean(Path.cwd(), arguments.dry_run)


def costs(arguments):
    """What the jobs of past runs took, beside what config.yaml expects and what a cluster is asked for.

    Reads bench/{scale} and the provenance of results. An expectation is too low where it is below the mean of the
    seconds (a forecast adds them up) or below the largest memory (a limit has to cover it).
    """
    from jepa.costs import as_yaml, report

    config = load_config(arguments.scale)
    if arguments.yaml:
        print(as_yaml(config))
    else:
        report(config, sys.stdout)


def list_cells(arguments):
    """Print paths of cells, one a line: give them to snakemake."""
    from jepa import cells
    from jepa.reporting import contents

    config = load_config(arguments.scale)
    paper, _, name = (arguments.name or "").rpartition("/")
    paths = []
    for key in [paper] if paper else contents.PAPERS:
        if key not in contents.PAPERS:
            raise JepaError(f"{key!r} is no paper; there are {', '.join(contents.PAPERS)}.")
        of_paper = {*contents.tables(key), *contents.figures(key)}
        run = contents.runs(config, key)
        wanted = contents.needs(name, config, key) if name in of_paper else run
        for cell in wanted:
            if name in of_paper or name in ("", *cell):
                paths += cells.paths_of(key, config["scale"], cell, run[cell])
    if not paths:
        known = [*config["mop"]["arms"], *cells.CONTROLS, *config["qantara"]["recipes"]]
        raise JepaError(
            f"{arguments.name!r} has no cell: name a table or figure (table3, qantara/table3), an arm, a control or a "
            f"recipe; allowed are {', '.join(known)}."
        )
    for path in dict.fromkeys(paths):
        if arguments.kind in (None, path.split("/")[2]):
            print(path)


def fetch_one(arguments):
    """Get one dataset as the workflow would, and say where it came from."""
    from jepa.config import source_of
    from jepa.data.fetch import fetch, maze_of
    from jepa.files import write_json

    config = load_config(arguments.scale)
    maze_of(arguments.dataset)
    folder = Path(arguments.out or f"{config['data']['dir']}/{config['scale']}")
    mirror = arguments.mirror or config["data"]["mirror"]
    source = arguments.source or source_of(config, arguments.dataset)
    files = (folder / f"{arguments.dataset}{part}.npz" for part in ("", "-val"))
    facts = fetch(arguments.dataset, *files, source=source, mirror=mirror, seed=config["data"]["seed"])
    write_json(folder / f"{arguments.dataset}.provenance.json", facts)
    print(f"{arguments.dataset}: {facts['source']}, tag {facts['tag']}, in {folder}")


def export(arguments):
    """Write generated demonstrations, frames included, as HDF5 with LeWM's columns."""
    from jepa.data.episodes import Episodes, export_lewm

    export_lewm(Episodes.open(arguments.episodes), arguments.out, arguments.size)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 2**20:.0f} MiB")


def pixels(text):
    """A size of frames that can be drawn: the type of `--size`."""
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise JepaError(f"--size is {text!r}; it must be a whole number of pixels from 1 to 4096.")
    return int(text)


def environment(arguments):
    """Compare an environment with requirements.lock; write envs/*.yaml from it; pin their conda packages."""
    if arguments.action == "check":
        from jepa.lock import check

        sys.exit(0 if check(arguments.python, sys.stdout) else 1)
    if arguments.action == "write":
        from jepa.lock import write_environments

        write_environments(sys.stdout)
    else:
        from jepa.pins import write_pins

        write_pins(sys.stdout)


def parser():
    main = argparse.ArgumentParser(prog="jepa", description="Tools beside the workflow; the workflow is `snakemake`.")
    commands = main.add_subparsers(required=True, metavar="command")

    def add(name, function, help, among=commands, scale="that of config.yaml"):
        sub = among.add_parser(name, help=help, description=function.__doc__)
        if scale:
            sub.add_argument("--scale", help=f"smoke, laptop or paper (default: {scale})")
        sub.set_defaults(function=function)
        return sub

    add("doctor", doctor, "check python, torch, device, GL, disk, memory and data sources")
    sub = add("cells", list_cells, "list the cell paths of a table, a figure, an arm, a control or a recipe")
    sub.add_argument("name", nargs="?", help="e.g. mop/table3, figure5, mdn, displacement, drop-policy; nothing: all")
    sub.add_argument("--kind", choices=["audits", "evals", "domains"], help="only cells of this kind")
    sub = add("fetch", fetch_one, "get one dataset from a mirror, by download, or generate it")
    sub.add_argument("dataset", help="e.g. pointmaze-teleport-navigate")
    sub.add_argument("--source", choices=["auto", "mirror", "download", "generate"])
    sub.add_argument("--mirror", help="folder searched for the files (default: $JEPA_DATA_MIRROR)")
    sub.add_argument("--out", help="folder to write to (default: that of the workflow)")
    sub = add("export", export, "write demonstrations with frames as HDF5 with LeWM's columns")
    sub.add_argument("episodes", type=Path, help="e.g. data/laptop/two_room.h5")
    sub.add_argument("out", type=Path, help="HDF5 file to write")
    sub.add_argument("--size", type=pixels, default=224, help="pixels of a frame's side (default: 224)")
    sub = add("env", environment, "compare an environment with requirements.lock; write or pin envs/*.yaml")
    sub.add_argument("action", choices=["check", "write", "pin"])
    sub.add_argument("--python", help="interpreter whose packages are compared (default: the one that runs jepa)")
    sub = add("costs", costs, "what jobs took, beside what config.yaml expects and a cluster is asked for")
    sub.add_argument("--yaml", action="store_true", help="print the blocks of config.yaml as measured instead")
    slurm = commands.add_parser("slurm", help="check a cluster's settings, clean up after a killed run")
    of_slurm = slurm.add_subparsers(required=True, metavar="command")
    add("doctor", slurm_doctor, "find settings that make a run fail or hang", of_slurm, "that of the profile")
    sub = add("clean", slurm_clean, "cancel the jobs that a killed snakemake left, remove its lock", of_slurm, None)
    sub.add_argument("--dry-run", action="store_true", help="only say what would be done")
    return main


def command():
    arguments = parser().parse_args()
    arguments.function(arguments)


def main():
    try:
        run(command)
    except BrokenPipeError:  # jepa cells | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
