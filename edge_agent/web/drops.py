"""A file that somebody sends over HTTP becomes a raw input."""

from __future__ import annotations

from edge_agent.flow import payload
from edge_agent.flow.payload import PayloadKind
from edge_agent.runtimes.base import Array

_TEXT_AND_SPACE = frozenset(b"\t\n\r") | frozenset(range(32, 127))


def decode(body: bytes) -> Array:
    """The raw input in `body`: an image, .npy file, row of CSV or JSON list.

    Raises:
        InputError: it is none of these, or damaged.
    """
    return payload.decode(body, _kind(body), where="file")


def _kind(body: bytes) -> PayloadKind:
    """As its first bytes say: what a browser or curl calls it says little."""
    if body.startswith(b"\x93NUMPY"):
        return "npy"
    start = body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"["):
        return "json"
    return "csv" if _TEXT_AND_SPACE.issuperset(start) else "image"
