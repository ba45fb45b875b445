"""Files that are either complete or absent."""

import csv
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from jepa.errors import JepaError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; flush it to disk and rename it to `path` when the block succeeds.

    The temporary file has the suffix of `path` (numpy and pandas choose formats by it); a failed block leaves nothing.
    What a process that was killed in its block has left is removed by the next one that writes `path`. Raises JepaError
    where the folder cannot be written or has no room.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except Exception as error:
        number = _error_number(error)
        if number in NO_ROOM:
            raise JepaError(f"{path} cannot be written ({os.strerror(number)}); make room and run again.") from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path):
    """An empty file beside `path` that names its process."""
    owner = f".{path.stem}-{platform.node()}-{os.getpid()}-"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=owner, suffix=path.suffix)
    except OSError as error:
        raise JepaError(f"{path} cannot be written ({error.strerror}); choose another folder.") from None
    os.close(handle)
    return Path(name)


def _error_number(error):
    """The system's number of an error, None where it has none; safetensors tells it in words alone."""
    told = re.search(r"os error (\d+)", str(error))
    return getattr(error, "errno", None) or (int(told[1]) if told else None)


def _clear_leftovers(path):
    """Remove temporary files of `path` whose process on this machine is gone; other machines share the folder."""
    name = re.compile(rf"\.{re.escape(path.stem)}-{re.escape(platform.node())}-(\d+)-\w+{re.escape(path.suffix)}")
    for file in path.parent.iterdir():
        if match := name.fullmatch(file.name):
            import psutil  # here, because most processes find nothing to clear

            if not psutil.pid_exists(int(match[1])):
                file.unlink(missing_ok=True)


def check_writable(folder):
    """Raise JepaError where files cannot be made in `folder`, which need not exist yet."""
    existing = Path(folder).resolve()
    while not existing.exists():
        existing = existing.parent
    if not os.access(existing, os.W_OK):
        raise JepaError(f"{folder} cannot be written; change its permissions, or work in a copy elsewhere.")


def check_room(path, size):
    """Raise JepaError where the disk of the folder of `path` has no room for `size` bytes."""
    folder = Path(path).parent
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size:
        gib, left = size / 2**30, free / 2**30
        raise JepaError(f"{path} would take {gib:.2f} GiB, of which {left:.2f} GiB are free; make room and run again.")


def file_hash(path):
    """sha256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path, value):
    """Write `value` as indented JSON with sorted keys; NaN is refused, because it is not JSON."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def write_csv(path, rows):
    """Write dicts as CSV, a column for each key in the order of their first appearance; what a row lacks is empty."""
    names = dict.fromkeys(name for row in rows for name in row)
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path):
    """Rows of a CSV file as dicts of text. Raises JepaError when it is missing or has no row."""
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise JepaError(f"{path} cannot be read ({error}); run the rule that writes it.") from None
    if not rows:
        raise JepaError(f"{path} has no row; delete it and run the rule that writes it.")
    return rows


def read_json(path):
    """Read a JSON file. Raises JepaError when it is missing or damaged, and for NaN, as in `write_json`."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=refuse_constant)
    except FileNotFoundError:
        raise JepaError(f"{path} does not exist; run the rule that writes it.") from None
    except (ValueError, RecursionError) as error:
        raise JepaError(f"{path} is not valid JSON ({error}); delete it and run again.") from None


def refuse_constant(name):
    """Of a JSON parser: Python would read NaN and Infinity, which are not JSON."""
    raise ValueError(f"{name} is no JSON number")
