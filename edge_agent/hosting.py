"""Keeps a worker going, and turns what it says into messages."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import Literal

from edge_agent import source_config
from edge_agent.channel import (
    Forgotten,
    FromWorker,
    Predicted,
    Ready,
    Refused,
    Rejected,
    SourceEnded,
    SourceFailed,
    Start,
)
from edge_agent.child import Child
from edge_agent.config import Config
from edge_agent.deployment import Deployment
from edge_agent.layout import Root
from edge_agent.monitor.metrics import LatencyWindow
from edge_agent.outbox import Outbox
from edge_agent.restarts import Restarts
from firmware_profiles.wire import RuntimeInUse, SkippedRuntime

_RETRY_ALL_S = 60.0

_log = logging.getLogger(__name__)


class Host:
    """The deployment's worker, started again for as long as it makes sense.

    Attributes:
        state, problem: as in `status.Status`.
        predictions: since this process started.
        in_use: what runs the model; None until it is proved.
        sources: name → "running", "ended", or what is wrong.
    """

    def __init__(self, root: Root, config: Config, deployment: Deployment, outbox: Outbox) -> None:
        self.state: Literal["starting", "running", "refused"] = "starting"
        self.problem = ""
        self.predictions = 0
        self.latency = LatencyWindow()
        self.in_use: RuntimeInUse | None = None
        self.sources = {source.name: "running" for source in config.source}
        self.on_ready = asyncio.Event()
        self._root = root
        self._config = config
        self._deployment = deployment
        self._outbox = outbox
        self._child: Child | None = None
        self._restarts = Restarts()
        self._skipped: list[SkippedRuntime] = []
        self._announced: list[SkippedRuntime] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def model(self) -> str:
        """Name of the model that inputs go to."""
        return self._deployment.manifest.models[0].name

    @property
    def worker_pid(self) -> int:
        """0 while there is none."""
        return self._child.pid if self._child else 0

    def start(self) -> None:
        """Start a worker where the sources were left."""
        self._timer = None
        sources = [source_config.absolute(source, self._root.folder) for source in self._config.source]
        cursors = {source.name: self._outbox.spool.cursor(source.name) for source in sources}
        start = Start(
            folder=str(self._deployment.folder),
            sources=sources,
            deadline_s=self._config.worker.deadline_s,
            skipped=self._skipped,
            reached={name: cursor.reached for name, cursor in cursors.items()},
            taken={name: cursor.taken for name, cursor in cursors.items()},
        )
        self._child = Child(start, self._message, self._exited)

    def stop(self) -> None:
        """End the worker for good."""
        if self._timer:
            self._timer.cancel()
        if self._child:
            self._child.stop()
            self._child = None

    def _message(self, message: FromWorker) -> None:
        if isinstance(message, Predicted):
            self._predicted(message)
        elif isinstance(message, Rejected):
            self._outbox.event("input_rejected", "warning", message.text, message.input)
        elif isinstance(message, Ready):
            self._ready(message)
        elif isinstance(message, Refused):
            self._refused(message)
        elif isinstance(message, SourceEnded):
            self._source("ended", message.source, "source_ended", "info", "no more inputs")
        elif isinstance(message, SourceFailed):
            self._source(message.text, message.source, "source_failed", "warning", message.text)
        elif isinstance(message, Forgotten):
            self._outbox.forget(message.source, message.names)

    def _predicted(self, answer: Predicted) -> None:
        self.predictions += 1
        self.latency.add(answer.latency_ms)
        self.sources[answer.input.source] = "running"
        self._outbox.prediction(self.model, self._deployment.manifest.version, answer)

    def _ready(self, message: Ready) -> None:
        self.state, self.problem, self.in_use = "running", "", message.runtime
        used = f"{message.runtime.runtime}/{message.runtime.delegate}"
        for skipped in message.runtime.skipped:
            if skipped not in self._announced:
                text = f"{skipped.runtime}/{skipped.delegate} is not used, {used} is: {skipped.reason}"
                self._outbox.event("runtime_fallback", "warning", text)
        self._announced = message.runtime.skipped
        _log.info("%s is ready on %s %s", message.model, used, message.runtime.version)
        self._outbox.event("ready", "info", f"{message.model} gives its golden answers on {used}")
        self.on_ready.set()

    def _refused(self, message: Refused) -> None:
        self.state, self.problem, self.in_use = "refused", message.text, None
        _log.error("refused: %s", message.text)
        self._outbox.event("model_refused", "error", message.text)

    def _source(self, state: str, source: str, event: str, severity: Literal["info", "warning"], text: str) -> None:
        self.sources[source] = state
        _log.info("source %s: %s", source, text)
        self._outbox.event(event, severity, f"{source}: {text}")

    def _exited(self, code: int) -> None:
        assert self._child is not None
        lived_s = time.monotonic() - self._child.started_s
        self._child = None
        loop = asyncio.get_running_loop()
        if self.state == "refused":
            if self._skipped:  # runtimes that died are worth another try; wrong answers are not
                self._skipped = []
                self._timer = loop.call_later(_RETRY_ALL_S, self.start)
            return
        reason = self._reason(code)
        step = self._restarts.died(lived_s)
        _log.warning("worker: %s; started again in %.1f s", reason, step.delay_s)
        self._outbox.event("worker_died", "error", reason)
        if step.give_up_runtime and self.in_use:
            used = self.in_use
            self._skipped = [*self._skipped, SkippedRuntime(used.runtime, used.delegate, f"worker: {reason}")]
        self.state, self.in_use = "starting", None
        self._timer = loop.call_later(step.delay_s, self.start)

    def _reason(self, code: int) -> str:
        if code == -signal.SIGALRM:
            return f"no answer within its deadline ({self._config.worker.deadline_s:g} s)"
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
