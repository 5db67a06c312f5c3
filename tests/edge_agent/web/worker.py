"""A worker that does nothing but answer HTTP: `python -m tests.edge_agent.web.worker FD BUNDLE`."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from edge_agent.deployment import unpacked
from edge_agent.inference import InferRequest
from edge_agent.pipeline import choose
from edge_agent.web.answering import Answers
from tests.edge_agent.web.frames import LENGTH, exactly


def main() -> None:
    """Answer one request after another until the other side is gone."""
    stream = socket.socket(fileno=int(sys.argv[1]))
    decoder = msgspec.msgpack.Decoder(InferRequest)
    with unpacked(Path(sys.argv[2])) as deployment:
        lines = {model.name: choose(deployment, model).pipeline for model in deployment.manifest.models}
        answers = Answers(lines, deployment.manifest.version)
        stream.sendall(b"!")
        while head := exactly(stream, LENGTH.size):
            request = decoder.decode(exactly(stream, *LENGTH.unpack(head)))
            if request.body == b"die":
                os.kill(os.getpid(), signal.SIGKILL)
            reply = msgspec.msgpack.encode(answers.answer(request))
            stream.sendall(LENGTH.pack(len(reply)) + reply)


if __name__ == "__main__":
    main()
