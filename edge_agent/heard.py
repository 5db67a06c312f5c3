"""What workers say becomes messages and counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Literal

from edge_agent import rejected
from edge_agent.asked import Payloads
from edge_agent.channel import (
    Absorbed,
    Announced,
    Forgotten,
    OfSources,
    Predicted,
    Rejected,
    SourceEnded,
    SourceFailed,
)
from edge_agent.config import Config
from edge_agent.deployment import Deployment
from edge_agent.outbox import Outbox
from edge_agent.record import Record
from firmware_profiles.results import Input
from firmware_profiles.wire import RuntimeInUse, SkippedRuntime

_log = logging.getLogger(__name__)


class Heard:
    """All that was heard of any worker since this process started.

    Attributes:
        predictions: inputs' answers.
        rejected: inputs without an answer.
        sources: name → "running", "ended", or what is wrong.
        listener: hears every answer.
        payloads: messages for MQTT sources that no worker is done with.
        record: how the deployment does that answers now.
        before: how the one did that answered before it, in this process.
    """

    def __init__(self, config: Config, outbox: Outbox) -> None:
        self.predictions = 0
        self.rejected = rejected.Rejected()
        self.listener: Callable[[Predicted], None] | None = None
        self.payloads = Payloads()
        self.record = Record()
        self.before: Record | None = None
        self._outbox = outbox
        self._announced: list[SkippedRuntime] = []
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Hear of the sources of `config` from now on."""
        self.sources = {source.name: "running" for source in config.source}

    def switched(self) -> None:
        """Another deployment answers from now on."""
        self.before, self.record, self._announced = self.record, Record(), []

    def ready(self, in_use: Mapping[str, RuntimeInUse]) -> None:
        """Models are proved, and these run them."""
        for model, used in in_use.items():
            place = f"{used.runtime}/{used.delegate}"
            for skipped in used.skipped:
                if skipped not in self._announced:
                    text = f"{skipped.runtime}/{skipped.delegate} is not used, {place} is: {skipped.reason}"
                    self._outbox.event("runtime_fallback", "warning", text)
            _log.info("%s is ready on %s %s", model, place, used.version)
            self._outbox.event("ready", "info", f"{model} gives its golden answers on {place}")
        self._announced = [skipped for used in in_use.values() for skipped in used.skipped]

    def take(self, of: Deployment, record: Record, message: OfSources | Announced) -> None:
        """What a worker said that runs `of`, of which `record` is kept."""
        if isinstance(message, Predicted):
            self._predicted(of, record, message)
        elif isinstance(message, Rejected):
            self._reject(message)
        elif isinstance(message, Absorbed):
            self._outbox.after_commit(self.payloads.done(message.number))
        elif isinstance(message, SourceEnded):
            self._source("ended", message.source, "source_ended", "info", "no more inputs")
        elif isinstance(message, SourceFailed):
            self._source(message.text, message.source, "source_failed", "warning", message.text)
        elif isinstance(message, Forgotten):
            self._outbox.forget(message.source, message.names)
        elif isinstance(message, Announced):
            self._outbox.event("engine_build", "info", message.text)
        else:
            text = f"open again; nothing was read for {message.gap_ms} ms"
            self._source("running", message.source, "source_reopened", "info", text)

    def give_up(self, which: Input, reason: str) -> None:
        """An input of which workers die."""
        self._outbox.event("input_rejected", "error", f"workers die of it: {reason}", which)
        if accept := self.payloads.give_up(which.source):
            self._outbox.after_commit(accept)

    def _predicted(self, of: Deployment, record: Record, predicted: Predicted) -> None:
        self.predictions += len(predicted.answers)
        record.add(predicted.answers)
        self.sources[predicted.input.source] = "running"
        self._outbox.predictions(of.manifest.version, predicted)
        if self.listener:
            self.listener(predicted)

    def _reject(self, message: Rejected) -> None:
        text = self.rejected.told(message.text, time.monotonic())
        if text is None:
            self._outbox.passed_over(message.input)
        else:
            self._outbox.event("input_rejected", "warning", text, message.input)

    def _source(self, state: str, source: str, event: str, severity: Literal["info", "warning"], text: str) -> None:
        self.sources[source] = state
        _log.info("source %s: %s", source, text)
        self._outbox.event(event, severity, f"{source}: {text}")
