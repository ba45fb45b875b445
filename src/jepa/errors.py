"""The one exception that users meet."""

import sys


class JepaError(Exception):
    """A mistake in the input. The message is one sentence: what was wrong, where, and what to do."""


def run(main):
    """Call `main()`; end with exit code 2 and the message alone when the user has made a mistake."""
    try:
        main()
    except JepaError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
