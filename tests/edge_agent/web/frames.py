"""Length-prefixed frames between the test's supervisor and its worker."""

from __future__ import annotations

import socket
import struct

LENGTH = struct.Struct("<I")


def exactly(stream: socket.socket, count: int) -> bytes:
    """So many bytes; none once the other side is gone."""
    received = bytearray()
    while len(received) < count:
        chunk = stream.recv(count - len(received))
        if not chunk:
            return b""
        received += chunk
    return bytes(received)
