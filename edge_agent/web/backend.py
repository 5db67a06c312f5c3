"""What HTTP wants of the supervisor. No numpy here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from edge_agent.channel import Predicted
from edge_agent.inference import InferReply, InferRequest
from edge_agent.status import Status
from firmware_profiles.manifest import Manifest
from firmware_profiles.wire import Telemetry


class Counts(NamedTuple):
    """What only ever grows while the agent runs.

    Attributes:
        events: by name, as in `wire.EVENTS`.
    """

    worker_restarts: int
    events: Mapping[str, int]


Listener = Callable[[Predicted], None]
"""Gets the answers to every input of every source."""


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
