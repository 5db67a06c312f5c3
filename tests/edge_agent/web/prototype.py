"""A whole HTTP server with a real worker behind it, without the rest of the agent.

`python -m tests.edge_agent.web.prototype BUNDLE [--token-file F] [--max-body-mb N] [--max-waiting N]` prints
its port and its worker's process id, and serves until its stdin ends. A line `predict` on stdin lets the sources'
listener hear a prediction; `block` makes the backend keep inferences to itself until `release`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from edge_agent.channel import Answer, Predicted
from edge_agent.config import Http
from edge_agent.inference import InferReply, InferRequest
from edge_agent.status import Status
from edge_agent.web import server
from edge_agent.web.auth import read_token
from edge_agent.web.backend import Counts, Listener
from firmware_profiles.bundle import Bundle
from firmware_profiles.manifest import Manifest
from firmware_profiles.results import Classification, ClassScore, Input
from firmware_profiles.wire import RuntimeInUse, Telemetry
from tests.edge_agent.web.frames import LENGTH

Answered = Callable[[InferReply], None]
_GONE = InferReply(503, b'{"error":"the worker is being started again"}')


class Prototype:
    """The `Backend` of one worker process; replies come in the order of requests."""

    def __init__(self, bundle: Path) -> None:
        with Bundle(bundle) as opened:
            self._manifest = opened.manifest
        self.blocked: list[tuple[InferRequest, Answered]] | None = None
        self._listeners: list[Listener] = []
        self._answered: deque[Answered] = deque()
        self._received = bytearray()
        self._decoder = msgspec.msgpack.Decoder(InferReply)
        self._stream, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.edge_agent.web.worker", str(theirs.fileno()), str(bundle)]
        with theirs:
            self.worker = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        assert self._stream.recv(1) == b"!"

    def start(self) -> None:
        """Listen to the worker."""
        self._stream.setblocking(False)
        asyncio.get_running_loop().add_reader(self._stream, self._readable)

    def infer(self, request: InferRequest, answered: Answered) -> None:
        """See Backend."""
        if self.blocked is not None:
            self.blocked.append((request, answered))
            return
        if self._stream.fileno() < 0:
            answered(_GONE)
            return
        self._answered.append(answered)
        payload = msgspec.msgpack.encode(request)
        self._send(LENGTH.pack(len(payload)) + payload)

    def _send(self, data: bytes) -> None:
        try:
            sent = self._stream.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):  # a supervisor would keep the rest and go on; this one waits
            self._stream.setblocking(True)
            self._stream.sendall(data[sent:])
            self._stream.setblocking(False)

    def _readable(self) -> None:
        received = self._stream.recv(1 << 18)
        if not received:
            asyncio.get_running_loop().remove_reader(self._stream)
            self._stream.close()
            while self._answered:
                self._answered.popleft()(_GONE)
            return
        self._received += received
        while len(self._received) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._received)
            if len(self._received) < LENGTH.size + length:
                return
            reply = self._decoder.decode(memoryview(self._received)[LENGTH.size : LENGTH.size + length])
            del self._received[: LENGTH.size + length]
            self._answered.popleft()(reply)

    def status(self) -> Status:
        """See Backend."""
        in_use = RuntimeInUse("litert", "xnnpack", '2.3.0 "odd" \\', 9, 9)
        alive = self._stream.fileno() >= 0
        return Status(
            state="running" if alive else "starting",
            problem="",
            device="door-7",
            deployment=self._manifest.name,
            version=self._manifest.version,
            profile=self._manifest.profiles[0],
            supervisor_pid=os.getpid(),
            worker_pid=self.worker.pid,
            broker="127.0.0.1:1883",
            connected=True,
            predictions=1234,
            latency_p50_ms=0.12,
            latency_p95_ms=0.31,
            spool_messages=7,
            spool_bytes=1834,
            dropped={"telemetry": 2},
            models={model.name: in_use for model in self._manifest.models} if alive else {},
            sources={'odd "name"\\': "running", "inbox": "/srv/inbox: expected a folder, found none; make it"},
        )

    def telemetry(self) -> Telemetry:
        """See Backend."""
        return Telemetry(
            seq=0,
            spool="00000000",
            boot="00000000",
            uptime_ms=0,
            time=datetime.now(timezone.utc),
            clock_trusted=True,
            predictions=1234,
            latency_p50_ms=0.12,
            latency_p95_ms=0.31,
            worker_rss_bytes=48_234_496,
            supervisor_rss_bytes=27_422_720,
            spool_messages=7,
            spool_bytes=1834,
            dropped={"telemetry": 2},
            temperature_c=51.5,
            throttled=["under_voltage"],
            cpu_percent=12.5,
        )

    def manifest(self) -> Manifest:
        """See Backend."""
        return self._manifest

    def counts(self) -> Counts:
        """See Backend."""
        return Counts(1, {"started": 1, "input_rejected": 3})

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See Backend."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def predict(self, number: int) -> None:
        """Let those who listen hear a prediction."""
        scores = [ClassScore(number % 3, ["ant", "bee", "cat"][number % 3], 0.98), ClassScore(4, "<b>dog</b>", 0.01)]
        answer = Answer(self._manifest.models[0].name, Classification(scores), 0.31)
        for listener in self._listeners:
            listener(Predicted(Input("replay", number), [answer], 1))

    def release(self) -> None:
        """Hand on what was blocked."""
        kept, self.blocked = self.blocked or [], None
        for request, answered in kept:
            self.infer(request, answered)


async def _serve(arguments: argparse.Namespace) -> None:
    backend = Prototype(arguments.bundle)
    backend.start()
    settings = Http(max_body_mb=arguments.max_body_mb, max_waiting=arguments.max_waiting)
    token = read_token(Path(arguments.token_file)) if arguments.token_file else None
    listening = server.build(settings, token, backend)
    print(await listening.start("127.0.0.1:0"), backend.worker.pid, flush=True)
    loop = asyncio.get_running_loop()
    number = 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line == "block\n":
            backend.blocked = []
        elif line == "release\n":
            backend.release()
        else:
            number += 1
            backend.predict(number)
        print("done", flush=True)
    listening.stop()
    backend.worker.kill()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--token-file", default="")
    parser.add_argument("--max-body-mb", type=float, default=16.0)
    parser.add_argument("--max-waiting", type=int, default=32)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
