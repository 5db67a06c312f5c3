"""A server of a test's own, and a client of a few lines that sees every byte."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT_S = 30.0


class Answer(NamedTuple):
    """A response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


class Served:
    """The prototype in a process of its own.

    Attributes:
        worker: its worker's process id.
    """

    def __init__(self, bundle: Path, *options: str) -> None:
        command = [sys.executable, "-m", "tests.edge_agent.web.prototype", str(bundle), *options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        port, worker = self._process.stdout.readline().split()
        self.port, self.worker = int(port), int(worker)

    def stop(self) -> None:
        """End it."""
        self._process.communicate(timeout=TIMEOUT_S)

    def tell(self, word: str) -> None:
        """See the prototype's commands; done when this returns."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def connect(self) -> Client:
        """A connection."""
        return Client(self.port)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request over a connection of its own."""
        with self.connect() as client:
            client.send(request(method, path, body, **headers))
            return client.answer(head_only=method == "HEAD")


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """Its bytes; `Inference_Header_Content_Length=...` gives that header."""
    given = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        given.setdefault("Content-Length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.received = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """At once."""
        self._socket.close()

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """All of it."""
        self._socket.sendall(data)

    def half_close(self) -> None:
        """Say that no more will come."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self, head_only: bool = False) -> Answer:
        """The next response."""
        head = self.until(b"\r\n\r\n").decode()
        first, *lines = head.splitlines()
        assert first.startswith("HTTP/1.1 "), first
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        length = 0 if head_only else int(headers.get("content-length", "0"))
        while len(self.received) < length:
            self._more()
        body, self.received = self.received[:length], self.received[length:]
        return Answer(int(first.split()[1]), headers, body)

    def until(self, mark: bytes) -> bytes:
        """Everything up to `mark`."""
        while mark not in self.received:
            self._more()
        found, _, self.received = self.received.partition(mark)
        return found

    def closed(self) -> bool:
        """Wait for the server to close; whether it said nothing more."""
        while chunk := self._socket.recv(1 << 16):
            self.received += chunk
        return not self.received

    def _more(self) -> None:
        chunk = self._socket.recv(1 << 16)
        assert chunk, f"closed after {self.received!r}"
        self.received += chunk
