"""Flash over a serial line: find out what is at its other end, then bring the kit (docs/serial.md)."""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from firmware_profiles.errors import InputError, Problem, UnavailableError
from firmware_profiles.serial_link.contents import Cargo
from firmware_profiles.serial_link.host import Host
from firmware_profiles.serial_link.pump import LineLostError, pump
from firmware_profiles.serial_link.said import Said
from fleet.flash import meeting
from fleet.flash.console import Console, Login
from fleet.flash.port import Port
from fleet.flash.serial_target import SerialTarget

Progress = Callable[[str, int, int], None]
"""What is being done, how many bytes of it are, and of how many; 0 of 0 where it is not bytes."""
_BACK_S = 60.0
_START_S = 20.0
_TELL_S = 0.2
_THERE = "receiver.pyz"


def flash(target: SerialTarget, cargo: Cargo, login: Login | None, zipapp: Path | None, progress: Progress) -> Said:
    """Bring `cargo` and have it installed: how that ended, as of the process there.

    Args:
        login: for a console that asks.
        zipapp: with the command `receive`, for a device that has no edge-agent.

    Raises:
        UnavailableError: the port is missing or in use, nobody answers at this speed, or the line went for long.
        InputError: a file changed since it was listed.
    """
    host = Host(cargo.contents, _reader(cargo), time.monotonic(), random.SystemRandom())
    with Port(target.port, target.baud) as port:
        try:
            found = meeting.meet(port, host, target.url, target.baud, lambda speed: progress(f"at {speed} baud", 0, 0))
            if found == "console":
                _start(Console(port.line, target.url), target, login, zipapp, progress)
                host.reconnected(time.monotonic())
                meeting.wait(port, host, target.url, _START_S)
        except LineLostError as error:
            step = "plug it in, and type the same again"
            raise UnavailableError(Problem(target.url, "a line that stays", str(error), step)) from None
        return _bring(host, port, progress)


def _bring(host: Host, port: Port, progress: Progress) -> Said:
    told_s = 0.0

    def goes_on() -> bool:
        nonlocal told_s
        if time.monotonic() > told_s + _TELL_S:
            told_s = time.monotonic()
            progress(host.doing or host.state, *host.files)
        return not host.over

    while not host.over:
        try:
            pump(host, port.line, goes_on)
        except LineLostError:
            progress("the line was lost: waiting for it", 0, 0)
            port.reopen(_BACK_S)
            host.reconnected(time.monotonic())
    assert host.outcome is not None
    return host.outcome


def _start(
    console: Console, target: SerialTarget, login: Login | None, zipapp: Path | None, progress: Progress
) -> None:
    """Leave a receiver on the line."""
    progress("at a console", 0, 0)
    logged_in = console.enter(login)
    program, after = "edge-agent", ""
    if not console.has(program):
        folder = _brought(console, target, zipapp, progress)
        program, after = f"python3 {folder}/{_THERE}", f"; rm -rf {folder}"
    root = shlex.quote(target.root)
    may = f"[ -w {root} ] || [ $(id -u) = 0 ]"
    command = f"$({may} || echo sudo -n) {program} receive --root {root} --once 2>/dev/null"
    console.leave(f"{command}{after}{'; exit' * logged_in}")


def _brought(console: Console, target: SerialTarget, zipapp: Path | None, progress: Progress) -> str:
    """The folder there in which `zipapp` lies now."""
    if zipapp is None:
        raise UnavailableError(Problem(target.url, "edge-agent on the device", "none", "install it there"))
    if not console.has("python3"):
        raise UnavailableError(Problem(target.url, "python3 on the device", "none", "install it there"))
    folder = shlex.quote(console.folder())
    console.push(zipapp, f"{folder}/{_THERE}", lambda done, total: progress("sending the installer", done, total))
    return folder


def _reader(cargo: Cargo) -> Callable[[int, int, int], bytes]:
    """Reads the files of `cargo`, one open at a time."""

    def read(file: int, offset: int, size: int) -> bytes:
        with cargo.paths[file].open("rb", buffering=0) as stream:
            stream.seek(offset)
            content = stream.read(size)
        if len(content) != size:
            found = f"{len(content)} of {size} bytes"
            raise InputError(Problem(str(cargo.paths[file]), "the file that was listed", found, "flash again"))
        return content

    return read
