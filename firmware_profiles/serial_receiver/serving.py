"""A receiver at a line, and at the console that started it."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.device import Device
from firmware_profiles.serial_link.pump import Line, LineLostError, pump
from firmware_profiles.serial_link.store import Store

_ALONE_S = 60.0
_LAST_WORDS_S = 0.2


def serve_console(store: Store, facts: Callable[[], bytes]) -> int:
    """One transfer over the console that started this; how its installation ended.

    Raises:
        UnavailableError: nobody came, or the console hung up.
    """
    device = Device(store, facts)
    began_s = time.monotonic()

    def goes_on() -> bool:
        alone = time.monotonic() > max(device.heard_s, began_s) + _ALONE_S
        return not device.served and (device.state == "finishing" or not alone)

    try:
        with _console() as line:
            code = serve(device, line, goes_on)
    except LineLostError:
        code = None
    if code is None:
        step = "start it again: what has arrived is kept"
        raise UnavailableError(Problem("standard input", "a host at the other end", "none", step))
    return code


def serve(device: Device, line: Line, goes_on: Callable[[], bool]) -> int | None:
    """Answer at `line` until `goes_on` says no: the exit code of the last installation; None where there was none."""
    try:
        pump(device, line, goes_on)
    finally:
        device.let_go()
    return device.outcome.exit_code if device.outcome else None


@contextmanager
def _console() -> Iterator[Line]:
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
        time.sleep(_LAST_WORDS_S)  # of the host, which the shell must not take for commands
        with contextlib.suppress(termios.error):  # it hung up
            termios.tcsetattr(reads, termios.TCSAFLUSH, before)
