"""What a connection receives: bytes become requests, by httptools (llhttp), with every size bounded.

A request is judged by its head, before a byte of its body is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import httptools

from edge_agent.web.application import Admission, Application, Handler, fixed
from edge_agent.web.messages import Head, Response, error

_MAX_HEAD_BYTES = 32 << 10
_MAX_HEADERS = 64
_ONCE = frozenset((b"host", b"origin", b"authorization", b"content-type", b"inference-header-content-length"))
_NO_HEAD = Head(b"", b"", {})


class Request(NamedTuple):
    """A whole request, or a part of one, which its handler refuses.

    Attributes:
        last: the connection is closed after its answer.
    """

    head: Head
    body: bytes
    handler: Handler
    last: bool


class Incoming:
    """The parser of one connection.

    Attributes:
        stage: of the request that is being received; "rest" between two.
        deaf: nothing more is taken: a request was refused, or was the last.
        wants_continue: the client waits for 100 Continue before it sends its body.
        held_bytes: of bodies, until the connection releases them.
    """

    def __init__(self, application: Application, whole: Callable[[Request], None]) -> None:
        self.stage: Literal["rest", "head", "body"] = "rest"
        self.deaf = False
        self.wants_continue = False
        self.held_bytes = 0
        self._application = application
        self._whole = whole
        self._parser = httptools.HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._head_bytes = 0
        self._head = _NO_HEAD
        self._admission: Admission | None = None
        self._chunks: list[bytes] = []
        self._body_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what came; whole requests are handed on before this returns."""
        if self.deaf:
            return
        if self.stage == "head":
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # its request was handed on; we stay with HTTP/1.1, and cannot parse on
            self.deaf = True
        except httptools.HttpParserCallbackError:
            raise  # one of ours failed: that is no mistake of the client's
        except httptools.HttpParserError as problem:
            self.refuse(error(400, f"not HTTP/1.1: {problem}"))
        if self.stage == "head" and self._head_bytes > _MAX_HEAD_BYTES:
            self.refuse(error(431, f"a head of more than {_MAX_HEAD_BYTES} bytes"))

    def refuse(self, response: Response) -> None:
        """Have what is being received answered with `response`, and take nothing after it."""
        if self.deaf:
            return
        self.deaf = True
        self._rest()
        self._whole(Request(self._head, b"", fixed(response), last=True))

    def _rest(self) -> None:
        self.stage = "rest"
        self.wants_continue = False
        self._admission = None
        self._chunks = []

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._begin()
        self.stage = "head"

    def on_url(self, part: bytes) -> None:
        """A part of the request's target."""
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which says nothing to us."""
        if self.stage != "head" or self.deaf:
            return
        name = name.lower()
        self._header_count += 1
        if name in _ONCE and name in self._headers:
            self.refuse(error(400, f"{name.decode('latin-1')} twice"))
        elif self._header_count > _MAX_HEADERS:
            self.refuse(error(431, f"more than {_MAX_HEADERS} headers"))
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Now it is judged."""
        if self.deaf:
            return
        self.stage = "body"
        if self._parser.get_http_version() not in ("1.1", "1.0"):
            self.refuse(error(505, "HTTP/1.1 is spoken here"))
            return
        self._head = Head(self._parser.get_method(), self._url.partition(b"?")[0], self._headers)
        judged = self._application.admit(self._head)
        if isinstance(judged, Response):
            self.refuse(judged)
        elif int(self._headers.get(b"content-length", b"0")) > judged.max_body_bytes:  # a number: llhttp has checked
            self.refuse(_too_large(judged.max_body_bytes))
        else:
            self._admission = judged
            self.wants_continue = self._headers.get(b"expect", b"").lower() == b"100-continue"

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        if self._admission is None:
            return
        self.wants_continue = False
        self._body_bytes += len(part)
        self.held_bytes += len(part)
        self._application.held_bytes += len(part)
        if self._body_bytes > self._admission.max_body_bytes:
            self.refuse(_too_large(self._admission.max_body_bytes))
        elif self._application.held_bytes > self._application.max_held_bytes:
            self.refuse(error(429, "busy with other large requests", b"Retry-After: 1\r\n"))
        else:
            self._chunks.append(part)

    def on_message_complete(self) -> None:
        """It is whole."""
        if self._admission is None:
            return
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        last = not self._parser.should_keep_alive()
        request = Request(self._head, body, self._admission.handler, last)
        self._rest()
        self.deaf = last
        self._whole(request)


def _too_large(limit_bytes: int) -> Response:
    return error(413, f"a body of more than {limit_bytes} bytes")
