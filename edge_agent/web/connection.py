"""One HTTP/1.1 connection: requests are answered in order, and whoever keeps us waiting is let go.

A client that is refused is told so and then drained for a moment: a socket that is closed with unread bytes
in it takes the answer down with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from edge_agent.web.application import Application
from edge_agent.web.incoming import Incoming, Request
from edge_agent.web.messages import Response, error, head_of

HEAD_S = 10.0
BODY_S = 60.0
IDLE_S = 75.0
STALLED_S = 30.0
_LINGER_S = 2.0
_MAX_PIPELINED = 32
_FOREVER = float("inf")


class Connection(asyncio.Protocol):
    """See the module."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._incoming = Incoming(application, self._arrived)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)  # until connection_made
        self._waiting: deque[Request] = deque()
        self._current: Request | None = None
        self._advancing = False
        self._reading = True
        self._stalled = False  # the client does not read
        self._lingering = False
        self._on_close: Callable[[], None] | None = None  # while the current request is answered with a stream
        self._deadline_s = _FOREVER

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._deadline_s = self._application.now_s + HEAD_S
        if refusal := self._application.entered(self):
            # Not drained: whoever opens connections without end must not fill us with their remains.
            self._incoming.deaf = True
            self._application.answered(refusal.status)
            self._transport.write(head_of(refusal, keep_alive=False, length=len(refusal.body)) + refusal.body)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._application.left(self)
        self._incoming.deaf = True
        self._release(self._incoming.held_bytes)
        self._waiting.clear()
        if self._on_close:
            self._on_close()
            self._on_close = None

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        stage = self._incoming.stage
        self._incoming.feed(data)
        if self._current is None and self._incoming.stage not in (stage, "rest"):
            self._deadline_s = self._next_deadline_s()
        if self._incoming.wants_continue:
            self._invite()
        if self._incoming.deaf and not self._lingering:
            self._close_after_last()
        if self._waiting and self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """See asyncio.Protocol. A client may close its side and still wait for answers; not so amid a stream."""
        self._incoming.deaf = True
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

    # What handlers call.

    def respond(self, response: Response) -> None:
        """Answer the current request; without effect once the client is gone."""
        current = self._current
        if current is None or self._transport.is_closing():
            return
        self._application.answered(response.status)
        body = b"" if current.head.method == b"HEAD" else response.body
        head = head_of(response, keep_alive=not current.last, length=len(response.body))
        self._current = None
        self._release(len(current.body))
        self._deadline_s = self._next_deadline_s()
        self._transport.write(head + body)
        if current.last:
            self._linger()
        else:
            self._advance()

    def stream(self, response: Response, on_close: Callable[[], None]) -> None:
        """Answer the current request with what `write` gets until the client is gone."""
        self._application.answered(response.status)
        self._on_close = on_close
        self._incoming.deaf = True
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
        if self._stalled or self._lingering:
            self._transport.abort()
        elif self._incoming.stage != "rest":
            self._incoming.refuse(error(408, "the request did not arrive in time"))
        else:
            self._transport.close()

    def close(self) -> None:
        """The server stops."""
        self._transport.abort()

    def _arrived(self, request: Request) -> None:
        if len(self._waiting) == _MAX_PIPELINED and not request.last:
            self._incoming.refuse(error(429, f"more than {_MAX_PIPELINED} in a pipeline", b"Retry-After: 1\r\n"))
            return
        self._waiting.append(request)
        self._advance()

    def _advance(self) -> None:
        """Hand requests on, one after another, while nothing hinders."""
        if self._advancing:
            return
        self._advancing = True
        while self._waiting and self._current is None and not self._stalled and not self._lingering:
            self._current = current = self._waiting.popleft()
            self._deadline_s = _FOREVER
            current.handler(current.head, current.body, self)
        self._advancing = False
        if self._incoming.wants_continue:
            self._invite()
        if not self._reading and not self._waiting and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _invite(self) -> None:
        """100 Continue, but never amid the answer to an earlier request."""
        if self._current is None and not self._waiting and not self._incoming.deaf:
            self._incoming.wants_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _close_after_last(self) -> None:
        """Nothing more is taken: close when all that was is answered."""
        if self._waiting:
            self._waiting[-1] = self._waiting[-1]._replace(last=True)
        elif self._current:
            self._current = self._current._replace(last=True)
        else:
            self._linger()

    def _linger(self) -> None:
        """Say that no more will come, and give the client a moment to read what did."""
        self._incoming.deaf = self._lingering = True
        if not self._stalled:
            self._deadline_s = self._next_deadline_s()
        self._release(self._incoming.held_bytes)
        if not self._transport.is_closing():
            self._transport.write_eof()
            if not self._reading:
                self._reading = True
                self._transport.resume_reading()

    def _next_deadline_s(self) -> float:
        """Until when we wait for the client's next move."""
        if self._current:
            return _FOREVER
        if self._lingering:
            return self._application.now_s + _LINGER_S
        return self._application.now_s + {"rest": IDLE_S, "head": HEAD_S, "body": BODY_S}[self._incoming.stage]

    def _release(self, count: int) -> None:
        self._incoming.held_bytes -= count
        self._application.held_bytes -= count
