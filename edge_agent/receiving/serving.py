"""A receiver at a line that may be unplugged at any moment."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge_agent.receiving import lines
from firmware_profiles import VERSION
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.device import Device, Store
from firmware_profiles.serial_link.pump import Line, LineLostError, pump

_AGAIN_S = 1.0
_ALONE_S = 60.0
_NOISE_BYTES = 64


def facts(folder: Path) -> bytes:
    """What a device tells about itself before anything is sent: JSON."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    told = {
        "agent": VERSION,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "free_bytes": shutil.disk_usage(there).free,
    }
    return json.dumps(told).encode()


def serve_console(store: Store, told: bytes) -> int:
    """One transfer over the console that started this; how its installation ended.

    Raises:
        UnavailableError: nobody came, or the console hung up.
    """
    device = Device(store, told)
    began_s = time.monotonic()

    def goes_on() -> bool:
        alone = time.monotonic() > max(device.heard_s, began_s) + _ALONE_S
        return not device.served and (device.state == "finishing" or not alone)

    try:
        with lines.console() as line:
            code = _serve(device, line, goes_on)
    except LineLostError:
        code = None
    if code is None:
        step = "start it again: what has arrived is kept"
        raise UnavailableError(Problem("standard input", "a host at the other end", "none", step))
    return code


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
            with lines.port(name, baud) as line:
                say(f"open at {baud} baud")
                missed = ""
                return _serve(device, line, goes_on) or 0
        except LineLostError:
            say("the line was lost")
        except UnavailableError as error:
            if once:
                raise
            if str(error) != missed:
                missed = str(error)
                say(f"waiting: {error}")
        time.sleep(_AGAIN_S)


def _serve(device: Device, line: Line, goes_on: Callable[[], bool]) -> int | None:
    """The exit code of the last installation; None where there was none."""
    try:
        pump(device, line, goes_on)
    finally:
        device.let_go()
    return device.outcome.exit_code if device.outcome else None


def _state(device: Device) -> str:
    if device.state == "ended" and device.outcome:
        return f"ended: {device.outcome.last_line}"
    if device.state == "idle" and device.noise_bytes > _NOISE_BYTES:
        return "what comes in is no frame: is the host at another speed?"
    return device.state
