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
from firmware_profiles.errors import UnavailableError
from firmware_profiles.serial_link.device import Device, Store
from firmware_profiles.serial_link.pump import Line, LineLostError, pump

_AGAIN_S = 1.0


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
        LineLostError: the console hung up.
    """
    with lines.console() as line:
        return _serve(Device(store, told), line, True, lambda _: None)  # the line is all that the terminal is for


def serve_port(store: Store, told: bytes, name: str, baud: int, once: bool) -> int:
    """Transfers over a port, which is opened again whenever it was lost; with `once`, one.

    Raises:
        UnavailableError: with `once`, the port cannot be opened.
    """

    def say(text: str) -> None:
        print(f"{name}: {text}", file=sys.stderr, flush=True)

    device = Device(store, told)
    missed = ""
    while True:
        try:
            with lines.port(name, baud) as line:
                say(f"waiting for a host at {baud} baud")
                missed = ""
                return _serve(device, line, once, say)
        except LineLostError:
            say("the line was lost")
        except UnavailableError as error:
            if once:
                raise
            if str(error) != missed:
                missed = str(error)
                say(f"waiting: {error}")
        time.sleep(_AGAIN_S)


def _serve(device: Device, line: Line, once: bool, say: Callable[[str], None]) -> int:
    said = device.state

    def goes_on() -> bool:
        nonlocal said
        if device.state != said:
            said = device.state
            say(f"{said}: {device.outcome.last_line}" if said == "ended" and device.outcome else said)
        return not (once and device.served)

    try:
        pump(device, line, goes_on)
    finally:
        device.let_go()
    return device.outcome.exit_code if device.outcome else 0
