"""The worker's end of the channel, for sending: many small messages leave together."""

from __future__ import annotations

import socket
import time

from edge_agent import channel
from edge_agent.channel import FromWorker

_FLUSH_BYTES = 1 << 15
_FLUSH_AFTER_S = 0.002


class Outgoing:
    """Gathers messages; what is gathered leaves when it is much, old, or nothing else is to be done."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._gathered = bytearray()
        self._since_s = 0.0

    def send(self, message: FromWorker) -> None:
        """Send `message`, with others."""
        if not self._gathered:
            self._since_s = time.monotonic()
        self._gathered += channel.frame(message)
        if len(self._gathered) >= _FLUSH_BYTES or time.monotonic() - self._since_s >= _FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        """Send what was gathered, waiting while the supervisor is behind."""
        if self._gathered:
            self._stream.sendall(self._gathered)
            self._gathered.clear()
