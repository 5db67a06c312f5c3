"""One HTTP/1.1 connection: framing by httptools (llhttp), everything bounded, answers in order.

A request is admitted by its head, before a byte of its body is kept. Whoever is refused is told so and then
drained for a moment: a socket that is closed with unread bytes in it takes the answer down with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

import httptools

from edge_agent.web.messages import Head, Response, error, head_of

IDLE_S = 75.0
HEAD_S = 10.0
BODY_S = 60.0
STALLED_S = 30.0
_LINGER_S = 2.0
_MAX_HEAD_BYTES = 32 << 10
_MAX_HEADERS = 64
_MAX_PIPELINED = 32
_ONCE = frozenset((b"host", b"origin", b"authorization", b"content-type", b"inference-header-content-length"))
_FOREVER = float("inf")

Handler = Callable[[Head, bytes, "Connection"], None]
"""Gets a request with its body, and calls `respond` or `stream` of the connection: once, now or later."""


class Admission(NamedTuple):
    """A request that may go on, with at most so many bytes of body."""

    handler: Handler
    max_body_bytes: int


class Application(Protocol):
    """What a connection belongs to.

    Attributes:
        now_s: a coarse clock, which `Connection.expire_if_late` is called by.
        held_bytes: of bodies, over all connections.
    """

    now_s: float
    held_bytes: int
    max_held_bytes: int

    def entered(self, connection: Connection) -> Response | None:
        """A connection was made; a response refuses it."""
        ...

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        ...

    def admit(self, head: Head) -> Admission | Response:
        """Judge a request by its head."""
        ...

    def answered(self, status: int) -> None:
        """A response was sent."""
        ...


class _Waiting(NamedTuple):
    """A whole request, or what it is refused with.

    Attributes:
        last: the connection is closed after its answer.
    """

    head: Head | None
    body: bytes
    handler: Handler | None
    refusal: Response | None
    last: bool


class Connection(asyncio.Protocol):
    """See the module."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)  # until connection_made
        self._waiting: deque[_Waiting] = deque()
        self._current: _Waiting | None = None
        self._advancing = False
        self._deaf = False  # what comes is not read any more: refused, or told to close
        self._lingering = False
        self._reading = True
        self._stalled = False
        self._held_bytes = 0
        self._on_close: Callable[[], None] | None = None
        self._deadline_s = _FOREVER
        self._in_head = False
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._head_bytes = 0
        self._head: Head | None = None
        self._admission: Admission | None = None
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._wants_continue = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._deadline_s = self._application.now_s + HEAD_S
        if refusal := self._application.entered(self):
            # Not drained: whoever opens connections without end must not fill us with their remains.
            self._deaf = True
            self._application.answered(refusal.status)
            self._transport.write(head_of(refusal, keep_alive=False, length=len(refusal.body)) + refusal.body)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._application.left(self)
        self._application.held_bytes -= self._held_bytes
        self._held_bytes = 0
        self._deaf = True
        self._waiting.clear()
        self._chunks = []
        if self._on_close:
            self._on_close()
            self._on_close = None

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._deaf:
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # its request is whole; we stay with HTTP/1.1, and cannot parse on
            self._deaf = True
            self._close_after_last()
        except httptools.HttpParserCallbackError:
            raise  # one of ours failed: that is no mistake of the client's
        except httptools.HttpParserError as problem:
            self._refuse(error(400, f"not HTTP/1.1: {problem}"))
        if self._in_head and self._head_bytes > _MAX_HEAD_BYTES:
            self._refuse(error(431, f"a head of more than {_MAX_HEAD_BYTES} bytes"))
        if self._reading and self._waiting and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """See asyncio.Protocol. A client may close its side and still wait for answers; not so amid a stream."""
        self._deaf = True
        if self._lingering or self._on_close or not (self._current or self._waiting):
            return False
        self._close_after_last()
        return True

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._stalled = True
        self._deadline_s = self._application.now_s + STALLED_S

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._stalled = False
        self._deadline_s = self._next_deadline_s()
        self._advance()

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._begin()
        self._in_head = True
        if self._current is None:
            self._deadline_s = self._application.now_s + HEAD_S

    def on_url(self, part: bytes) -> None:
        """A part of the request's target."""
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which says nothing to us."""
        if self._head is not None or self._deaf:
            return
        name = name.lower()
        self._header_count += 1
        if name in _ONCE and name in self._headers:
            self._refuse(error(400, f"{name.decode('latin-1')} twice"))
        elif self._header_count > _MAX_HEADERS:
            self._refuse(error(431, f"more than {_MAX_HEADERS} headers"))
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Now it is judged."""
        self._in_head = False
        if self._deaf:
            return
        if self._parser.get_http_version() not in ("1.1", "1.0"):
            self._refuse(error(505, "HTTP/1.1 is spoken here"))
            return
        path = self._url.partition(b"?")[0]
        self._head = Head(self._parser.get_method(), path, self._headers)
        judged = self._application.admit(self._head)
        if isinstance(judged, Response):
            self._refuse(judged)
            return
        self._admission = judged
        declared = self._headers.get(b"content-length", b"0")
        if int(declared) > judged.max_body_bytes:  # llhttp has checked that it is a number
            self._refuse(_too_large(judged.max_body_bytes))
            return
        if self._current is None:
            self._deadline_s = self._application.now_s + BODY_S
        self._wants_continue = self._headers.get(b"expect", b"").lower() == b"100-continue"
        self._invite()

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        if self._deaf or self._admission is None:
            return
        self._wants_continue = False
        self._body_bytes += len(part)
        self._held_bytes += len(part)
        self._application.held_bytes += len(part)
        if self._body_bytes > self._admission.max_body_bytes:
            self._refuse(_too_large(self._admission.max_body_bytes))
        elif self._application.held_bytes > self._application.max_held_bytes:
            self._refuse(error(429, "busy with other large requests", b"Retry-After: 1\r\n"))
        else:
            self._chunks.append(part)

    def on_message_complete(self) -> None:
        """It is whole."""
        if self._deaf or self._admission is None:
            return
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        last = not self._parser.should_keep_alive()
        waiting = _Waiting(self._head, body, self._admission.handler, None, last)
        self._admission = None
        if len(self._waiting) == _MAX_PIPELINED:
            self._refuse(error(429, f"more than {_MAX_PIPELINED} requests in a pipeline", b"Retry-After: 1\r\n"))
            return
        self._waiting.append(waiting)
        self._deaf = last
        self._advance()

    # What handlers call.

    def respond(self, response: Response) -> None:
        """Answer the current request; without effect once the client is gone."""
        current = self._current
        if current is None or self._transport.is_closing():
            return
        self._application.answered(response.status)
        body = b"" if current.head and current.head.method == b"HEAD" else response.body
        head = head_of(response, keep_alive=not current.last, length=len(response.body))
        self._current = None
        self._release(len(current.body))
        self._deadline_s = self._next_deadline_s()
        self._transport.write(head + body)
        if current.last:
            self._linger()
            return
        if not self._advancing:
            self._advance()

    def stream(self, response: Response, on_close: Callable[[], None]) -> None:
        """Answer the current request with what `write` gets until the client is gone."""
        assert self._current is not None
        self._application.answered(response.status)
        self._on_close = on_close
        self._deaf = True
        self._deadline_s = _FOREVER
        self._transport.write(head_of(response, keep_alive=False, length=None) + response.body)

    def write(self, data: bytes) -> None:
        """More of a stream; a client that does not keep up misses it."""
        if not self._stalled and not self._transport.is_closing():
            self._transport.write(data)

    # What the application calls.

    def expire_if_late(self) -> None:
        """End a connection that has kept us waiting."""
        if self._application.now_s < self._deadline_s:
            return
        if self._stalled or self._lingering or self._current:
            self._transport.abort()
        elif self._in_head or self._admission:
            self._refuse(error(408, "the request did not arrive in time"))
        else:
            self._transport.close()

    def close(self) -> None:
        """The server stops."""
        self._transport.abort()

    def _advance(self) -> None:
        """Hand requests on, one after another, while nothing hinders."""
        if self._advancing:
            return
        self._advancing = True
        while self._waiting and self._current is None and not self._stalled and not self._lingering:
            self._current = current = self._waiting.popleft()
            self._deadline_s = _FOREVER
            if current.refusal or not (current.handler and current.head):
                self.respond(current.refusal or error(400, "no request"))
            else:
                current.handler(current.head, current.body, self)
        self._advancing = False
        self._invite()
        if not self._reading and not self._waiting and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _invite(self) -> None:
        """100 Continue, where it is waited for; but never amid the answer to an earlier request."""
        if self._wants_continue and self._current is None and not self._waiting and not self._deaf:
            self._wants_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, response: Response) -> None:
        """Answer what is being received with `response`, in its turn, and read nothing after it."""
        if self._deaf:
            return
        self._deaf = True
        self._in_head = False
        self._admission = None
        self._chunks = []
        self._waiting.append(_Waiting(self._head, b"", None, response, last=True))
        self._advance()

    def _close_after_last(self) -> None:
        if self._waiting:
            self._waiting[-1] = self._waiting[-1]._replace(last=True)
        elif self._current:
            self._current = self._current._replace(last=True)
        else:
            self._linger()

    def _linger(self) -> None:
        """Say that no more will come, and give the client a moment to read what did."""
        self._deaf = self._lingering = True
        if not self._stalled:
            self._deadline_s = self._next_deadline_s()
        self._release(self._held_bytes)
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()

    def _next_deadline_s(self) -> float:
        """Until when we wait for the client's next move."""
        if self._current:
            return _FOREVER
        patience_s = _LINGER_S if self._lingering else BODY_S if self._in_head or self._admission else IDLE_S
        return self._application.now_s + patience_s

    def _release(self, count: int) -> None:
        self._held_bytes -= count
        self._application.held_bytes -= count


def _too_large(limit_bytes: int) -> Response:
    return error(413, f"a body of more than {limit_bytes} bytes")
