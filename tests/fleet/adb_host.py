"""An adb server as clients see it (AOSP's packages/modules/adb/docs: OVERVIEW and SERVICES), with fake phones."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fleet.android import GoneError, Phone


class _Link:
    """A `android.Stream` on a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            part = self._connection.recv(size - len(content))
            if not part:
                raise GoneError
            content += part
        return content

    def write(self, content: bytes) -> None:
        self._connection.sendall(content)


@contextmanager
def serving(phones: list[Phone]) -> Iterator[int]:
    """Its port on the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, phones), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, phones: list[Phone]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_serve, args=(connection, phones), daemon=True).start()


def _serve(connection: socket.socket, phones: list[Phone]) -> None:
    link = _Link(connection)
    phone: Phone | None = None
    with connection, contextlib.suppress(GoneError, OSError):
        while True:
            request = link.read(int(link.read(4), 16)).decode()
            if phone is not None:
                link.write(b"OKAY")
                phone.serve(request, link)
                return
            if request == "host:devices":
                listed = "".join(f"{each.serial}\t{each.state}\n" for each in phones).encode()
                link.write(b"OKAY%04x" % len(listed) + listed)
                return
            serial = request.removeprefix("host:transport:")
            phone = next((each for each in phones if each.serial == serial), None)
            if phone is None or phone.state != "device":
                told = f"device '{serial}' not found" if phone is None else f"device {phone.state}"
                link.write(b"FAIL%04x" % len(told) + told.encode())
                return
            link.write(b"OKAY")
