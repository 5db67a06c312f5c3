"""Telling systemd how we are (sd_notify(3)); silent where nobody asked."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send one state, such as "READY=1", to the socket that systemd named."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stream:
        stream.connect(address)
        stream.sendall(state.encode())


def watchdog_interval_s() -> float | None:
    """How often the watchdog wants to be fed: half of what it allows; None where there is none."""
    microseconds = os.environ.get("WATCHDOG_USEC")
    mine = os.environ.get("WATCHDOG_PID") in (None, str(os.getpid()))
    return int(microseconds) / 2e6 if microseconds and mine else None
