"""The HTTP server in the supervisor: listens, admits, hands inferences to the worker. No numpy here."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Literal

from edge_agent.config import Http
from edge_agent.inference import InferReply, InferRequest
from edge_agent.web import address, metrics, routes
from edge_agent.web.application import Admission, Handler, told
from edge_agent.web.auth import Guard
from edge_agent.web.backend import Backend
from edge_agent.web.connection import Connection
from edge_agent.web.live import Live
from edge_agent.web.messages import Head, Response, error, json
from edge_agent.web.page_status import page_status
from edge_agent.web.routes import Route
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.manifest import Manifest

MAX_CONNECTIONS = 64
_SWEEP_S = 0.5
_RETRY = b"Retry-After: 1\r\n"


def build(settings: Http, token: bytes | None, backend: Backend) -> Server:
    """The server that `settings` describe, not listening yet."""
    return Server(backend, token, int(settings.max_body_mb * 1e6), settings.max_waiting)


class Server:
    """One listening server; the `application.Application` of its connections.

    Args:
        max_waiting: inferences that may wait for the worker at once.
    """

    def __init__(self, backend: Backend, token: bytes | None, max_body_bytes: int, max_waiting: int) -> None:
        self.held_bytes = 0
        self.max_held_bytes = 2 * max_body_bytes
        self.now_s = 0.0
        self._backend = backend
        self._guard = Guard(token)
        self._max_body_bytes = max_body_bytes
        self._max_waiting = max_waiting
        self._waiting = 0
        self._connections: set[Connection] = set()
        self._responses: Counter[int] = Counter()
        self._live = Live(backend, lambda: page_status(backend))
        self._manifest: Manifest | None = None
        self._table: routes.Table = {}
        self._own = {
            **routes.page(),
            b"/metrics": Route(b"GET", told(self._metrics)),
            b"/api/status": Route(b"GET", told(lambda: json(page_status(backend)))),
            b"/api/live": Route(b"GET", self._watch),
        }
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, listen: str) -> int:
        """Listen on that address; returns the port.

        Raises:
            UnavailableError: it is taken, or not this machine's.
        """
        loop = asyncio.get_running_loop()
        host, port, _ = address.parse(listen, "http.listen")
        try:
            self._server = await loop.create_server(lambda: Connection(self), host, port)
        except OSError as problem:
            found = (problem.strerror or str(problem)).lower()
            step = 'choose another in [http] listen, or turn HTTP off: listen = ""'
            raise UnavailableError(Problem(f"HTTP on {listen}", "a free port of this machine", found, step)) from None
        self._sweep()
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """End at once: listening, and every connection."""
        if self._sweeper:
            self._sweeper.cancel()
        if self._server:
            self._server.close()
        self._live.close()
        for connection in list(self._connections):
            connection.close()

    # What connections call.

    def entered(self, connection: Connection) -> Response | None:
        """See application.Application."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return error(503, f"{MAX_CONNECTIONS} connections are open already", _RETRY)
        self._connections.add(connection)
        return None

    def left(self, connection: Connection) -> None:
        """See application.Application."""
        self._connections.discard(connection)

    def answered(self, status: int) -> None:
        """See application.Application."""
        self._responses[status] += 1

    def admit(self, head: Head) -> Admission | Response:
        """See application.Application."""
        manifest = self._backend.manifest()
        if manifest is not self._manifest:
            self._manifest = manifest
            self._table = {**routes.protocol(manifest, self._ready, self._infer), **self._own}
        route = self._table.get(head.path)
        if refusal := self._guard.refusal(head, public=route is not None and route.public):
            return refusal
        if route is None:
            return routes.unknown(head.path, manifest)
        if head.method != route.method and not (route.method == b"GET" and head.method == b"HEAD"):
            allowed = b"GET, HEAD" if route.method == b"GET" else route.method
            return error(405, f"here is only {allowed.decode()}", b"Allow: %b\r\n" % allowed)
        if route.method == b"GET":
            return Admission(route.handler, 0)
        if b"content-encoding" in head.headers:
            return error(415, "a body that is not compressed is wanted")
        return Admission(route.handler, self._max_body_bytes)

    # What is asked.

    def _ready(self) -> bool:
        return self._backend.status().state == "running"

    def _metrics(self) -> Response:
        counts = metrics.HttpCounts(self._responses, self._waiting, len(self._connections))
        return Response(200, metrics.text(self._backend, counts), metrics.CONTENT_TYPE)

    def _watch(self, head: Head, _body: bytes, connection: Connection) -> None:
        if head.method == b"HEAD":
            connection.respond(Response(200, b"", b"text/event-stream"))
        else:
            self._live.watch(connection)

    def _infer(self, model: str, kind: Literal["oip", "file"]) -> Handler:
        """The handler for one model."""
        backend = self._backend

        def handle(head: Head, body: bytes, connection: Connection) -> None:
            declared = head.headers.get(b"inference-header-content-length")
            header_bytes = None if declared is None else _length(declared)
            if header_bytes is not None and not 0 < header_bytes <= len(body):
                reason = "Inference-Header-Content-Length is not the length of JSON within the body"
                connection.respond(error(400, reason))
            elif self._waiting >= self._max_waiting:
                connection.respond(error(429, f"{self._waiting} requests are waiting already", _RETRY))
            else:
                self._waiting += 1
                backend.infer(InferRequest(model, kind, body, header_bytes), partial(self._answer, connection))

        return handle

    def _answer(self, connection: Connection, reply: InferReply) -> None:
        self._waiting -= 1
        headers = b"" if reply.header_bytes is None else b"Inference-Header-Content-Length: %d\r\n" % reply.header_bytes
        connection.respond(Response(reply.status, reply.body, reply.content_type.encode(), headers))

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.now_s = loop.time()
        for connection in list(self._connections):
            connection.expire_if_late()
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep)


def _length(text: bytes) -> int:
    """A length in a header; 0, which no length is, for what is none."""
    return int(text) if text.isdigit() and len(text) < 12 else 0
