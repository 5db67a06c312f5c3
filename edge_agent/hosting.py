"""Keeps a worker going, and turns what it says into messages."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from typing import Literal

from edge_agent import rejected, source_config, suspect
from edge_agent.asked import Answered, Payloads, Requests
from edge_agent.channel import (
    Absorbed,
    Announced,
    Forgotten,
    FromWorker,
    Pace,
    Predicted,
    Ready,
    Refused,
    Rejected,
    Replied,
    Request,
    SourceEnded,
    SourceFailed,
    Start,
)
from edge_agent.child import Child
from edge_agent.config import Config
from edge_agent.deployment import Deployment
from edge_agent.inference import InferRequest, refusal
from edge_agent.layout import Root
from edge_agent.monitor import machine
from edge_agent.monitor.metrics import LatencyWindow
from edge_agent.outbox import Outbox
from edge_agent.restarts import Restarts
from edge_agent.source_config import Stdin
from edge_agent.spawning import Spawned, spawn
from firmware_profiles.wire import Input, RuntimeInUse, SkippedRuntime

_RETRY_ALL_S = 60.0

_log = logging.getLogger(__name__)


class Host:
    """The deployment's worker, started again for as long as it makes sense.

    Attributes:
        state, problem: as in `status.Status`.
        predictions: since this process started.
        in_use: what runs each model; empty until all are proved.
        sources: name → "running", "ended", or what is wrong.
        deaths: of workers, since this process started.
        rejected: inputs without an answer.
        listener: hears every answer.
        rate_factor: what is left of the sources' rate.
    """

    def __init__(
        self, root: Root, config: Config, deployment: Deployment, outbox: Outbox, spawned: Spawned | None = None
    ) -> None:
        """Work with `spawned` first, if there is one already."""
        self.state: Literal["starting", "running", "refused"] = "starting"
        self.problem = ""
        self.predictions = 0
        self.latency = LatencyWindow()
        self.in_use: dict[str, RuntimeInUse] = {}
        self.sources = {source.name: "running" for source in config.source}
        self.deaths = 0
        self.listener: Callable[[Predicted], None] | None = None
        self.rejected = rejected.Rejected()
        self.on_ready = asyncio.Event()
        self.requests = Requests()
        self._payloads = Payloads()
        self._root = root
        self._config = config
        self._deployment = deployment
        self._models = deployment.manifest.models
        self._outbox = outbox
        self._spawned = spawned
        self._child: Child | None = None
        self._restarts = Restarts()
        self._suspect = suspect.Suspect()
        self._skipped: list[SkippedRuntime] = []
        self._announced: list[SkippedRuntime] = []
        self._timer: asyncio.TimerHandle | None = None
        self.rate_factor = 1.0
        self._killed_for = ""

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
            stdin=0 if any(isinstance(source, Stdin) for source in sources) else -1,
            cache=str(self._root.cache),
            external=self._config.runtime.external,
        )
        spawned, self._spawned = self._spawned or spawn(), None
        self._child = Child(spawned, start, self._message, self._exited)

    def stop(self) -> None:
        """End the worker for good."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._child:
            self._child.stop()
            self._child = None
        self.requests.refuse_all("the worker is stopped")

    def reconfigure(self, config: Config) -> None:
        """Work by `config` from now on: sources are opened anew where they were left."""
        self._config = config
        self.sources = {source.name: "running" for source in config.source}
        if self._child or self._timer:
            self._outbox.commit()  # so that the cursors are where the worker was
            self.stop()
            self.state, self.in_use = "starting", {}
            self.start()

    def ask(self, request: InferRequest, answered: Answered) -> None:
        """Have `request` answered; `answered` is called once, perhaps at once, with status 503 where nobody can."""
        if self._child is None or self.state != "running":
            answered(refusal(503, self.problem or "the model is being proved"))
            return
        self._child.send(Request(self.requests.add(answered), request))

    def bring(self, source: str, body: bytes, accept: Callable[[], None]) -> None:
        """A message for an MQTT source; `accept` is called when its answer is safe, or when it has none."""
        payload = self._payloads.add(source, body, accept)
        if self._child and self.state == "running":
            self._child.send(payload)

    def pace(self, factor: float) -> None:
        """Let the sources go at `factor` (above 0, at most 1) of their rate."""
        self.rate_factor = factor
        if self._child and self.state == "running":
            self._child.send(Pace(factor))

    def check_memory(self) -> None:
        """End a worker that holds more memory than it may; it is started again as after any death."""
        limit_mb = self._config.worker.max_rss_mb or self._deployment.manifest.limits.peak_rss_mb
        if self._child and machine.rss_bytes(self._child.pid) > limit_mb * 1e6:
            self._killed_for = f"more than {limit_mb:g} MB of memory"
            self._child.kill()

    def _message(self, message: FromWorker) -> None:
        if isinstance(message, Predicted):
            self._predicted(message)
        elif isinstance(message, Replied):
            self.requests.done(message)
        elif isinstance(message, Rejected):
            self._reject(message)
        elif isinstance(message, Absorbed):
            self._outbox.after_commit(self._payloads.done(message.number))
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
        elif isinstance(message, Announced):
            self._outbox.event("engine_build", "info", message.text)

    def _predicted(self, predicted: Predicted) -> None:
        self.predictions += len(predicted.answers)
        self._suspect.worked = True
        for answer in predicted.answers:
            self.latency.add(answer.latency_ms)
        self.sources[predicted.input.source] = "running"
        self._outbox.predictions(self._deployment.manifest.version, predicted)
        if self.listener:
            self.listener(predicted)

    def _reject(self, message: Rejected) -> None:
        text = self.rejected.told(message.text, time.monotonic())
        if text is None:
            self._outbox.passed_over(message.input)
        else:
            self._outbox.event("input_rejected", "warning", text, message.input)

    def _ready(self, message: Ready) -> None:
        self.state, self.problem, self.in_use = "running", "", message.models
        for model, used in message.models.items():
            place = f"{used.runtime}/{used.delegate}"
            self._tell_skipped(used, place)
            _log.info("%s is ready on %s %s", model, place, used.version)
            self._outbox.event("ready", "info", f"{model} gives its golden answers on {place}")
        self._announced = [skipped for used in message.models.values() for skipped in used.skipped]
        assert self._child is not None
        if self.rate_factor < 1:
            self._child.send(Pace(self.rate_factor))
        for payload in self._payloads.waiting():
            self._child.send(payload)
        self.on_ready.set()

    def _tell_skipped(self, used: RuntimeInUse, place: str) -> None:
        for skipped in used.skipped:
            if skipped not in self._announced:
                text = f"{skipped.runtime}/{skipped.delegate} is not used, {place} is: {skipped.reason}"
                self._outbox.event("runtime_fallback", "warning", text)

    def _refused(self, message: Refused) -> None:
        self.state, self.problem, self.in_use = "refused", message.text, {}
        _log.error("refused: %s", message.text)
        self._outbox.event("model_refused", "error", message.text)

    def _source(self, state: str, source: str, event: str, severity: Literal["info", "warning"], text: str) -> None:
        self.sources[source] = state
        _log.info("source %s: %s", source, text)
        self._outbox.event(event, severity, f"{source}: {text}")

    def _exited(self, code: int) -> None:
        assert self._child is not None
        lived_s, which = time.monotonic() - self._child.started_s, self._child.doing.read()
        self._child = None
        loop = asyncio.get_running_loop()
        if self.state == "refused":
            if self._skipped:  # runtimes that died are worth another try; wrong answers are not
                self._skipped = []
                self._timer = loop.call_later(_RETRY_ALL_S, self.start)
            return
        self.deaths += 1
        reason = self._reason(code)
        self.requests.refuse_all(f"the worker died: {reason}")
        step = self._restarts.died(lived_s)
        if culprit := self._suspect.died(which, self._others_left()):
            self._give_up(culprit, reason)
            step = self._restarts.died(lived_s)
        _log.warning("worker: %s; started again in %.1f s", reason, step.delay_s)
        self._outbox.event("worker_died", "error", reason)
        if step.give_up_runtime:
            used = {(each.runtime, each.delegate) for each in self.in_use.values()}
            self._skipped += [SkippedRuntime(*place, f"worker: {reason}") for place in sorted(used)]
        self.state, self.in_use = "starting", {}
        self._timer = loop.call_later(step.delay_s, self.start)

    def _others_left(self) -> bool:
        """Whether some model claims a runtime besides the one in use that was not given up."""
        gone = {(skipped.runtime, skipped.delegate) for skipped in self._skipped}
        left = ({(each.runtime, each.delegate) for each in model.runtimes} - gone for model in self._models)
        return any(len(claims) > 1 for claims in left)

    def _give_up(self, which: Input, reason: str) -> None:
        self._outbox.event("input_rejected", "error", f"workers die of it: {reason}", which)
        if accept := self._payloads.give_up(which.source):
            self._outbox.after_commit(accept)
        self._restarts, self._skipped = Restarts(), []  # it was no runtime's fault

    def _reason(self, code: int) -> str:
        killed_for, self._killed_for = self._killed_for, ""
        if killed_for:
            return killed_for
        if code == -signal.SIGALRM:
            return f"no answer within its deadline ({self._config.worker.deadline_s:g} s)"
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
