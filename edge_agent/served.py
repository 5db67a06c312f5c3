"""The supervisor as HTTP sees it."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.asked import Answered
from edge_agent.hosting import Host
from edge_agent.inference import InferRequest
from edge_agent.outbox import Outbox
from edge_agent.reports import Reporter
from edge_agent.status import Status
from edge_agent.web.backend import Counts, Listener
from firmware_profiles.manifest import Manifest
from firmware_profiles.wire import Telemetry


class Served:
    """A `web.backend.Backend`."""

    def __init__(self, host: Host, outbox: Outbox, reporter: Reporter) -> None:
        """Tell what `reporter` tells; it is to be nobody else's, since it remembers when it was last asked."""
        self._host = host
        self._outbox = outbox
        self._reporter = reporter

    def infer(self, request: InferRequest, answered: Answered) -> None:
        """See `Backend`."""
        self._host.ask(request, answered)

    def status(self) -> Status:
        """See `Backend`."""
        return self._reporter.status()

    def telemetry(self) -> Telemetry:
        """See `Backend`."""
        return self._reporter.telemetry(0)

    def manifest(self) -> Manifest:
        """See `Backend`."""
        return self._host.deployment.manifest

    def counts(self) -> Counts:
        """See `Backend`."""
        return Counts(self._host.deaths, self._outbox.events)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `Backend`; one listener at a time."""
        self._host.heard.listener = listener

        def end() -> None:
            self._host.heard.listener = None

        return end
