"""A phone on the other side of the real adb server: adbd's transport, over TCP as with `adb connect`.

AOSP, packages/modules/adb: protocol.txt ("--- protocol overview and basics" and the messages below it). Messages have
a header of six words; CNXN begins, AUTH asks for a key, and OPEN, OKAY, WRTE and CLSE carry one stream a service.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fleet.android import GoneError, Phone

_HEADER = struct.Struct("<4sIIIII")
_VERSION = 0x01000001  # no checksums
_MAX_DATA = 256 << 10
_TOKEN = 1
_BANNER = b"device::ro.product.name=husky;ro.product.model=Pixel 8;ro.product.device=husky;features=shell_v2,cmd\0"


class _Stream:
    """A `android.Stream` for one OPEN."""

    def __init__(self, link: _Transport, ours: int, theirs: int) -> None:
        self._link, self._ours, self._theirs = link, ours, theirs
        self._left = b""
        self.incoming: queue.Queue[bytes | None] = queue.Queue()
        self.taken = threading.Semaphore(0)

    def read(self, size: int) -> bytes:
        while len(self._left) < size:
            part = self.incoming.get()
            if part is None:
                raise GoneError
            self._left += part
        content, self._left = self._left[:size], self._left[size:]
        return content

    def write(self, content: bytes) -> None:
        for at in range(0, len(content), _MAX_DATA):
            self._link.send(b"WRTE", self._ours, self._theirs, content[at : at + _MAX_DATA])
            self.taken.acquire()


class _Transport:
    """One connection from an adb server."""

    def __init__(self, connection: socket.socket, phone: Phone) -> None:
        self._connection, self._phone = connection, phone
        self._streams: dict[int, _Stream] = {}
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()

    def send(self, command: bytes, first: int, second: int, content: bytes = b"") -> None:
        magic = struct.unpack("<I", command)[0] ^ 0xFFFFFFFF
        with self._sending:
            self._connection.sendall(_HEADER.pack(command, first, second, len(content), 0, magic) + content)

    def serve(self) -> None:
        with self._connection, contextlib.suppress(GoneError, OSError):
            while True:
                command, first, second, size, _, _ = _HEADER.unpack(self._exactly(_HEADER.size))
                self._answer(command, first, second, self._exactly(size))
        for stream in self._streams.values():
            stream.incoming.put(None)

    def _answer(self, command: bytes, first: int, second: int, content: bytes) -> None:
        if command in (b"CNXN", b"AUTH") and self._phone.state == "unauthorized":
            if command == b"CNXN" or first == 2:  # a signature by a key that it does not know; the key itself it shows
                self.send(b"AUTH", _TOKEN, 0, os.urandom(20))
        elif command == b"CNXN":
            self.send(b"CNXN", _VERSION, _MAX_DATA, _BANNER)
        elif command == b"OPEN":
            ours = next(self._numbers)
            stream = self._streams[ours] = _Stream(self, ours, first)
            self.send(b"OKAY", ours, first)
            threading.Thread(target=self._run, args=(ours, first, content, stream), daemon=True).start()
        elif command == b"WRTE":
            self._streams[second].incoming.put(content)
            self.send(b"OKAY", second, first)
        elif command == b"OKAY":
            self._streams[second].taken.release()
        elif command == b"CLSE" and second in self._streams:
            self._streams[second].incoming.put(None)

    def _run(self, ours: int, theirs: int, service: bytes, stream: _Stream) -> None:
        try:
            self._phone.serve(service.rstrip(b"\0").decode(), stream)
        except GoneError:
            self._connection.close()
        with contextlib.suppress(OSError):
            self.send(b"CLSE", ours, theirs)

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            part = self._connection.recv(size - len(content))
            if not part:
                raise GoneError
            content += part
        return content


@contextmanager
def listening(phone: Phone) -> Iterator[str]:
    """The phone's serial, as an adb server calls it that was told to connect: 127.0.0.1:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    _Transport(door.accept()[0], phone).serve()

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{door.getsockname()[1]}"
        door.shutdown(socket.SHUT_RDWR)
