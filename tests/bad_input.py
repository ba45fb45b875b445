"""How the tests of bad input run a program, and what they ask of its end."""

import contextlib
import io
import runpy
import sys
import time

from conftest import ROOT
from jepa import cli

SECONDS = 5  # of a core: as long as a user may wait for the sentence


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def files_of(folder):
    """Every file below a folder with its time of change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def call(program, arguments):
    """Run a script of workflow/scripts, or `jepa`, in this process. Returns (exit code, what it said on stderr)."""
    said, path = io.StringIO(), ROOT / f"workflow/scripts/{program}.py"
    argv, sys.argv = sys.argv, [program, *map(str, arguments)]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            cli.main() if program == "jepa" else runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        return end.code, said.getvalue()
    finally:
        sys.argv = argv
    return 0, said.getvalue()


def refused(program, arguments, words, folder):
    """Assert that a program ends in one sentence that has all `words`, with exit code 2, soon, and writes nothing.

    folder: where all files lie that it could write. Returns the sentence.
    """
    before, started = files_of(folder), time.process_time()
    code, said = call(program, arguments)
    seconds = time.process_time() - started
    assert code == 2, said
    assert said.startswith("error: ") and said.count("\n") == 1 and said.rstrip().endswith((".", "?")), said
    assert all(word in said for word in words), said
    assert seconds < SECONDS and files_of(folder) == before
    return said


def options(**values):
    """Arguments of a program: --name value for each."""
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


def outputs(folder, *names):
    """Options that name files in a folder for output."""
    return options(**{name: folder / "out" / f"{name}.json" for name in names})
