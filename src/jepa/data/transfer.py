"""One file from one http(s) address, resumed where a former attempt stopped.

While a transfer is incomplete, `<name>.part` holds its beginning and `<name>.part.json` says what it is the
beginning of.
"""

import os
import queue
import socket
import threading
import time
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from jepa.errors import JepaError
from jepa.files import read_json, write_json

# A compressed transfer has no length that could be compared with what arrives.
HEADERS = {"User-Agent": "jepa", "Accept-Encoding": "identity"}
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
CHUNK = 1 << 18
MINIMUM_RATE = 1024  # bytes per second, averaged over the read timeout; a slower server counts as stalled
WEB_PAGE = "it sent a web page instead of the file"


class Unusable(Exception):
    """This source will not give the file; the next one may."""


class Interrupted(Exception):
    """This source may give the rest when asked again."""


def retrieve(url, part, *, retries, timeout, backoff, progress):
    """Complete the file `part` from `url`.

    retries: further attempts after a transient failure, the first after `backoff` seconds, then after twice
    as long each time. timeout: seconds (to connect, without any data). Raises Unusable, or JepaError when the
    disk refuses.
    """
    connect, patience = timeout
    try:
        # The name resolver obeys no timeout, and requests tries each address of a host in turn: one limit for
        # all of it.
        within(connect, lambda: _connect(url, connect))
    except (OSError, ValueError) as error:
        raise Unusable(_reason(error, connect)) from None
    for attempt in range(retries + 1):
        try:
            return _attempt(url, part, timeout, progress)
        except Interrupted as interruption:
            reason = str(interruption)
        except requests.RequestException as error:
            reason = _reason(error, patience)
            # A broken connection may recover; its subclasses (certificate, proxy) and a silent server will
            # not.
            if type(error) is not requests.ConnectionError:
                raise Unusable(reason) from None
        except OSError as error:
            raise JepaError(f"{part} cannot be written ({error}); free space or choose another folder.") from None
        if attempt < retries:
            time.sleep(backoff * 2**attempt)
    raise Unusable(f"{reason}, {retries + 1} times")


def answer(url, seconds=3.0):
    """What the server says about `url`, in a few words and within `seconds`. Never raises."""
    try:
        response = within(seconds, lambda: _head(url, seconds))
    except Exception as error:  # a diagnosis reports every failure, foreseen or not
        return f"no answer: {_reason(error, seconds)}"
    if not response.ok:
        return f"answers, but without the file (HTTP {response.status_code})"
    if _is_page(response):
        return "answers with a web page instead of the file"
    size = response.headers.get("Content-Length", "")
    return f"has the file ({int(size) / 1e6:.1f} MB)" if size.isdigit() else "has the file"


def within(seconds, function):
    """function(), or TimeoutError after `seconds`, whatever it is waiting for (its thread is abandoned)."""
    outcome = queue.SimpleQueue()

    def work():
        try:
            outcome.put((function(), None))
        except Exception as error:  # handed to the caller
            outcome.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        value, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return value


def discard(part):
    """Remove `part` and what is known about it."""
    part.unlink(missing_ok=True)
    record_of(part).unlink(missing_ok=True)


def record_of(part):
    """The path of the JSON file that says what `part` is the beginning of."""
    return part.with_name(part.name + ".json")


def _attempt(url, part, timeout, progress):
    """One request: append to `part` what is missing, or start it anew when the server has another file or
    cannot resume.
    """
    known = _resumable(url, part)
    offset = part.stat().st_size if known else 0
    if known and offset == known["length"]:
        return
    headers = dict(HEADERS)
    if known:
        headers |= {"Range": f"bytes={offset}-", "If-Range": known["etag"] or known["last_modified"]}
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if response.status_code in TRANSIENT:
            raise Interrupted(f"HTTP {response.status_code}")
        if response.status_code == 416:
            discard(part)
            raise Interrupted("it refused to resume")
        if not response.ok:
            raise Unusable(f"HTTP {response.status_code}")
        # Every stop counts: what came back to https on the way may have been changed before.
        stops = [stop.url for stop in (*response.history, response)]
        if url.startswith("https:") and not all(stop.startswith("https:") for stop in stops):
            raise Unusable("it redirects to an unencrypted address")
        if _is_page(response):
            raise Unusable(WEB_PAGE)
        resumed = response.status_code == 206
        offset = offset if resumed else 0
        now = _record(url, response, offset)
        if resumed and not _same_file(known, now):
            discard(part)
            raise Interrupted("the file changed there during the download")
        part.parent.mkdir(parents=True, exist_ok=True)
        if not resumed:
            part.write_bytes(b"")  # what lies there must never meet the record of another file
            write_json(record_of(part), now)
        _receive(response, part, now["length"], timeout[1], progress)
    if _is_markup(part):
        discard(part)
        raise Unusable(WEB_PAGE)


def _receive(response, part, length, patience, progress):
    """Append the body of `response` to `part`. Raises Interrupted when it ends early or crawls."""
    size = part.stat().st_size
    hidden = None if progress else True  # None: hidden unless stderr is a terminal
    bar = tqdm(total=length, initial=size, desc=part.stem, unit="B", unit_scale=True, disable=hidden)
    with open(part, "ab") as file, bar:
        since, received = time.monotonic(), 0
        while True:
            try:
                # read1 returns what has arrived; read would wait for a full chunk, however slowly it drips
                # in.
                chunk = response.raw.read1(CHUNK, decode_content=False)
            except urllib3.exceptions.HTTPError as error:
                raise Interrupted(_reason(error, patience)) from None
            if not chunk:
                break
            file.write(chunk)
            bar.update(len(chunk))
            size += len(chunk)
            received += len(chunk)
            elapsed = time.monotonic() - since
            if elapsed > patience:
                if received < MINIMUM_RATE * elapsed:
                    raise Interrupted(f"it sent less than {MINIMUM_RATE} bytes per second")
                since, received = time.monotonic(), 0
        file.flush()
        os.fsync(file.fileno())
    if length is not None and size != length:
        raise Interrupted(f"it ended after {size} of {length} bytes")


def _record(url, response, offset):
    """What identifies the file that `response` is, from byte `offset` on."""
    headers = response.headers
    if response.status_code == 206:
        start, _, total = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        length = int(total) if start.startswith(f"{offset}-") and total.isdigit() else None
    else:
        length = headers.get("Content-Length", "")
        length = int(length) if length.isdigit() else None
    etag, modified = headers.get("ETag"), headers.get("Last-Modified")
    return {"url": url, "etag": etag, "last_modified": modified, "length": length}


def _same_file(known, now):
    """Whether a reply to a request to resume continues the file that `known` records."""
    if known is None or now["length"] != known["length"]:
        return False
    # A reply to If-Range need not repeat Last-Modified (RFC 9110, section 15.3.7), so only a different value
    # counts.
    return all(now[key] in (None, known[key]) for key in ("etag", "last_modified"))


def _resumable(url, part):
    """The record of `part` if it is a beginning of the file at `url` that the server can vouch for, else
    None.
    """
    try:
        known = read_json(record_of(part))
        size = part.stat().st_size
        if known["url"] != url or not 0 < size <= (known["length"] or 0):
            return None
        # A weak ETag promises equal meaning, not equal bytes, and may not be used to resume (RFC 9110, section
        # 13.1.5).
        if (known["etag"] or "").startswith("W/"):
            return None
        return known if known["etag"] or known["last_modified"] else None
    except (JepaError, OSError, KeyError, TypeError, AttributeError):  # none, or one that somebody else wrote
        return None


def _is_page(response):
    return response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml"))


def _is_markup(part):
    """Whether the file begins like a web page: a login or error page need not say that it is one."""
    with open(part, "rb") as file:
        return file.read(256).lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _connect(url, seconds):
    """Open and close a connection to the server of `url`, or to the proxy that stands before it."""
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    address = urlsplit(requests.utils.prepend_scheme_if_needed(proxy, "http") if proxy else url)
    port = address.port or {"http": 80, "https": 443}.get(address.scheme, 1080)
    socket.create_connection((address.hostname, port), seconds).close()


def _head(url, seconds):
    _connect(url, seconds)
    return requests.head(url, headers=HEADERS, timeout=seconds, allow_redirects=True)


def _reason(error, seconds):
    """A few words on why a request failed."""
    reasons = {
        "its name cannot be resolved": socket.gaierror,
        "its certificate is not trusted": requests.exceptions.SSLError,
        "the proxy refused": requests.exceptions.ProxyError,
        f"nothing came within {seconds:g} s": (
            TimeoutError,
            requests.Timeout,
            urllib3.exceptions.TimeoutError,
        ),
        "the connection broke": (requests.ConnectionError, urllib3.exceptions.ProtocolError),
    }
    for words, kinds in reasons.items():
        if isinstance(error, kinds):
            return words
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
