"""A TCP proxy before the broker that cuts a connection in the middle of what is being sent."""

from __future__ import annotations

import contextlib
import random
import socket
import socketserver
import struct
import threading

from tools.broker import Broker, free_port

_RESET = struct.pack("ii", 1, 0)


class Proxy(socketserver.ThreadingTCPServer):
    """Use as a context manager.

    Attributes:
        url: `mqtt://127.0.0.1:PORT`.
        cuts: how many connections were cut.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, broker: Broker) -> None:
        port = free_port()
        super().__init__(("127.0.0.1", port), _Connection)
        self.broker = broker
        self.url = f"mqtt://127.0.0.1:{port}"
        self.cuts = 0
        self._random = random.Random(1)  # noqa: S311
        self._direction = ""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def cut(self, direction: str) -> None:
        """Cut the next packets "out" (of the agent) or "in" after some of their bytes."""
        self._direction = direction

    def shortened(self, direction: str, content: bytes) -> bytes | None:
        """What still passes of `content`, if the connection ends with it; None if all passes."""
        if direction != self._direction or len(content) < 2:
            return None
        self._direction = ""
        self.cuts += 1
        return content[: self._random.randrange(1, len(content))]


class _Connection(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.broker.port)) as broker:
            back = threading.Thread(target=self._pump, args=("in", broker, self.request), daemon=True)
            back.start()
            self._pump("out", self.request, broker)
            back.join()

    def _pump(self, direction: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                rest = self.server.shortened(direction, content)
                sink.sendall(content if rest is None else rest)
                if rest is not None:
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
