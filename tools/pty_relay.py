"""A serial line between two ptys: held to a rate, with errors, and with plugs that can be pulled.

`python -m tools.pty_relay FOLDER --rate 300000 --errors 1e-5` runs one until it is ended: the ports are
FOLDER/host and FOLDER/device.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tools import uart

if TYPE_CHECKING:
    from typing_extensions import Self

_BUFFER_BYTES = 4096
"""Of a UART's driver: so much of a pause of this process costs the line nothing."""
_BITS = 10
_WAIT_S = 0.002
_BAUDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}


class Plug:
    """One end of the cable: the symbolic link `path` is the port of whoever opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = self._slave = -1
        self.put_in()

    def put_in(self) -> None:
        """Make the port."""
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))

    def pull(self) -> None:
        """It is gone, and who has it open hears so."""
        self.path.unlink(missing_ok=True)
        os.close(self.master)
        os.close(self._slave)
        self.master = self._slave = -1

    def baud(self) -> int:
        """That the program at this end has set."""
        return _BAUDS.get(termios.tcgetattr(self.master)[4], 0)


class Errors:
    """Spoils bytes: each is flipped in one bit, dropped, or followed by another one, at the rate `share`."""

    def __init__(self, share: float, seed: int) -> None:
        self.share = share
        self._choose = random.Random(seed)  # noqa: S311  # no secret
        self._next = self._gap()

    def spoil(self, content: bytes) -> bytes:
        """What comes out at the other end."""
        if self.share == 0:
            return content
        spoiled = bytearray()
        at = 0
        while at + self._next < len(content):
            spoiled += content[at : at + self._next]
            at += self._next
            spoiled += self._one(content[at])
            at += 1
            self._next = self._gap()
        self._next -= len(content) - at
        return bytes(spoiled + content[at:])

    def _one(self, byte: int) -> bytes:
        kind = self._choose.randrange(3)
        if kind == 0:
            return bytes((byte ^ 1 << self._choose.randrange(8),))
        return b"" if kind == 1 else bytes((byte, self._choose.randrange(256)))

    def _gap(self) -> int:
        return int(self._choose.expovariate(self.share)) if self.share else 0


class _Way:
    """One direction."""

    def __init__(self, source: Plug, sink: Plug, rate: int, errors: Errors) -> None:
        self.source, self.sink, self.errors = source, sink, errors
        self.carried_bytes = 0
        self._rate = rate
        self._free_s = 0.0
        self._waiting = b""

    def move(self, now_s: float) -> bool:
        """Carry what the rate allows; whether anything was."""
        if self._waiting:
            with contextlib.suppress(BlockingIOError):
                self._waiting = self._waiting[os.write(self.sink.master, self._waiting) :]
        if self._waiting or now_s < self._free_s:
            return False
        with contextlib.suppress(BlockingIOError):
            content = os.read(self.source.master, max(self._rate // 500, 1))
            self.carried_bytes += len(content)
            self._free_s = max(self._free_s, now_s - _BUFFER_BYTES / self._rate) + len(content) / self._rate
            self._waiting = self._heard(content)
            return True
        return False

    def _heard(self, content: bytes) -> bytes:
        sent, heard = self.source.baud(), self.sink.baud()
        if sent != heard and sent and heard:
            content = uart.heard(content, sent, heard)
        return self.errors.spoil(content)


class Relay:
    """Running while the block lasts.

    Attributes:
        host, device: its two plugs.
        errors: of both directions; `share` may be changed.
    """

    def __init__(self, folder: Path, rate: int = 300_000, errors: float = 0.0, seed: int = 0) -> None:
        """Args: `rate` in bytes a second; ports that are set to different speeds garble each other."""
        self.host, self.device = Plug(folder / "host"), Plug(folder / "device")
        self.errors = Errors(errors, seed)
        self._there = _Way(self.host, self.device, rate, self.errors)
        self._back = _Way(self.device, self.host, rate, self.errors)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for plug in (self.host, self.device):
            if plug.master >= 0:
                plug.pull()

    @property
    def carried_bytes(self) -> int:
        """From the host to the device."""
        return self._there.carried_bytes

    @contextlib.contextmanager
    def pulled(self, plug: Plug) -> Iterator[None]:
        """One end is out of its socket while the block lasts."""
        with self._lock:
            plug.pull()
        yield
        with self._lock:
            plug.put_in()

    def run(self) -> None:
        """Carry bytes until the end."""
        while not self._ended.is_set():
            with self._lock:
                whole = min(self.host.master, self.device.master) >= 0
                moved = whole and self._there.move(time.monotonic()) | self._back.move(time.monotonic())
            if not moved:
                time.sleep(_WAIT_S)


def main() -> None:
    """Run one until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tools.pty_relay")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=int, default=300_000, help="bytes a second")
    parser.add_argument("--errors", type=float, default=0.0, help="share of bytes that are spoiled")
    parser.add_argument("--seed", type=int, default=0, help="of the errors")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Relay(given.folder, given.rate, given.errors, given.seed).run()


if __name__ == "__main__":
    main()
