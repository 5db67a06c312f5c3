"""Live predictions for the page, by server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html

However many predictions a second there are, a page gets the latest of each model ten times a second, and
nothing is encoded before that; the supervisor hears nothing at all while nobody watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from edge_agent.channel import Predicted
from edge_agent.web.backend import Backend
from edge_agent.web.connection import Connection
from edge_agent.web.messages import Response, error
from firmware_profiles.results import Input, Result

_MAX_WATCHERS = 8
_FLUSH_S = 0.1
_STATUS_S = 1.0
_STREAM = Response(200, b"retry: 2000\n\n", b"text/event-stream", b"Cache-Control: no-store\r\n")

_encode = msgspec.json.encode


class LivePrediction(msgspec.Struct, frozen=True):
    """One prediction as the page gets it."""

    model: str
    input: Input
    latency_ms: float
    result: Result


class Live:
    """Everybody who watches."""

    def __init__(self, backend: Backend, status: Callable[[], object]) -> None:
        self._backend = backend
        self._status = status
        self._watchers: set[Connection] = set()
        self._latest: dict[str, LivePrediction] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def watch(self, connection: Connection) -> None:
        """Let a connection's current request be answered with events until its client is gone."""
        if len(self._watchers) >= _MAX_WATCHERS:
            refusal = error(429, f"{_MAX_WATCHERS} pages are watching already", b"Retry-After: 10\r\n")
            connection.respond(refusal)
            return
        self._watchers.add(connection)
        connection.stream(_STREAM, lambda: self._gone(connection))
        if self._unsubscribe is None:
            self._unsubscribe = self._backend.subscribe(self._heard)
            self._tell_status()
        else:
            connection.write(_event("status", self._status()))

    def close(self) -> None:
        """Hear and tell nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers = {}
        if self._unsubscribe:
            self._unsubscribe()
            self._unsubscribe = None

    def _gone(self, connection: Connection) -> None:
        self._watchers.discard(connection)
        if not self._watchers:
            self.close()

    def _heard(self, predicted: Predicted) -> None:
        for answer in predicted.answers:
            found = LivePrediction(answer.model, predicted.input, answer.latency_ms, answer.result)
            self._latest[answer.model] = found
        if "flush" not in self._timers:
            self._timers["flush"] = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush)

    def _flush(self) -> None:
        del self._timers["flush"]
        for prediction in self._latest.values():
            self._tell("prediction", prediction)
        self._latest = {}

    def _tell_status(self) -> None:
        self._tell("status", self._status())
        self._timers["status"] = asyncio.get_running_loop().call_later(_STATUS_S, self._tell_status)

    def _tell(self, name: str, value: object) -> None:
        event = _event(name, value)
        for watcher in self._watchers:
            watcher.write(event)


def _event(name: str, value: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(value))
