"""Receivers on real ptys, and hosts in threads."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from firmware_profiles.serial_link import contents
from firmware_profiles.serial_link.contents import Cargo, Contents
from firmware_profiles.serial_link.said import Said
from fleet.flash import bringing, meeting
from fleet.flash.port import Port

TIMEOUT_S = 60.0


def kit(folder: Path, *sizes: int) -> Cargo:
    """A folder of random files; one that is there already stays."""
    for at, size in enumerate(sizes):
        path = folder / "targets" / f"{at}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(at).randbytes(size))  # noqa: S311
    return contents.gather(folder, None)


class Seen:
    """What progress told."""

    def __init__(self) -> None:
        self.done_bytes = 0
        self.words: list[str] = []

    def __call__(self, what: str, done_bytes: int, _: int) -> None:
        self.words.append(what)
        self.done_bytes = done_bytes


def bring(port: Path, baud: int, cargo: Cargo, seen: Seen) -> Said:
    """What `godwit flash` does at a line, without its plan; the receiver may have yet to start."""
    host = bringing.host_of(cargo)
    with Port(str(port), baud) as opened:
        meeting.wait(opened, host, "here", TIMEOUT_S)
        return bringing.bring(host, opened, seen)


def meet(port: Path, baud: int) -> str:
    """Who is found there at first."""
    with Port(str(port), baud) as opened:
        return meeting.meet(opened, bringing.host_of(Cargo(Contents(()), [])), "here", baud)


def same(cargo: Cargo, received: Path) -> bool:
    """Whether a receiver's folder holds these files."""
    files = received / "files"
    pairs = zip(cargo.contents.files, cargo.paths, strict=True)
    return all((files / file.path).read_bytes() == path.read_bytes() for file, path in pairs)


def on_port(arguments: list[str], port: Path) -> subprocess.Popen[bytes]:
    """A program whose terminal is `port`: in a session of its own, as a login's."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        return subprocess.Popen(
            ["setsid", "--ctty", *arguments], stdin=descriptor, stdout=descriptor, stderr=descriptor
        )
    finally:
        os.close(descriptor)


def receiver(port: Path, folder: Path) -> subprocess.Popen[bytes]:
    """One that keeps files and installs nothing."""
    return on_port([sys.executable, "-m", "firmware_profiles.serial_receiver", str(folder)], port)


def cook(port: Path) -> None:
    """Make the terminal as it is at a prompt: lines, echo, Ctrl-C."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    modes = termios.tcgetattr(descriptor)
    modes[0] |= termios.ICRNL
    modes[1] |= termios.OPOST | termios.ONLCR
    modes[3] |= termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN
    termios.tcsetattr(descriptor, termios.TCSANOW, modes)
    os.close(descriptor)


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Killed when the block ends."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], object]) -> None:
    """Wait for it."""
    limit_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < limit_s
        time.sleep(0.01)


class Background(threading.Thread):
    """Runs `job`; `result()` waits for what it returned or raised."""

    def __init__(self, job: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._job = job
        self._result: Any = None
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._job()
        except Exception as error:  # noqa: BLE001  # told by result()
            self._error = error

    def result(self) -> Any:
        self.join(TIMEOUT_S)
        assert not self.is_alive()
        if self._error:
            raise self._error
        return self._result
