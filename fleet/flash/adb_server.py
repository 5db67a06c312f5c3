"""A client of the adb server on this machine: what a flash needs of it, and no more.

The protocol is AOSP's: packages/modules/adb/docs, OVERVIEW and SERVICES (requests of four hexadecimal digits and text,
answers OKAY and FAIL), SYNC (files), and shell_protocol.h (a command's output, errors and exit code in packets).
Why no library: docs/adr/0009-our-own-adb-client.md.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

PORT = 5037
MAX_ANSWER_BYTES = 1 << 20
_CHUNK_BYTES = 64 << 10
_SILENCE_S = 60.0
_START_S = 30.0
_FRAME = struct.Struct("<4sI")
_PACKET = struct.Struct("<BI")
_STDOUT, _STDERR, _EXIT = 1, 2, 3


class AdbError(Exception):
    """The server or the device refused something, and says why."""


class LostError(Exception):
    """The server, or the device behind it, is not there any more, or never was."""


class Finished(NamedTuple):
    """How a command on the device ended."""

    exit_code: int
    stdout: bytes
    stderr: str


class AdbServer:
    """The adb server that the user's own `adb` uses too: the environment says where, as for adb."""

    def __init__(self) -> None:
        self._port = int(os.environ.get("ANDROID_ADB_SERVER_PORT") or PORT)
        self._link: socket.socket | None = None

    def start(self) -> None:
        """See that it runs.

        Raises:
            LostError: it does not, and there is no `adb` to start it.
        """
        with contextlib.suppress(OSError):
            self._connect().close()
            return
        adb = shutil.which("adb")
        if adb is None:
            raise LostError("no adb server, and no program adb")
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([adb, "start-server"], capture_output=True, check=False, timeout=_START_S)
        try:
            self._connect().close()
        except OSError as error:
            raise LostError(f"adb start-server did not help: {error}") from None

    def close(self) -> None:
        """What another thread does with it fails soon."""
        link = self._link
        if link:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def devices(self) -> dict[str, str]:
        """Serial number → state: "device" can be used."""
        with self._lasting() as link:
            _request(link, "host:devices")
            lines = _block(link).decode(errors="replace").splitlines()
        return {serial: state for serial, _, state in (line.partition("\t") for line in lines) if serial}

    def shell(self, serial: str, command: str) -> Finished:
        """Run a line of shell on the device.

        Raises:
            AdbError, LostError: it could not be run to its end.
        """
        kept = {_STDOUT: bytearray(), _STDERR: bytearray()}
        with self._on(serial) as link:
            _request(link, f"shell,v2,raw:{command}")
            while True:
                kind, size = _PACKET.unpack(_exactly(link, _PACKET.size))
                if size > MAX_ANSWER_BYTES:
                    raise AdbError(f"a packet of {size} bytes")
                content = _exactly(link, size)
                if kind == _EXIT:
                    return Finished(content[0] if content else 255, bytes(kept[_STDOUT]), _text(kept[_STDERR]))
                if kind in kept and len(kept[kind]) < MAX_ANSWER_BYTES:
                    kept[kind] += content

    def push(self, serial: str, chunks: Iterable[bytes], place: str, sent: Callable[[int], None]) -> None:
        """Write a file of mode 0644; `sent` is called with the bytes so far.

        Raises:
            AdbError, LostError: it is not there, or not whole.
        """
        with self._on(serial) as link:
            _request(link, "sync:")
            target = f"{place},{stat.S_IFREG | 0o644}".encode()
            _send(link, _FRAME.pack(b"SEND", len(target)) + target)
            done = 0
            try:
                for chunk in chunks:
                    for at in range(0, len(chunk), _CHUNK_BYTES):
                        part = chunk[at : at + _CHUNK_BYTES]
                        _send(link, _FRAME.pack(b"DATA", len(part)) + part)
                        done += len(part)
                        sent(done)
                _send(link, _FRAME.pack(b"DONE", int(time.time())))
            except LostError:  # it may have said why before it hung up, and that is told
                with contextlib.suppress(LostError):
                    _sync_answer(link)
                raise
            _sync_answer(link)
            _send(link, _FRAME.pack(b"QUIT", 0))

    @contextmanager
    def _on(self, serial: str) -> Iterator[socket.socket]:
        """A connection whose next request is the device's."""
        with self._lasting() as link:
            _request(link, f"host:transport:{serial}")
            yield link

    @contextmanager
    def _lasting(self) -> Iterator[socket.socket]:
        try:
            link = self._connect()
        except OSError as error:
            raise LostError(f"no adb server: {(error.strerror or str(error)).lower()}") from None
        with link:
            self._link = link
            yield link
        self._link = None

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), _SILENCE_S)


def _request(link: socket.socket, text: str) -> None:
    raw = text.encode()
    _send(link, b"%04x" % len(raw) + raw)
    answer = _exactly(link, 4)
    if answer == b"FAIL":
        raise AdbError(_text(_block(link)))
    if answer != b"OKAY":
        raise AdbError(f"no adb server: it answers {answer!r}")


def _block(link: socket.socket) -> bytes:
    try:
        size = int(_exactly(link, 4), 16)
    except ValueError:
        raise AdbError("a length that is no number") from None
    return _exactly(link, size)


def _sync_answer(link: socket.socket) -> None:
    kind, size = _FRAME.unpack(_exactly(link, _FRAME.size))
    if kind != b"OKAY":
        raise AdbError(_text(_exactly(link, min(size, MAX_ANSWER_BYTES))))


def _send(link: socket.socket, content: bytes) -> None:
    try:
        link.sendall(content)
    except OSError as error:
        raise LostError((error.strerror or str(error)).lower()) from None


def _exactly(link: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        try:
            part = link.recv(min(size - len(found), 1 << 16))
        except OSError as error:
            raise LostError((error.strerror or str(error)).lower()) from None
        if not part:
            raise LostError("the connection was closed")
        found += part
    return bytes(found)


def _text(raw: bytes | bytearray) -> str:
    return "".join(letter for letter in bytes(raw).decode(errors="replace") if letter.isprintable())[:300]
