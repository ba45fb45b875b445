"""The list of official datasets: which files, from where, how they are verified, under which licence."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from jepa.errors import JepaError

REGISTRY = Path(__file__).with_name("registry.yaml")
TRUST = ("bytes", "published", "single", "tofu")
UNCHANGED = ("https://", "http://127.0.0.1:")  # addresses from which nobody on the way can change a file
_HUB = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+)@([\w.-]+)/(.+)")
_ENTRY_KEYS = {"urls", "files", "licence", "notes"}
_FILE_KEYS = {"trust", "sha256", "md5", "bytes", "mirror_only"}


@dataclass(frozen=True)
class RemoteFile:
    """One official file: its name, its sources in order, what is known about its bytes (None = unknown).

    A file that is only ever found in a mirror has no sources.
    """

    name: str
    urls: tuple[str, ...]
    trust: str
    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Entry:
    """One dataset of the registry."""

    name: str
    files: tuple[RemoteFile, ...]
    licence: str
    notes: str


def entry(name):
    """The Entry of dataset `name`. Raises JepaError, naming the datasets that exist, for any other name."""
    entries = load()
    if name not in entries:
        raise JepaError(f"There is no dataset called {name!r}; the registry has {', '.join(sorted(entries))}.")
    return entries[name]


@cache
def load(path=REGISTRY):
    """Read and check a registry file. Returns {name: Entry}; raises JepaError on the first mistake in it."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise JepaError(f"The registry {path} cannot be read ({error}); restore it from the repository.") from None
    if not isinstance(content, dict):
        raise JepaError(f"The registry {path} holds no datasets; restore it from the repository.")
    return {name: _entry(name, fields, f"{path}, {name}") for name, fields in content.items()}


def resolve(url):
    """The http(s) address of `url`; hf://datasets/OWNER/REPO@REVISION/PATH gives the Hub's download link."""
    hub = _HUB.fullmatch(url)
    if hub:
        repository, revision, path = hub.groups()
        return f"https://huggingface.co/datasets/{repository}/resolve/{revision}/{path}"
    if not url.startswith(("https://", "http://")):
        raise JepaError(f"{url!r} is no address of ours; write https://... or hf://datasets/OWNER/REPO@REVISION/PATH.")
    return url


def _entry(name, fields, where):
    _check_keys(fields, _ENTRY_KEYS, _ENTRY_KEYS - {"notes"}, where)
    urls, files = fields["urls"], fields["files"]
    if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
        raise JepaError(f"{where}: urls must be a list of addresses.")
    if not isinstance(files, dict) or not files:
        raise JepaError(f"{where}: files must map each file's name to its trust and checksums.")
    if len(files) > 1 and not all("{file}" in url for url in urls):
        raise JepaError(f"{where}: every url needs {{file}} in it, because the dataset has several files.")
    remote = tuple(_file(file, facts, urls, f"{where}, {file}") for file, facts in files.items())
    return Entry(name, remote, str(fields["licence"]), str(fields.get("notes", "")))


def _file(name, facts, urls, where):
    _check_keys(facts, _FILE_KEYS, {"trust"}, where)
    # The name becomes a local path: no folders and nothing hidden.
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise JepaError(f"{where}: a file's name may hold only letters, digits, '.', '-' and '_'.")
    trust, sha256, md5, size = (facts.get(key) for key in ("trust", "sha256", "md5", "bytes"))
    if trust not in TRUST:
        raise JepaError(f"{where}: trust is {trust!r}, but must be one of {', '.join(TRUST)}.")
    for key, value, digits in (("sha256", sha256, 64), ("md5", md5, 32)):
        if value is not None and not re.fullmatch(rf"[0-9a-f]{{{digits}}}", str(value)):
            raise JepaError(f"{where}: {key} must be {digits} lower-case hexadecimal digits.")
    if size is not None and (not isinstance(size, int) or size <= 0):
        raise JepaError(f"{where}: bytes must be a positive whole number.")
    if (trust == "tofu") != (sha256 is None and md5 is None):
        raise JepaError(f"{where}: trust tofu means that no checksum is known; every other trust needs one.")
    sources = [] if facts.get("mirror_only") else [resolve(url.replace("{file}", name)) for url in urls]
    if trust == "tofu" and not all(source.startswith(UNCHANGED) for source in sources):
        raise JepaError(
            f"{where}: an http:// address needs a checksum, because anybody on the way can change the file."
        )
    return RemoteFile(name, tuple(sources), trust, sha256, md5, size)


def _check_keys(fields, allowed, required, where):
    if not isinstance(fields, dict):
        raise JepaError(f"{where}: expected the fields {', '.join(sorted(allowed))}.")
    wrong = sorted(str(key) for key in set(fields) - allowed)
    missing = sorted(required - set(fields))
    if wrong or missing:
        problem = f"unknown field {wrong[0]!r}" if wrong else f"field {missing[0]!r} is missing"
        raise JepaError(f"{where}: {problem}; the fields are {', '.join(sorted(allowed))}.")
