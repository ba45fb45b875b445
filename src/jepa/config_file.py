"""Read config.yaml strictly: plain values alone, every key once, numbers that are numbers."""

from pathlib import Path

import yaml

from jepa.errors import JepaError

LARGEST = 1e15  # a number beyond is a slip of the pen, and no longer a whole one as a float
MERGE = "tag:yaml.org,2002:merge"  # of the key <<
MOST = 100_000  # values of a configuration; aliases of aliases can write down more than a machine holds


class _SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # in C, where it was built: ten times as fast
    """YAML's plain types. A key that stands twice would silently take back what was written first."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if key.value in seen:
                problem = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path):
    """The nested dict in a configuration file. Raises JepaError, in one sentence, when it cannot be read as one."""
    path = Path(path)
    try:
        raw = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JepaError(f"there is no {path} here; work in the root of the repository.") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise JepaError(f"{path} cannot be read: {_reason(error)}; correct it there.") from None
    if not isinstance(raw, dict):
        raise JepaError(f"{path} holds no keys at its top level; restore it from git.")
    check_values(raw)
    return raw


def _parsed(text):
    loader = _SafeLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def check_values(raw):
    """Raise JepaError, naming its key, for a number that is not finite or too large, and for a bomb of aliases."""
    if _count(raw, {}) > MOST:
        raise JepaError(f"the configuration writes down more than {MOST} values; take out its nested aliases.")
    pending = [("", raw)]
    while pending:
        key, value = pending.pop()
        if isinstance(value, dict):
            for name in value:
                if not isinstance(name, str):
                    raise JepaError(
                        f"config key `{key or 'the top level'}` has the entry {name!r}, which YAML reads as no "
                        "word; put it in quotes."
                    )
            pending += [(f"{key}.{name}".lstrip("."), entry) for name, entry in value.items()]
        elif isinstance(value, list):
            pending += [(key, entry) for entry in value]
        elif isinstance(value, int | float) and not abs(value) <= LARGEST:  # NaN compares with nothing
            raise JepaError(
                f"config key `{key}` is {str(value)[:40]}; it must be a finite number, {LARGEST:.0e} at most."
            )


def _count(value, known):
    """How many values a nested one writes down. known: {id: count} of those that aliases repeat."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST + 1  # as long as it is counted: one that holds itself is endless
        entries = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(entry, known) for entry in entries)
    return known[id(value)]


def _reason(error):
    """What is wrong and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or " ".join(str(error).split()) or type(error).__name__
    return f"{problem}{where}"
