"""Files that are either complete or absent."""

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from jepa.errors import JepaError


@contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; flush it to disk and rename it to `path` when the block succeeds.

    The temporary file has the suffix of `path` (numpy and pandas choose formats by it); a failed block leaves nothing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_hash(path):
    """sha256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path, value):
    """Write `value` as indented JSON with sorted keys; NaN is refused, because it is not JSON."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text)


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
