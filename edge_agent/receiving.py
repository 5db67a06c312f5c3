"""A receiver at a serial port, which may be unplugged at any moment."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.device import Device, Store
from firmware_profiles.serial_link.pump import Line, LineLostError
from firmware_profiles.serial_receiver.serving import serve

_AGAIN_S = 1.0
_NOISE_BYTES = 64


def serve_port(store: Store, told: bytes, name: str, baud: int, once: bool) -> int:
    """Transfers over a port, which is opened again whenever it was lost; with `once`, one.

    Raises:
        UnavailableError: with `once`, the port cannot be opened.
    """

    def say(text: str) -> None:
        print(f"{name}: {text}", file=sys.stderr, flush=True)

    device = Device(store, told)
    missed = said = ""

    def goes_on() -> bool:
        nonlocal said
        if (now := _state(device)) != said:
            said = now
            say(now)
        return not (once and device.served)

    while True:
        try:
            with _port(name, baud) as line:
                say(f"open at {baud} baud")
                missed = ""
                return serve(device, line, goes_on) or 0
        except LineLostError:
            say("the line was lost")
        except UnavailableError as error:
            if once:
                raise
            if str(error) != missed:
                missed = str(error)
                say(f"waiting: {error}")
        time.sleep(_AGAIN_S)


@contextmanager
def _port(name: str, baud: int) -> Iterator[Line]:
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


def _state(device: Device) -> str:
    if device.state == "ended" and device.outcome:
        return f"ended: {device.outcome.last_line}"
    if device.state == "idle" and device.noise_bytes > _NOISE_BYTES:
        return "what comes in is no frame: is the host at another speed?"
    return device.state
