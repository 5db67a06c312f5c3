"""The worker's end of the channel, for sending: many small messages leave together."""

from __future__ import annotations

import socket
import time

from edge_agent import channel
from edge_agent.channel import FromWorker

_FLUSH_BYTES = 1 << 15
_FLUSH_AFTER_S = 0.01
"""To wake the supervisor costs more than a message, and it commits in groups of 50 ms anyway."""


class Outgoing:
    """Gathers messages; what is gathered leaves when it is much, or old."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._gathered = bytearray()
        self._due_s = 0.0

    def send(self, message: FromWorker) -> None:
        """Send `message`, with others."""
        now_s = time.monotonic()
        if not self._gathered:
            self._due_s = now_s + _FLUSH_AFTER_S
        self._gathered += channel.frame(message)
        if len(self._gathered) >= _FLUSH_BYTES or now_s >= self._due_s:
            self.flush()

    def due_s(self) -> float | None:
        """When what is gathered is to leave, by the monotonic clock; None where there is nothing."""
        return self._due_s if self._gathered else None

    def flush(self) -> None:
        """Send what was gathered, waiting while the supervisor is behind."""
        if self._gathered:
            self._stream.sendall(self._gathered)
            self._gathered.clear()
