"""The serial source: sensor rows from a port, through pyserial."""

from __future__ import annotations

import contextlib
import os

from edge_agent.flow.stream import READ_BYTES, StreamSource
from edge_agent.source_config import Serial
from firmware_profiles.errors import InputError, Problem


class _Port:
    """A `stream.Connection`."""

    def __init__(self, settings: Serial) -> None:
        import serial

        self._name = settings.port
        self._broken = (serial.SerialException, OSError)
        try:
            # Exclusive: two readers would each get half of the bytes.
            self._port = serial.Serial(settings.port, settings.baud, timeout=0, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise self._failure(error, "a serial port") from None

    def fileno(self) -> int | None:
        descriptor: int = self._port.fileno()
        return descriptor

    def read(self) -> bytes:
        try:
            received: bytes = self._port.read(READ_BYTES)
        except self._broken as error:
            raise self._failure(error, "an answer") from None
        return received

    def close(self) -> None:
        with contextlib.suppress(*self._broken):  # it may be unplugged
            self._port.close()

    def _failure(self, error: Exception, expected: str) -> InputError:
        number = getattr(error, "errno", None)
        found = os.strerror(number).lower() if number else "nothing: it was unplugged, or another program reads it"
        return InputError(Problem(self._name, expected, found, "plug it in, or mend `port`; it is tried again"))


def open_serial(settings: Serial, reached: int) -> StreamSource:
    """The source; the port is opened at the first poll, and again whenever it was lost."""
    return StreamSource(
        lambda: _Port(settings), settings.format, settings.window, reached, joins_midway=True, rate=settings.rate
    )
