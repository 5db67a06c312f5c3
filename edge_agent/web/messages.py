"""A request's head and an answer, as the server and its handlers pass them around."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import msgspec

JSON = b"application/json"
_encode = msgspec.json.encode


class Head(NamedTuple):
    """What came before the body.

    Attributes:
        path: without query, as sent.
        headers: by lower-case name; the last of those that came twice.
    """

    method: bytes
    path: bytes
    headers: Mapping[bytes, bytes]


class Response(NamedTuple):
    """A whole answer.

    Attributes:
        headers: further ones, each with its CRLF.
    """

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: bytes = b""


def error(status: int, reason: str, headers: bytes = b"") -> Response:
    """A refusal: `{"error": reason}`, as the Open Inference Protocol has it."""
    return Response(status, _encode({"error": reason}), JSON, headers)


def json(value: object) -> Response:
    """200 with a JSON body."""
    return Response(200, _encode(value))


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def head_of(response: Response, *, keep_alive: bool, length: int | None) -> bytes:
    """Status line and headers; `length` None: the body ends with the connection.

    No Date: a device that is not sure of its clock must not send one (RFC 9110, section 6.6.1).
    """
    return b"%bContent-Type: %b\r\n%bX-Content-Type-Options: nosniff\r\n%b%b\r\n" % (
        _STATUS_LINES[response.status],
        response.content_type,
        b"" if length is None else b"Content-Length: %d\r\n" % length,
        b"" if keep_alive else b"Connection: close\r\n",
        response.headers,
    )
