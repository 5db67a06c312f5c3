"""What supervisor and worker say to each other: length-prefixed msgpack over a socket pair."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from edge_agent.inference import InferReply, InferRequest
from edge_agent.runtime_config import External
from edge_agent.source_config import SourceSettings
from firmware_profiles.results import Input, Result
from firmware_profiles.wire import RuntimeInUse, SkippedRuntime

_LENGTH = struct.Struct("<I")
_MAX_FRAME_BYTES = 64 << 20
READ_BYTES = 1 << 16


class Start(msgspec.Struct, frozen=True, tag=True):
    """Supervisor → worker, first of all.

    Attributes:
        folder: of the slot.
        sources: to be opened when `Open` comes.
        skipped: runtimes that may not be used any more.
        beside: another worker answers meanwhile, so that this one takes the time to load what it may need.
        stdin: descriptor of the agent's standard input; -1 where no source reads it.
        cache: folder of what runtimes keep to load faster.
        external: the device's external TFLite delegate.
    """

    folder: str
    sources: list[SourceSettings]
    deadline_s: float
    skipped: list[SkippedRuntime]
    beside: bool
    stdin: int
    cache: str
    external: External | None


class HeldRows(msgspec.Struct, frozen=True):
    """Rows of a window that is not full yet.

    Attributes:
        values: float32 [n, channels], in C order.
        skip: rows that are left out before the next window begins.
        last_time: in the channel that holds the time.
    """

    values: bytes
    channels: int
    skip: int
    last_time: float | None


class Rest(msgspec.Struct, frozen=True):
    """What was read of a source and made no input yet: bytes of which no piece was made, and rows."""

    received: bytes = b""
    rows: HeldRows | None = None


class Open(msgspec.Struct, frozen=True, tag=True):
    """Supervisor → worker, once it is ready: open the sources, where they were left.

    Attributes:
        reached, taken: cursors by source, as in `link.spool.Cursor`; a source without one is not opened.
        left_ms: since when nothing was read of them, by the time since boot; 0 where nobody read before.
        rest: by source; what the worker before has read and made no input of.
    """

    reached: dict[str, int]
    taken: dict[str, list[str]]
    left_ms: int = 0
    rest: dict[str, Rest] = {}


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Supervisor → worker: read nothing more, answer what was read, let go of the sources."""


class Request(msgspec.Struct, frozen=True, tag=True):
    """Supervisor → worker: somebody waits for the answer."""

    number: int
    asked: InferRequest


class Payload(msgspec.Struct, frozen=True, tag=True):
    """Supervisor → worker: a message that came in for an MQTT source."""

    number: int
    source: str
    body: bytes


class Pace(msgspec.Struct, frozen=True, tag=True):
    """Supervisor → worker: sources go at `factor` (above 0, at most 1) of their declared rate."""

    factor: float


ToWorker = Open | Request | Payload | Pace | Finish


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: the deployment passed its self-test; what runs each model."""

    models: dict[str, RuntimeInUse]


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: the deployment is not run; the worker ends."""

    text: str


class Answer(msgspec.Struct, frozen=True):
    """What one model said about an input, and, in `then`, what others made of its output."""

    model: str
    result: Result
    latency_ms: float
    then: dict[str, Result] = {}


class Predicted(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: the answers to one input, made at `uptime_ms`."""

    input: Input
    answers: list[Answer]
    uptime_ms: int


class Replied(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: the answer to the `Request` of that number."""

    number: int
    reply: InferReply


class Announced(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: a runtime does something that takes minutes; `progress` from 0 to 1, or None."""

    text: str
    progress: float | None


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: an input that cannot be answered."""

    input: Input
    text: str


class Absorbed(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: all that came of the payload of that number was said before."""

    number: int


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


class SourceReopened(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: a source that only one can hold is open again; nothing was read for `gap_ms`."""

    source: str
    gap_ms: int


class Finished(msgspec.Struct, frozen=True, tag=True):
    """Worker → supervisor: it did what `Finish` says; from `left_ms` (since boot) on it read nothing."""

    left_ms: int
    rest: dict[str, Rest] = {}


OfSources = Predicted | Rejected | Absorbed | Forgotten | SourceEnded | SourceFailed | SourceReopened
FromWorker = OfSources | Replied | Ready | Refused | Announced | Finished
M = TypeVar("M")

_encoder = msgspec.msgpack.Encoder()


def frame(message: FromWorker | ToWorker | Start) -> bytes:
    """The bytes of one message."""
    payload = _encoder.encode(message)
    return _LENGTH.pack(len(payload)) + payload


def send(stream: socket.socket, message: Start) -> None:
    """Send the first message, waiting while the other side is behind."""
    stream.sendall(frame(message))


def receive_start(stream: socket.socket) -> Start:
    """Wait for the supervisor's first message.

    Raises:
        EOFError: the supervisor is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return msgspec.msgpack.decode(_exactly(stream, length), type=Start)


def _exactly(stream: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        chunk = stream.recv(count - len(received))
        if not chunk:
            raise EOFError
        received += chunk
    return bytes(received)


class Reader(Generic[M]):
    """Takes bytes as they come and gives whole messages."""

    def __init__(self, messages: Any) -> None:
        """Expect one of `messages`, a union of structs."""
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(messages)
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[M]:
        """The messages that `received` completes.

        Raises:
            ValueError: the other side talks nonsense.
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
            with memoryview(self._buffer) as view:
                message = self._decoder.decode(view[start + _LENGTH.size : end])
            yield message
            start = end
        del self._buffer[:start]
