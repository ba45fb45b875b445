"""Official files in a local folder: for machines without internet."""

import os
import shutil
from pathlib import Path

from jepa.data.download import ChecksumError, digest, mismatch
from jepa.errors import JepaError

VARIABLE = "JEPA_DATA_MIRROR"


def mirror_folder(mirror=None):
    """The mirror as a Path: `mirror`, else the environment variable, else None. Raises JepaError if it is no
    folder.
    """
    folder = mirror or os.environ.get(VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise JepaError(f"The mirror {folder} is no folder; correct data.mirror or {VARIABLE}, or unset it.")
    return Path(folder)


def find(folder, names):
    """Where the files `names` lie in `folder`, at any depth: {name: [paths]}, shallow paths first.

    Links to folders are not followed. A link to a file counts if it stays inside the mirror: what lies
    outside may be no one's gift. Raises JepaError for a link that leads out.
    """
    found = {name: [] for name in names}
    root = folder.resolve()
    for where, _, files in os.walk(folder):
        for name in found.keys() & set(files):
            path = Path(where, name)
            if not path.resolve().is_relative_to(root):
                raise JepaError(f"{path} is a link that leads out of the mirror; put the file itself there.")
            if path.is_file():
                found[name].append(path)
    return {name: sorted(paths, key=lambda path: (len(path.parts), path)) for name, paths in found.items()}


def copy(file, candidates, target):
    """Copy the RemoteFile `file`, verified where a checksum is known, from the first of `candidates` that is
    right, to `target`.

    Returns the path that was copied. Raises ChecksumError if no candidate has the known checksum, and
    JepaError if nothing is known and the candidates differ, or if a file cannot be read.
    """
    try:
        wrong = {path: mismatch(path, sha256=file.sha256, md5=file.md5, bytes=file.bytes) for path in candidates}
        right = {path: digest(path) for path, problem in wrong.items() if problem is None}
        if not right:
            path, problem = next(iter(wrong.items()))
            raise ChecksumError(
                f"{path} in the mirror is a wrong file ({problem}); nothing uses it; replace or remove it."
            )
        if len(set(right.values())) > 1:
            paths = " and ".join(map(str, right))
            raise JepaError(f"The mirror has different files of one name and no checksum is known: {paths}; keep one.")
        path, sha256 = next(iter(right.items()))
        shutil.copyfile(path, target)
    except OSError as error:
        raise JepaError(f"The mirror cannot be copied ({error}); check permissions and free space.") from None
    if digest(target) != sha256:
        raise JepaError(f"{path} changed while it was copied; run again.")
    return path
