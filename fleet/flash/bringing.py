"""A transfer over an open port, until the device says how it ended; the cable may be pulled meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.serial_link.contents import Cargo
from firmware_profiles.serial_link.host import Host
from firmware_profiles.serial_link.pump import LineLostError, pump
from firmware_profiles.serial_link.said import Said
from fleet.flash.port import Port

Progress = Callable[[str, int, int], None]
"""What is being done, how many bytes of it are, and of how many; 0 of 0 where it is not bytes."""
_BACK_S = 60.0
_TELL_S = 0.2


def in_words(what: str, done_bytes: int, total_bytes: int) -> str:
    """Progress, for people."""
    return f"{what}: {done_bytes / 1e6:.2f} of {total_bytes / 1e6:.2f} MB" if total_bytes else what


def host_of(cargo: Cargo) -> Host:
    """The host's end of its transfer."""
    return Host(cargo.contents, _reader(cargo), time.monotonic(), random.SystemRandom())


def bring(host: Host, port: Port, progress: Progress) -> Said:
    """Go on from where `host` is, once a receiver was met: how the process on the device ended.

    Raises:
        UnavailableError: the line was lost and does not come back, or the device falls silent.
        InputError: a file changed since it was listed.
    """
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
            progress("waiting for the line, which was lost", 0, 0)
            port.reopen(_BACK_S)
            host.reconnected(time.monotonic())
    port.drain()
    assert host.outcome is not None
    return host.outcome


def _reader(cargo: Cargo) -> Callable[[int, int, int], bytes]:
    """Reads pieces of the files of `cargo`."""

    def read(file: int, offset: int, size: int) -> bytes:
        path = cargo.paths[file]
        try:
            with path.open("rb", buffering=0) as stream:
                stream.seek(offset)
                content = stream.read(size)
        except OSError as error:
            content, found = b"", str(error.strerror).lower()
        else:
            found = f"{len(content)} of {size} bytes"
        if len(content) != size:
            raise InputError(Problem(str(path), "the file that was listed", found, "flash again"))
        return content

    return read
