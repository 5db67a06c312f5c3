"""A stream of text: a row of numbers a line, as CSV or JSON."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge_agent.flow import payload
from edge_agent.format_config import Csv, Json
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

MAX_LINE_BYTES = 1 << 16


class Lines:
    """A `framing.Framer`: rows float64 [1, channels], or [n, channels] from a line of JSON with two axes."""

    def __init__(self, layout: Csv | Json, joins_midway: bool) -> None:
        self._layout = layout
        self._partial = bytearray()
        # The end of a line can look like a whole one: 3.5 for 123.5.
        self._dropping = joins_midway

    def feed(self, received: bytes) -> Iterator[Array | InputError]:
        """See `framing.Framer`."""
        *whole, rest = received.split(b"\n")
        for end in whole:
            line = bytes(self._partial) + end
            self._partial.clear()
            if self._dropping:
                self._dropping = False
            elif len(line) > MAX_LINE_BYTES:
                yield _too_long()
            elif line := line.strip():
                yield self._row(line)
        if not self._dropping:
            self._partial += rest
        if len(self._partial) > MAX_LINE_BYTES:
            self._partial.clear()
            self._dropping = True
            yield _too_long()

    def rest(self) -> bytes:
        """See `framing.Framer`."""
        return bytes(self._partial)

    def _row(self, line: bytes) -> Array | InputError:
        try:
            if isinstance(self._layout, Csv):
                return self._csv(line, self._layout)
            return _as_rows(payload.decode(line, "json", fields=self._layout.fields, where="line"))
        except InputError as error:
            return error

    def _csv(self, line: bytes, layout: Csv) -> Array:
        try:
            values = payload.numbers(line, layout.separator)
        except ValueError as error:
            raise InputError(Problem("line", f"{layout.channels} finite numbers", str(error)[:100], _STEP)) from None
        if len(values) != layout.channels:
            raise InputError(Problem("line", f"{layout.channels} numbers", str(len(values)), _STEP))
        return np.array([values])


_STEP = "look at the cable, the baud rate and the declared format"


def _too_long() -> InputError:
    return InputError(Problem("line", f"at most {MAX_LINE_BYTES} bytes", "more without a line break", _STEP))


def _as_rows(values: Array) -> Array:
    if values.ndim > 2:
        raise InputError(Problem("line", "one row of numbers, or several", f"{values.ndim} axes", _STEP))
    return values[np.newaxis] if values.ndim == 1 else values
