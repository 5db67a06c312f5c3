"""The one place that moves bytes between an end without I/O and a line."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

_READ_BYTES = 65_536
_AHEAD_BYTES = 4096
"""Made ready beyond what the line takes: little, so that a repeat need not wait behind much."""


class LineLostError(Exception):
    """The line was unplugged, or hung up."""


class Line(NamedTuple):
    """Descriptors of a tty in raw mode; both may be the same."""

    reads: int
    writes: int


class End(Protocol):
    """`Host` or `Device`."""

    def feed(self, received: bytes, now_s: float) -> None:
        """Take what came in."""

    def output(self, now_s: float, room_bytes: int) -> bytes:
        """What to send now."""

    def wake_s(self) -> float:
        """When there is something to send again."""


def pump(end: End, line: Line, goes_on: Callable[[], bool]) -> None:
    """Move bytes until `goes_on` says no; it is asked after every move, and when the end wakes.

    Raises:
        LineLostError: no byte goes either way any more.
    """
    waiting = b""
    while goes_on() or waiting:
        if len(waiting) < _AHEAD_BYTES:
            waiting += end.output(time.monotonic(), _AHEAD_BYTES)
        wait_s = min(max(end.wake_s() - time.monotonic(), 0.0), 1.0)
        try:
            readable, writable, _ = select.select([line.reads], [line.writes] if waiting else [], [], wait_s)
            if readable:
                end.feed(read(line.reads), time.monotonic())
            if not readable and not writable and not goes_on():
                return  # it takes the last words no more
            if writable:
                waiting = waiting[write(line.writes, waiting) :]
        except (OSError, ValueError) as error:  # ValueError: a descriptor that was closed
            raise LineLostError(str(error)) from None


def read(descriptor: int) -> bytes:
    """What is there now.

    Raises:
        LineLostError: it hung up.
    """
    try:
        received = os.read(descriptor, _READ_BYTES)
    except BlockingIOError:
        return b""
    if not received:
        raise LineLostError("hung up")
    return received


def write(descriptor: int, content: bytes) -> int:
    """How many bytes the line took."""
    try:
        return os.write(descriptor, content)
    except BlockingIOError:
        return 0
