"""Downloads that end as the file that was asked for or as an error: several sources, checksums, trust on
first use.

A file with the wrong checksum or content is kept aside as `<name>.rejected` and never used.
"""

import fcntl
import hashlib
import os
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from jepa.data.transfer import Unusable, discard, record_of, retrieve
from jepa.errors import JepaError
from jepa.files import read_json, write_json


class NetworkError(JepaError):
    """No source can be reached, or none has the file: something else may stand in for it."""


class ChecksumError(JepaError):
    """A file is there and is not the expected one: nothing may stand in for it silently."""


class _Damaged(Unusable):
    """This source gave something that is not the file."""


def download(
    urls,
    path,
    *,
    sha256=None,
    md5=None,
    bytes=None,
    pins=None,
    check=None,
    retries=3,
    timeout=(5.0, 20.0),
    backoff=1.0,
    progress=True,
):
    """Download the first of `urls` that works to `path`, which appears only when complete and verified.

    sha256, md5, bytes: what is known about the file (None = unknown). pins: a JSON file for trust on first
    use: where no checksum is known, the sha256 that a server sends first is the one that it must send ever
    after. check: a function of a path that raises JepaError when the content is not what it should be.
    retries: further attempts a url after a transient failure, the first after `backoff` seconds, then after
    twice as long each time. timeout: seconds (to connect, without any data).

    Returns {"url", "sha256"}. Raises ChecksumError (a wrong file arrived), NetworkError (no url works) or
    JepaError (no url gives valid content, or the disk refuses).
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    first_use = pins is not None and not (sha256 or md5)
    failures = {}
    for url in urls:
        try:
            retrieve(url, part, retries=retries, timeout=timeout, backoff=backoff, progress=progress)
            pinned = _read_pins(pins).get(path.name, {}).get(origin(url)) if first_use else None
            found = _verify(part, url, sha256 or pinned, md5, bytes, pins if pinned else None)
            _check_content(part, check)
        except Unusable as failure:
            failures[url] = failure
            continue
        if first_use and not pinned:
            _pin(pins, path.name, origin(url), found)
        os.replace(part, path)
        discard(part)
        return {"url": url, "sha256": found}
    reasons = "; ".join(f"{origin(url)}: {failure}" for url, failure in failures.items())
    damaged = any(isinstance(failure, _Damaged) for failure in failures.values())
    raise (JepaError if damaged else NetworkError)(f"{path.name} could not be downloaded ({reasons}).")


def origin(url):
    """scheme://host[:port] of a url: whom a pin trusts."""
    address = urlsplit(url)
    return f"{address.scheme}://{address.netloc}"


def digest(path, algorithm="sha256"):
    """The checksum of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def mismatch(path, *, sha256=None, md5=None, bytes=None):
    """What is wrong with the file, in words; None if all that is known (not None) about it holds."""
    if bytes is not None and (size := path.stat().st_size) != bytes:
        return f"it has {size} bytes, not {bytes}"
    for algorithm, expected in (("sha256", sha256), ("md5", md5)):
        if expected and (found := digest(path, algorithm)) != expected:
            return f"its {algorithm} is {found}, not {expected}"
    return None


@contextmanager
def locked(folder, wait=True):
    """Hold an exclusive lock on `folder`. Raises BlockingIOError if another process holds it and `wait` is
    false.

    On a file system without locks nothing is locked.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


def _verify(part, url, sha256, md5, size, pins):
    """The sha256 of `part`. Raises ChecksumError, with `part` kept aside, if what is known about it does not
    hold.

    pins: the file that `sha256` comes from if it was pinned, else None.
    """
    wrong = mismatch(part, sha256=sha256, md5=md5, bytes=size)
    if wrong is None:
        return digest(part)
    advice = "Nothing uses it; try again later or use another source."
    if pins:
        advice = (
            f"It differs from the first download, pinned in {pins}; "
            "delete its entry there if the change is known to be right."
        )
    raise ChecksumError(f"{url} sent a wrong file ({wrong}), kept aside as {_reject(part)}. {advice}")


def _check_content(part, check):
    if check is None:
        return
    try:
        check(part)
    except JepaError as error:
        raise _Damaged(f"{str(error).rstrip('.')}; kept aside as {_reject(part)}") from None


def _reject(part):
    """Move `part` to `<name>.rejected` and return that path."""
    rejected = part.with_suffix(".rejected")
    os.replace(part, rejected)
    record_of(part).unlink(missing_ok=True)
    return rejected


def _read_pins(pins):
    """{file name: {origin: sha256}}"""
    known = read_json(pins) if Path(pins).exists() else {}
    if not isinstance(known, dict) or not all(isinstance(by_origin, dict) for by_origin in known.values()):
        raise JepaError(f"{pins} does not hold checksums by file and server; restore or delete it.")
    return known


def _pin(pins, name, source, sha256):
    """Trust `sha256` as the content of `name` from `source` from now on; other processes may pin other files
    meanwhile.
    """
    with locked(Path(pins).parent):
        known = _read_pins(pins)
        known.setdefault(name, {})[source] = sha256
        write_json(pins, known)
