"""What supervisor and worker say to each other: length-prefixed msgpack over a socket pair."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import msgspec

from edge_agent.source_config import SourceSettings
from firmware_profiles.wire import Input, Result, RuntimeInUse, SkippedRuntime

_LENGTH = struct.Struct("<I")
_MAX_FRAME_BYTES = 64 << 20


class Start(msgspec.Struct, frozen=True, tag=True):
    """Supervisor → worker, first of all.

    Attributes:
        folder: of the slot.
        skipped: runtimes that may not be used any more.
        reached, taken: cursors by source, as in `link.spool.Cursor`.
    """

    folder: str
    sources: list[SourceSettings]
    deadline_s: float
    skipped: list[SkippedRuntime]
    reached: dict[str, int]
    taken: dict[str, list[str]]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: the deployment passed its self-test on `runtime`."""

    model: str
    runtime: RuntimeInUse


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: the deployment is not run; the worker ends."""

    text: str


class Predicted(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: one answer, made at `uptime_ms`."""

    input: Input
    result: Result
    latency_ms: float
    uptime_ms: int


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: an input that cannot be answered."""

    input: Input
    text: str


class Forgotten(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: positions that are gone from their source."""

    source: str
    names: list[str]


class SourceEnded(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: no more inputs will come from it."""

    source: str


class SourceFailed(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: it could not be opened or read."""

    source: str
    text: str


FromWorker = Ready | Refused | Predicted | Rejected | Forgotten | SourceEnded | SourceFailed

_encoder = msgspec.msgpack.Encoder()
_from_worker = msgspec.msgpack.Decoder(FromWorker)
_start = msgspec.msgpack.Decoder(Start)


def send(stream: socket.socket, message: FromWorker | Start) -> None:
    """Send one message, waiting while the other side is behind."""
    payload = _encoder.encode(message)
    stream.sendall(_LENGTH.pack(len(payload)) + payload)


def receive_start(stream: socket.socket) -> Start:
    """Wait for the supervisor's message.

    Raises:
        EOFError: the supervisor is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _start.decode(_exactly(stream, length))


def _exactly(stream: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        chunk = stream.recv(count - len(received))
        if not chunk:
            raise EOFError
        received += chunk
    return bytes(received)


class Reader:
    """Takes the worker's bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[FromWorker]:
        """The messages that `received` completes.

        Raises:
            ValueError: the worker talks nonsense.
        """
        self._buffer += received
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if length > _MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            end = start + _LENGTH.size + length
            if end > len(self._buffer):
                break
            yield _from_worker.decode(memoryview(self._buffer)[start + _LENGTH.size : end])
            start = end
        del self._buffer[:start]
