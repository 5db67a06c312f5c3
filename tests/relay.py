"""A relay before a real broker: it passes MQTT 3.1.1, and meets MQTT 5 as an old broker does."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tools.broker import Broker, free_port
from tools.certificates import Identity

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


class Coalescing(socketserver.ThreadingTCPServer):
    """TLS on the client's side; what comes from the broker while it is `held` goes on in one record.

    Attributes:
        url: `mqtts://127.0.0.1:PORT`.
    """

    daemon_threads = True

    def __init__(self, broker: Broker, identity: Identity) -> None:
        port = free_port()
        super().__init__(("127.0.0.1", port), _TlsConnection)
        self.broker = broker
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(*identity)
        self.flowing = threading.Event()
        self.flowing.set()
        self.url = f"mqtts://127.0.0.1:{port}"

    @contextmanager
    def held(self) -> Iterator[None]:
        self.flowing.clear()
        yield
        self.flowing.set()


class _TlsConnection(socketserver.BaseRequestHandler):
    server: Coalescing

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.broker.port)) as broker, contextlib.suppress(OSError):
            client = self.server.context.wrap_socket(self.request, server_side=True)
            while True:
                ends = [client, broker] if self.server.flowing.is_set() else [client]
                for end in [client] if client.pending() else select.select(ends, [], [], 0.02)[0]:
                    said = end.recv(16384)
                    if not said:
                        return
                    (broker if end is client else client).sendall(said)


@contextmanager
def coalescing(broker: Broker, identity: Identity) -> Iterator[Coalescing]:
    """A running one."""
    with Coalescing(broker, identity) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
