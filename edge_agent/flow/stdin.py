"""The stdin source: the agent's own standard input, read in the worker by the descriptor it inherits.

The descriptor is shared with whoever else has it, so it is not made non-blocking: it is asked first.
"""

from __future__ import annotations

import os
import select

from edge_agent.channel import Rest
from edge_agent.flow.source import Ended
from edge_agent.flow.stream import READ_BYTES, StreamSource
from edge_agent.format_config import Csv, Json
from edge_agent.source_config import Stdin
from firmware_profiles.errors import InputError, Problem


class _Descriptor:
    """A `stream.Connection`."""

    def __init__(self, descriptor: int, last: bytes) -> None:
        """`last` is given once more at the end."""
        self._descriptor = descriptor
        self._last = last
        self._poll = select.poll()
        if descriptor < 0:
            raise _closed("none")
        self._poll.register(descriptor, select.POLLIN)

    def fileno(self) -> int | None:
        return self._descriptor

    def read(self) -> bytes:
        try:
            if not self._poll.poll(0):
                return b""
            received = os.read(self._descriptor, READ_BYTES)
        except OSError as error:
            raise _closed((error.strerror or str(error)).lower()) from None
        if not received:
            received, self._last = self._last, b""
        if not received:
            raise Ended
        return received

    def close(self) -> None:
        """It is not ours to close."""


def _closed(found: str) -> InputError:
    return InputError(Problem("standard input", "an open one", found, "start the agent with one"))


def open_stdin(settings: Stdin, reached: int, descriptor: int, rest: Rest | None = None) -> StreamSource:
    """The source. It can be read once: a worker that dies takes what it had read with it."""
    last = b"\n" if isinstance(settings.format, Csv | Json) else b""  # the last line may lack its end
    return StreamSource(lambda: _Descriptor(descriptor, last), settings.format, settings.window, reached, rest=rest)
