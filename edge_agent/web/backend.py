"""What HTTP wants of the supervisor, and what an inference is on its way to the worker. No numpy here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

import msgspec

from edge_agent.channel import Predicted
from edge_agent.status import Status
from firmware_profiles.manifest import Manifest
from firmware_profiles.wire import Telemetry


class InferRequest(msgspec.Struct, frozen=True):
    """One inference, as it came: the worker makes sense of `body`.

    Attributes:
        kind: "oip": a body of the Open Inference Protocol, for the model's own tensors; "file": an image,
            .npy file, CSV row or JSON list, which goes through the declared pre- and post-processing.
        header_bytes: of `body`, which are JSON, before the binary tensors; None where all of it is.
    """

    model: str
    kind: Literal["oip", "file"]
    body: bytes
    header_bytes: int | None = None


class InferReply(msgspec.Struct, frozen=True):
    """Its answer, ready to be sent.

    Attributes:
        status: of HTTP; from 400 on `body` is `{"error": reason}`.
        header_bytes: as in `InferRequest`.
    """

    status: int
    body: bytes
    header_bytes: int | None = None
    content_type: str = "application/json"


class Counts(NamedTuple):
    """What only ever grows while the agent runs.

    Attributes:
        events: by name, as in `wire.EVENTS`.
    """

    worker_restarts: int
    events: Mapping[str, int]


Listener = Callable[[str, Predicted], None]
"""Gets the model and the answer of every prediction of every source."""


class Backend(Protocol):
    """The supervisor as HTTP sees it. Everything is called in the event loop, and answers there."""

    def infer(self, request: InferRequest, answered: Callable[[InferReply], None]) -> None:
        """Have the worker answer; `answered` is called exactly once, with 503 where no worker can.

        It may be called before this returns.
        """
        ...

    def status(self) -> Status:
        """What status.json tells, now."""
        ...

    def telemetry(self) -> Telemetry:
        """What the next telemetry message would tell; its `seq` means nothing."""
        ...

    def manifest(self) -> Manifest:
        """Of the active deployment: the same object until another one is active."""
        ...

    def counts(self) -> Counts:
        """For /metrics."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Let `listener` hear predictions from now on; the return value ends that."""
        ...
