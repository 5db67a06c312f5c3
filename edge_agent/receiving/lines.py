"""The lines that a receiver can be at the end of: a port, or the console that started it."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.pump import Line


@contextmanager
def port(name: str, baud: int) -> Iterator[Line]:
    """A serial port of this device's own.

    Raises:
        UnavailableError: there is none, it cannot be used, or another program has it.
    """
    step = "plug it in, look at its rights, and end what else reads it"
    try:
        import serial
    except ModuleNotFoundError:
        problem = Problem(name, "the Python package pyserial", "none", "pip install 'godwit[agent]'")
        raise UnavailableError(problem) from None
    try:
        opened = serial.Serial(name, baud, timeout=0, exclusive=True)
    except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
        number = getattr(error, "errno", None)
        found = os.strerror(number).lower() if number else str(error)
        raise UnavailableError(Problem(name, "a serial port", found, step)) from None
    try:
        yield Line(opened.fileno(), opened.fileno())
    finally:
        with contextlib.suppress(OSError, termios.error):  # it may be unplugged
            opened.close()


@contextmanager
def console() -> Iterator[Line]:
    """Standard input and output, raw while this lasts."""
    reads, writes = sys.stdin.fileno(), sys.stdout.fileno()
    if not os.isatty(reads):
        yield Line(reads, writes)
        return
    before = termios.tcgetattr(reads)
    tty.setraw(reads, termios.TCSANOW)
    try:
        yield Line(reads, writes)
    finally:
        with contextlib.suppress(termios.error):  # it hung up
            termios.tcsetattr(reads, termios.TCSADRAIN, before)
