"""Both ends over a line that exists in memory, in a time that costs none."""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Callable

from firmware_profiles.errors import GodwitError
from firmware_profiles.serial_link.bitmap import Bitmap
from firmware_profiles.serial_link.contents import Contents, File
from firmware_profiles.serial_link.device import Device
from firmware_profiles.serial_link.host import Host
from firmware_profiles.serial_link.said import Said

Spoil = Callable[[bytes], bytes]
RATE_BYTES_S = 300_000
_STEP_S = 0.002


class Memory:
    """A `store.Store`."""

    def __init__(self) -> None:
        self.sha256 = b""
        self.contents: Contents | None = None
        self.bitmap = Bitmap(0)
        self.files: list[bytearray] = []
        self.refusal: GodwitError | None = None
        self.results: deque[Said | list[int]] = deque()
        self.releases = 0

    def known(self, sha256: bytes) -> tuple[Contents, Bitmap] | None:
        return (self.contents, self.bitmap) if self.contents and self.sha256 == sha256 else None

    def begin(self, listed: bytes, contents: Contents) -> Bitmap:
        if self.refusal:
            raise self.refusal
        self.sha256, self.contents = hashlib.sha256(listed).digest(), contents
        self.bitmap = Bitmap(contents.chunks().count)
        self.files = [bytearray(file.size_bytes) for file in contents.files]
        return self.bitmap

    def write(self, file: int, offset_bytes: int, content: bytes) -> None:
        self.files[file][offset_bytes : offset_bytes + len(content)] = content

    def arrived(self, bitmap: Bitmap) -> None:
        self.bitmap = bitmap

    def finish(self) -> None:
        pass

    def finishing(self) -> str | Said | list[int]:
        return self.results.popleft() if self.results else Said(0, "installed", "")

    def release(self) -> None:
        self.releases += 1


def contents_of(files: list[bytes]) -> Contents:
    """A list that names `files`."""
    return Contents(
        tuple(File(f"kit/f{at}", len(file), hashlib.sha256(file).hexdigest()) for at, file in enumerate(files))
    )


class Wire:
    """One direction: a rate, a delay, and what spoils it."""

    def __init__(self, spoil: Spoil, delay_s: float = 0.004) -> None:
        self.spoil = spoil
        self.delay_s = delay_s
        self.carried_bytes = 0
        self._busy_s = 0.0
        self._waiting: deque[tuple[float, bytes]] = deque()

    def room_bytes(self, now_s: float) -> int:
        return 4096 - int(max(self._busy_s - now_s, 0) * RATE_BYTES_S)

    def put(self, content: bytes, now_s: float) -> None:
        self._busy_s = max(self._busy_s, now_s) + len(content) / RATE_BYTES_S
        self.carried_bytes += len(content)
        if content:
            self._waiting.append((self._busy_s + self.delay_s, self.spoil(content)))

    def take(self, now_s: float) -> bytes:
        taken = b""
        while self._waiting and self._waiting[0][0] <= now_s:
            taken += self._waiting.popleft()[1]
        return taken


class Meeting:
    """A host and a device, and the time."""

    def __init__(self, files: list[bytes], there: Wire, back: Wire, store: Memory, seed: int = 0) -> None:
        self.now_s = 0.0
        self.there, self.back, self.store = there, back, store
        self.files = files
        self.host = Host(contents_of(files), self._read, 0.0, random.Random(seed))  # noqa: S311
        self.device = Device(store, lambda: b"{}")

    def _read(self, file: int, offset: int, size: int) -> bytes:
        return self.files[file][offset : offset + size]

    def run(self, until: Callable[[], bool], limit_s: float = 600.0) -> None:
        """Go on until then."""
        while not until():
            assert self.now_s < limit_s, f"host {self.host.state}, device {self.device.state}"
            if self.there.room_bytes(self.now_s) > 0:
                self.there.put(self.host.output(self.now_s, self.there.room_bytes(self.now_s)), self.now_s)
            self.back.put(self.device.output(self.now_s, 4096), self.now_s)
            if came := self.there.take(self.now_s):
                self.device.feed(came, self.now_s)
            if came := self.back.take(self.now_s):
                self.host.feed(came, self.now_s)
            self.now_s += _STEP_S


def noisy(choose: random.Random, rate: float) -> Spoil:
    """Flips, drops or inserts a byte at `rate` of them."""

    def spoil(content: bytes) -> bytes:
        spoiled = bytearray()
        for byte in content:
            if choose.random() >= rate:
                spoiled.append(byte)
                continue
            kind = choose.randrange(3)
            if kind == 0:
                spoiled.append(byte ^ 1 << choose.randrange(8))
            elif kind == 1:
                spoiled += bytes((byte, choose.randrange(256)))
        return bytes(spoiled)

    return spoil


def clean(content: bytes) -> bytes:
    """A line without errors."""
    return content
