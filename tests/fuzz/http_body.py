"""Coverage-guided fuzzing of what a client can send: `python -m tests.fuzz.http_body -runs=1000000`.

The first byte chooses how the rest is cut into reads, and whether it is a whole connection or the body of an
inference request (the second byte then says how much of it is JSON). Whatever comes in: an inference
is answered or refused with a reason, a connection says nothing but HTTP responses, never holds more than its
bound, and lets go of everything when it is lost. libFuzzer's other options work too: -max_total_time=60,
-max_len=4096, a folder for its corpus.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, cast

import atheris

with atheris.instrument_imports(include=["edge_agent.web", "firmware_profiles.errors"]):
    from edge_agent.inference import InferReply, InferRequest
    from edge_agent.web import connection, server
    from edge_agent.web.oip import OipDoor
    from firmware_profiles.errors import InputError
    from firmware_profiles.manifest import InputSpec, Limits, Manifest, Model, OutputSpec, Tensor

SHAPE = [1, 3]
TENSORS = [Tensor("a", SHAPE, "float32"), Tensor("i", SHAPE, "int32")]
MODEL = Model(
    name="m",
    task="regression",
    file="m.onnx",
    format="onnx",
    precision="float32",
    recipe="onnx-float32",
    inputs=TENSORS,
    outputs=TENSORS,
    pre=InputSpec(kind="tensor"),
    post=OutputSpec(),
    runtimes=[],
)
MANIFEST = Manifest(
    name="m", version="1", godwit="1", profiles=["p"], arch="x86_64", models=[MODEL], limits=Limits(1, 1)
)
DOOR = OipDoor(MODEL, "1", list)
MAX_BODY_BYTES = 4096
JSON = (
    b'{"inputs":[{"name":"a","shape":[1,3],"datatype":"FP32","data":[1,2,3]},'
    b'{"name":"i","shape":[1,3],"datatype":"INT32","parameters":{"binary_data_size":12}}]}'
)


class Echo:
    """A backend that gives back what it gets, once in a while later."""

    def __init__(self) -> None:
        self.later: list[tuple[InferRequest, Callable[[InferReply], None]]] = []

    def manifest(self) -> Manifest:
        """See Backend."""
        return MANIFEST

    def infer(self, request: InferRequest, answered: Callable[[InferReply], None]) -> None:
        """See Backend."""
        assert len(request.body) <= MAX_BODY_BYTES
        if len(request.body) % 3:
            self.later.append((request, answered))
        else:
            answered(reply(request.body, request.header_bytes))

    def catch_up(self) -> None:
        """Answer what waits."""
        waiting, self.later = self.later, []
        for request, answered in waiting:
            answered(reply(request.body, request.header_bytes))


class Wire:
    """As much of a transport as a connection uses."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.closing = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        assert not self.closing
        self.sent += data

    def write_eof(self) -> None:
        """Nothing more may be sent."""

    def is_closing(self) -> bool:
        """As asyncio's."""
        return self.closing

    def close(self) -> None:
        """As asyncio's."""
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        """As asyncio's."""

    resume_reading = pause_reading


def reply(body: bytes, header_bytes: int | None) -> InferReply:
    """An answer or a reason."""
    try:
        return DOOR.answer(body, header_bytes)
    except InputError as error:
        return InferReply(400, json.dumps({"error": str(error)}).encode())


def converse(data: bytes, size: int) -> None:
    """One connection."""
    backend, wire = Echo(), Wire()
    http = server.Server(cast(Any, backend), None, MAX_BODY_BYTES, 4)
    client = connection.Connection(http)
    client.connection_made(cast(Any, wire))
    for at in range(0, len(data), size):
        client.data_received(data[at : at + size])
        assert 0 <= http.held_bytes <= 2 * MAX_BODY_BYTES + size
        if at % 2:
            backend.catch_up()
    backend.catch_up()
    http.now_s = 1e9
    client.expire_if_late()
    client.connection_lost(None)
    backend.catch_up()
    assert http.held_bytes == 0
    assert not wire.sent or wire.sent.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.1 1"))


def fuzz(data: bytes) -> None:
    """One case."""
    if len(data) < 2:
        return
    body = data[2:]
    if data[0] & 0x80:
        converse(body, data[1] * 8 or 4096)
    elif data[0] & 0x40:
        reply(JSON + body, len(JSON))
    else:
        reply(body, None if data[1] == 255 else data[1])


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
