"""A web server that serves a repository, or plays tricks with chosen files of it."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tools.certificates import Identity

_RANGE = re.compile(r"bytes=(\d+)-\Z")


class Handler(BaseHTTPRequestHandler):
    """One request; `server.tricks` may take it over."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("/r/")[2]
        self.server.asked.append((path, dict(self.headers)))
        file = self.server.folder / path
        content = file.read_bytes() if file.is_file() else None
        for ending, trick in self.server.tricks.items():
            if path.endswith(ending):
                self.close_connection = True
                trick(self, content or b"")
                return
        self.honest(content)

    def honest(self, content: bytes | None, *, ranges: bool = True) -> None:
        """As a good server answers."""
        if content is None:
            self.answer(404, b"", {})
            return
        wanted = _RANGE.match(self.headers.get("Range", ""))
        if not (wanted and ranges):
            self.answer(200, content, {})
            return
        begin = int(wanted[1])
        where = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
        self.answer(206, content[begin:], where)

    def answer(self, status: int, content: bytes, headers: dict[str, str], length: int | None = None) -> None:
        """A status, headers and a body; `length` for a server that lies about it."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)


Trick = Callable[[Handler, bytes], None]


class Server(ThreadingHTTPServer):
    """Use `serving`.

    Attributes:
        tricks: ending of a path → what is done instead of answering.
        asked: (path, headers) of every request.
        ended: set when the test is over, for tricks that would go on for ever.
    """

    daemon_threads = True

    def __init__(self, folder: Path, scheme: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.tricks: dict[str, Trick] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.ended = threading.Event()
        self.url = f"{scheme}://127.0.0.1:{self.server_address[1]}/r"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what many tests are about."""

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for path, _ in self.asked]


@contextmanager
def serving(folder: Path, identity: Identity | None = None) -> Iterator[Server]:
    """A running server of `folder`; with TLS if it has an identity."""
    with Server(folder, "https" if identity else "http") as server:
        if identity:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(identity.certificate, identity.key)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def page(handler: Handler, content: bytes) -> None:
    """A captive portal."""
    handler.answer(200, b"\n<!DOCTYPE html><title>Welcome</title>", {"Content-Type": "text/html; charset=utf-8"})


def page_without_type(handler: Handler, content: bytes) -> None:
    """One that says nothing of what it sends."""
    handler.answer(200, b"<html>", {})


def sign_in(handler: Handler, content: bytes) -> None:
    """One that knows RFC 6585."""
    handler.answer(511, b"<html>", {})


def to_a_portal(handler: Handler, content: bytes) -> None:
    """One that sends everybody to its own page."""
    handler.answer(302, b"", {"Location": "/r/portal"})


def dropped(handler: Handler, content: bytes) -> None:
    """The connection is closed without a word."""
    handler.connection.close()


def dies_halfway(handler: Handler, content: bytes) -> None:
    """Half of what was announced."""
    handler.answer(200, content[: len(content) // 2], {}, len(content))


def endless(handler: Handler, content: bytes) -> None:
    """More and more, of no announced length."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.ended.is_set():
        handler.wfile.write(b"\0" * 65536)


def trickles(handler: Handler, content: bytes) -> None:
    """A byte now and then, so that no timeout of a socket ever fires."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    for byte in content:
        handler.wfile.write(bytes([byte]))
        if handler.server.ended.wait(0.05):
            return


def trickles_its_head(handler: Handler, content: bytes) -> None:
    """The same before the body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.ended.wait(0.05):
        handler.wfile.write(b"X-More: yes\r\n"[:1])


def dies_in_its_head(handler: Handler, content: bytes) -> None:
    """Half of a head, which http.client takes for a whole one."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Ty")


def silent(handler: Handler, content: bytes) -> None:
    """Nothing at all."""
    handler.server.ended.wait()


def too_many_headers(handler: Handler, content: bytes) -> None:
    """A head without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-More: yes\r\n" * 10_000 + b"\r\n")


def nonsense(handler: Handler, content: bytes) -> None:
    """Not HTTP."""
    handler.wfile.write(b"\0\xff\r\n\r\n")


def fails(handler: Handler, content: bytes) -> None:
    """An error of its own."""
    handler.answer(500, b"", {})
