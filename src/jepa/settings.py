"""Settings of a cell: JSON on the command line of its script, as the rules write it."""

import json

from jepa.errors import JepaError
from jepa.files import refuse_constant


class Settings(dict):
    """A JSON object. To ask for a key that is not there is a mistake in the input, not in the code."""

    def __missing__(self, key):
        raise JepaError(
            f"--settings lacks the key {key!r}; beside where it belongs stands {', '.join(self) or 'none'}."
        )


def from_json(text):
    """`text` as Settings, nested ones too: the type of `--settings`. Raises JepaError for anything but an object."""
    try:
        found = json.loads(text, object_hook=Settings, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise JepaError(
            f"--settings is not valid JSON ({error}); write an object such as '{{\"steps\": 100}}'."
        ) from None
    if not isinstance(found, Settings):
        raise JepaError(f"--settings is {text[:60]}, not a JSON object; write one such as '{{\"steps\": 100}}'.")
    return found
