"""Who is at the other end of a serial line: a receiver, a console, or one of them at another speed."""

from __future__ import annotations

import time
from typing import Literal

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.host import Host
from firmware_profiles.serial_link.pump import pump
from fleet.flash.port import Port

SPEEDS = (115_200, 3_000_000, 1_500_000, 921_600, 9_600, 57_600, 38_400, 230_400, 460_800, 1_000_000, 19_200)
"""That are tried where the one that was typed is wrong, the likeliest first."""
Found = Literal["receiver", "console"]
_KNOCK_S = 2.0
_CONSOLE_S = 1.0
_SPEED_S = 0.8
_ENTER = b"\x15\r"  # Ctrl-U, lest what is typed already be taken for a command: a console says its prompt again
_ECHO = b"echo godwit\r"  # a shell that was left without prompt and echo is silent but for this
_KEPT_BYTES = 16_384
_LEAST_TEXT_BYTES = 3
_TEXT = frozenset(b"\t\n\r\x1b\x07\x08") | frozenset(range(0x20, 0x7F))
_TEXT_SHARE = 0.9


def meet(port: Port, host: Host, where: str, baud: int) -> Found:
    """Knock at the speed that was typed, then at others.

    Raises:
        UnavailableError: nobody answers, or somebody at another speed, which is named.
    """
    heard = _Knocking(host)
    for typed, limit_s in ((b"", _KNOCK_S), (_ENTER, _CONSOLE_S), (_ENTER + _ECHO, _CONSOLE_S)):
        if found := _who(port, heard, limit_s, typed):
            return found
    for speed in SPEEDS:
        if speed == baud:
            continue
        try:
            port.speed(speed)
        except UnavailableError:
            continue  # this port has no such speed
        if found := _who(port, heard, _SPEED_S, _ENTER):
            step = f"type ?baud={speed}, or set the device's port to {baud}"
            raise UnavailableError(Problem(where, f"a device at {baud} baud", f"a {found} at {speed}", step))
    told = f"{heard.total_bytes} bytes that are neither frames nor text, at any speed" if heard.total_bytes else "none"
    step = "look at the cable (TX to RX, RX to TX, ground), and whether edge-agent receive or a console runs there"
    raise UnavailableError(Problem(where, "an answer", told, step))


def wait(port: Port, host: Host, where: str, limit_s: float) -> None:
    """Knock where a receiver has just been started.

    Raises:
        UnavailableError: it does not answer.
    """
    knocking = _Knocking(host)
    _knock(port, knocking, limit_s)
    if _unmet(knocking):
        lines = knocking.came.decode("ascii", "replace").split("\n")
        step = "log in there with a terminal program, and type: edge-agent receive --root DIR"
        raise UnavailableError(Problem(where, "a receiver that starts", lines[-1][-80:] or "no answer", step))


class _Knocking:
    """A `pump.End` before anybody is met: what comes in is kept to be looked at."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.came = b""
        self.total_bytes = 0
        self._typed = b""

    def feed(self, received: bytes, now_s: float) -> None:
        self.came = (self.came + received)[-_KEPT_BYTES:]
        self.total_bytes += len(received)
        self.host.feed(received, now_s)

    def output(self, now_s: float, room_bytes: int) -> bytes:
        typed, self._typed = self._typed, b""
        return typed + self.host.output(now_s, room_bytes)

    def wake_s(self) -> float:
        return self.host.wake_s()

    def begin(self, typed: bytes) -> None:
        """Anew, with something for a console."""
        self.came, self._typed = b"", typed


def _who(port: Port, knocking: _Knocking, limit_s: float, typed: bytes) -> Found | None:
    knocking.begin(typed)
    _knock(port, knocking, limit_s)
    if not _unmet(knocking):
        return "receiver"
    return "console" if _is_text(knocking.came) else None


def _knock(port: Port, knocking: _Knocking, limit_s: float) -> None:
    until_s = time.monotonic() + limit_s
    pump(knocking, port.line, lambda: _unmet(knocking) and time.monotonic() < until_s)


def _unmet(knocking: _Knocking) -> bool:
    return knocking.host.state == "knocking"


def _is_text(came: bytes) -> bool:
    text = sum(byte in _TEXT for byte in came)
    return len(came) >= _LEAST_TEXT_BYTES and text >= _TEXT_SHARE * len(came)
