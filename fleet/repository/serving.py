"""`godwit repo serve`: the published folder over HTTP on this machine, for development only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from firmware_profiles.errors import Problem, UnavailableError
from fleet.repository.places import Places


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own name
        """Say nothing of each request."""


def serve(places: Places, port: int, begun: Callable[[str], None]) -> None:
    """Serve until Ctrl-C.

    Args:
        port: 0 for any free one.
        begun: called with the URL, once it answers.

    Raises:
        UnavailableError: the port is taken.
    """
    handler = partial(_Quiet, directory=str(places.public))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise UnavailableError(Problem(f"port {port}", "a free port", found, "name another with --port")) from None
    with server:
        begun(f"http://127.0.0.1:{server.server_address[1]}")
        server.serve_forever()
