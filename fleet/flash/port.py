"""A serial port of this machine, for one flash at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import termios
import time
from typing import TYPE_CHECKING

import serial

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.pump import Line

if TYPE_CHECKING:
    from typing_extensions import Self

_LOOK_S = 0.5
_STEPS = {
    errno.ENOENT: "plug it in; a name below /dev/serial/by-id stays the same",
    errno.EACCES: "join the group of the port (dialout on Debian), and log in again",
    errno.EAGAIN: "another flash or terminal program uses it: wait for that, or end it",
    errno.EBUSY: "another program uses it: end that",
}


class Port:
    """Open while the block lasts; `line` carries the bytes."""

    def __init__(self, name: str, baud: int) -> None:
        self._name = name
        self._baud = baud
        self._opened: serial.Serial | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            with contextlib.suppress(OSError, termios.error):  # it may be unplugged
                self._opened.reset_output_buffer()  # else closing waits until all is sent, which may be never
            with contextlib.suppress(OSError, termios.error):
                self._opened.close()
        self._opened = None

    @property
    def line(self) -> Line:
        """Its descriptors."""
        assert self._opened is not None
        return Line(self._opened.fileno(), self._opened.fileno())

    def speed(self, baud: int) -> None:
        """Go on at another speed, with nothing left over.

        Raises:
            UnavailableError: the port has no such speed.
        """
        assert self._opened is not None
        try:
            self._opened.baudrate = baud
            self._opened.reset_input_buffer()
        except (OSError, ValueError, termios.error) as error:
            raise self._refused(error) from None

    def drain(self) -> None:
        """Wait until the last words have left."""
        assert self._opened is not None
        with contextlib.suppress(OSError, termios.error):
            self._opened.flush()

    def reopen(self, limit_s: float) -> None:
        """After the line was lost: as soon as the port is there again.

        Raises:
            UnavailableError: it is not within `limit_s`.
        """
        self.__exit__()
        until_s = time.monotonic() + limit_s
        while True:
            try:
                self._open()
            except UnavailableError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(_LOOK_S)
            else:
                return

    def _open(self) -> None:
        try:
            self._opened = serial.Serial(self._name, self._baud, timeout=0, exclusive=True)
        except (OSError, ValueError, termios.error) as error:
            raise self._refused(error) from None

    def _refused(self, error: Exception) -> UnavailableError:
        number = getattr(error, "errno", None)
        found = os.strerror(number).lower() if number else str(error)
        step = _STEPS.get(number or 0, "look at the name of the port and at its speed")
        return UnavailableError(Problem(self._name, f"a serial port of {self._baud} baud", found, step))
