"""The one exception that users meet."""

import atexit
import gc
import sys


class JepaError(Exception):
    """A mistake in the input. The message is one sentence: what was wrong, where, and what to do."""


def run(main):
    """Call `main()`; end with exit code 2 and one line when the user has made a mistake or the system refuses a file.

    Everything else is our mistake and keeps its traceback. The process ends without a last look for garbage, which
    takes torch's hundred thousand objects a third of a second.
    """
    atexit.register(gc.freeze)
    try:
        main()
    except JepaError as error:
        message = str(error)
    except BrokenPipeError:
        raise  # whoever read the output has enough of it: no mistake
    except OSError as error:
        if error.strerror is None:  # a library's own, which says nothing of a file
            raise
        path = error.filename2 or error.filename  # of a move, where to
        where = f" ({path})" if path else ""
        message = f"the system refuses a file{where}: {error.strerror}; check the path, its permissions and free space."
    else:
        return
    print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(2)
