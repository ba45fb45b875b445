"""A local web server that misbehaves on purpose."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `replies` in order, the last one for ever; `requests` lists (method, path, headers) of what was asked.

    Use as a context manager; `url` is the address of one file.
    """

    def __init__(self, *replies, name="data.npz"):
        self.replies, self.requests = list(replies), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append((self.command, self.path, dict(self.headers)))
                reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    reply(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.block_on_close = False
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/{name}"

    def __enter__(self):
        threading.Thread(target=self.httpd.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.httpd.shutdown()
        self.httpd.server_close()


def sends(
    body,
    *,
    etag='"1"',
    ranges=True,
    heed_if_range=True,
    shift=0,
    measured=True,
    cut=None,
    pause=None,
    kind="application/octet-stream",
):
    """A reply with `body`. ranges: resume when asked. heed_if_range: send everything if the ETag is another.

    shift: resume so many bytes too early. measured: tell the length of the body. cut: break the connection
    after so many bytes. pause: (bytes, seconds) to sleep after each so many bytes.
    """

    def reply(handler):
        start = 0
        asked = handler.headers.get("Range")
        same = handler.headers.get("If-Range") == etag or not heed_if_range
        if asked and ranges and same:
            start = int(asked.removeprefix("bytes=").rstrip("-")) - shift
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        rest = body[start:]
        handler.send_header("Content-Type", kind)
        if measured:
            handler.send_header("Content-Length", str(len(rest)))
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        if handler.command == "HEAD":
            return
        rest = rest[:cut]
        piece, seconds = pause or (len(rest) or 1, 0)
        for first in range(0, len(rest), piece):
            handler.wfile.write(rest[first : first + piece])
            handler.wfile.flush()
            time.sleep(seconds)

    return reply


def holds(files):
    """A server of several files. files: {name: reply}; every other name is not found."""
    return lambda handler: files.get(handler.path.rpartition("/")[2], refuses(404))(handler)


def refuses(status):
    """A reply with an error status."""
    return lambda handler: handler.send_error(status)


def hangs(seconds):
    """A reply that never comes, or not within `seconds`."""
    return lambda handler: time.sleep(seconds)


def closed_port():
    """The address of a file on a port at which nobody listens."""
    with Server(refuses(404)) as server:
        return server.url
