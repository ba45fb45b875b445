"""The `jepa` command: what the machine can do, which cells exist, one dataset. `jepa --help` imports no torch."""

import argparse
import os
import sys
from pathlib import Path

from jepa.errors import JepaError, run


def load_config(scale=None):
    """The resolved configuration of the repository that the command is run in."""
    import yaml

    from jepa.config import resolve

    path = Path("config.yaml")
    if not path.exists():
        raise JepaError("there is no config.yaml here; run jepa in the root of the repository.")
    raw = yaml.safe_load(path.read_text())
    if scale:
        raw["scale"] = scale
    return resolve(raw, "workflow/schemas/config.schema.yaml")


def doctor(arguments):
    """Say what this machine can do before anyone waits for it."""
    from jepa.doctor import report

    healthy = report(load_config(arguments.scale), sys.stdout)
    sys.exit(0 if healthy else 1)


def list_cells(arguments):
    """Print paths of cells, one a line: give them to snakemake."""
    from jepa import cells
    from jepa.reporting import contents

    config = load_config(arguments.scale)
    seeds = range(config["mop"]["seeds"])
    if arguments.name in (None, *contents.TABLES, *contents.FIGURES):
        names = [arguments.name] if arguments.name else [*contents.TABLES, *contents.FIGURES]
        needed = dict.fromkeys(cell for name in names for cell in contents.needs(name, config))
        found = [(kind, method, maze, seed) for kind, method, maze in needed for seed in seeds]
    else:
        found = [
            (kind, *cell)
            for kind in cells.PATTERNS
            for cell in cells.grid_cells(config, kind)
            if cell[0] == arguments.name
        ]
        if not found:
            known = [*contents.TABLES, *contents.FIGURES, *config["mop"]["arms"], *cells.CONTROLS]
            raise JepaError(f"{arguments.name!r} is no table, figure, arm or control; allowed are {', '.join(known)}.")
    for kind, method, maze, seed in found:
        if arguments.kind in (None, kind):
            print(cells.path_of(kind, config["scale"], method, maze, seed))


def fetch_one(arguments):
    """Get one dataset as the workflow would, and say where it came from."""
    from jepa.data.fetch import fetch
    from jepa.files import write_json

    config = load_config(arguments.scale)
    folder = Path(arguments.out or f"{config['data']['dir']}/{config['scale']}")
    mirror = arguments.mirror or config["data"]["mirror"]
    source = arguments.source or config["data"]["source"]
    files = (folder / f"{arguments.dataset}{part}.npz" for part in ("", "-val"))
    facts = fetch(arguments.dataset, *files, source=source, mirror=mirror, seed=config["data"]["seed"])
    write_json(folder / f"{arguments.dataset}.provenance.json", facts)
    print(f"{arguments.dataset}: {facts['source']}, tag {facts['tag']}, in {folder}")


def parser():
    main = argparse.ArgumentParser(prog="jepa", description="Tools beside the workflow; the workflow is `snakemake`.")
    commands = main.add_subparsers(required=True, metavar="command")

    def command(name, function, help):
        sub = commands.add_parser(name, help=help, description=function.__doc__)
        sub.add_argument("--scale", help="smoke, laptop or paper (default: that of config.yaml)")
        sub.set_defaults(function=function)
        return sub

    command("doctor", doctor, "check python, torch, device, GL, disk, memory and data sources")
    sub = command("cells", list_cells, "list the cell paths of a table, a figure, an arm or a control")
    sub.add_argument("name", nargs="?", help="e.g. table3, figure5, mdn, displacement; nothing: all")
    sub.add_argument("--kind", choices=["models", "audits", "evals"], help="only cells of this kind")
    sub = command("fetch", fetch_one, "get one dataset from a mirror, by download, or generate it")
    sub.add_argument("dataset", help="e.g. pointmaze-teleport-navigate")
    sub.add_argument("--source", choices=["auto", "mirror", "download", "generate"])
    sub.add_argument("--mirror", help="folder searched for the files (default: $JEPA_DATA_MIRROR)")
    sub.add_argument("--out", help="folder to write to (default: that of the workflow)")
    return main


def main():
    arguments = parser().parse_args()
    try:
        run(lambda: arguments.function(arguments))
    except BrokenPipeError:  # jepa cells | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
