"""A relay before a real broker: it passes MQTT 3.1.1, and meets MQTT 5 as an old broker does."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tools.broker import Broker, free_port

_REFUSAL = b"\x20\x02\x00\x01"
"""CONNACK of MQTT 3.1.1: unacceptable protocol version."""
_NAME = b"\x00\x04MQTT"


class Relay(socketserver.ThreadingTCPServer):
    """Use `relay`.

    Attributes:
        answer: what MQTT 5 is told before the connection is closed; None where it passes too.
        asked: the protocol level of every CONNECT, in order.
        client_ids: of every CONNECT that passed.
        url: `mqtt://127.0.0.1:PORT`.
    """

    daemon_threads = True

    def __init__(self, broker: Broker, answer: bytes | None) -> None:
        port = free_port()
        super().__init__(("127.0.0.1", port), _Connection)
        self.broker = broker
        self.answer = answer
        self.asked: list[int] = []
        self.client_ids: list[str] = []
        self.url = f"mqtt://127.0.0.1:{port}"


class _Connection(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        connect = self.request.recv(4096)
        level_at = connect.index(_NAME) + len(_NAME)
        level = connect[level_at]
        self.server.asked.append(level)
        if level == 5 and self.server.answer is not None:
            self.request.sendall(self.server.answer)
            return
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.broker.port)) as broker:
            if level == 4:
                id_at = level_at + 4
                length = int.from_bytes(connect[id_at : id_at + 2], "big")
                self.server.client_ids.append(connect[id_at + 2 : id_at + 2 + length].decode())
            broker.sendall(connect)
            back = threading.Thread(target=_pump, args=(broker, self.request), daemon=True)
            back.start()
            _pump(self.request, broker)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            sink.sendall(content)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(broker: Broker, answer: bytes | None) -> Iterator[Relay]:
    """A running relay."""
    with Relay(broker, answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


OLD_BROKERS = {"refuses": _REFUSAL, "closes": b""}
"""How brokers without MQTT 5 answer it; amqtt gives no answer at all."""
