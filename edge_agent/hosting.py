"""Keeps a worker going for the deployment that answers, and lets another one take its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

from edge_agent.asked import Answered
from edge_agent.channel import Finished, FromWorker, Open, Pace, Predicted, Ready, Refused, Replied, Rest
from edge_agent.config import Config
from edge_agent.deaths import Deaths, reason_of
from edge_agent.deployment import Deployment
from edge_agent.employing import Employer
from edge_agent.heard import Heard
from edge_agent.hosted import Hosted, Owner
from edge_agent.inference import InferRequest, refusal
from edge_agent.outbox import Outbox
from firmware_profiles.wire import RuntimeInUse

_RETRY_ALL_S = 60.0

_log = logging.getLogger(__name__)


class Host:
    """The deployment's worker, started again for as long as it makes sense.

    Attributes:
        state, problem: as in `status.Status`.
        deployment: the one that answers.
        heard: what workers said.
        deaths: of workers, since this process started.
        on_ready: set when a worker is ready.
        rate_factor: what is left of the sources' rate.
    """

    def __init__(self, deployment: Deployment, employer: Employer, outbox: Outbox) -> None:
        self.state: Literal["starting", "running", "refused"] = "starting"
        self.problem = ""
        self.deployment = deployment
        self.heard = Heard(employer.config, outbox)
        self.deaths = 0
        self.on_ready = asyncio.Event()
        self.rate_factor = 1.0
        self._employer = employer
        self._outbox = outbox
        self._worker: Hosted | None = None
        self._of_deaths = Deaths()
        self._timer: asyncio.TimerHandle | None = None
        self._killed_for = ""
        self._held = False
        self._left_ms = 0
        self._rest: dict[str, Rest] = {}

    @property
    def worker_pid(self) -> int:
        """0 while there is none."""
        return self._worker.pid if self._worker else 0

    @property
    def in_use(self) -> dict[str, RuntimeInUse]:
        """What runs each model; empty until all are proved."""
        return self._worker.in_use if self._worker else {}

    def start(self) -> None:
        """Start a worker."""
        self._timer = None
        self._worker = self._employer.employ(self.deployment, self, self._of_deaths.skipped)

    def stop(self) -> None:
        """End the worker for good."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._worker:
            self._worker.stop("the worker is stopped")
            self._worker = None

    def reconfigure(self, config: Config) -> None:
        """Work by `config` from now on: sources are opened anew where they were left."""
        self._employer.config = config
        self.heard.configure(config)
        if self._worker or self._timer:
            self._outbox.commit()  # so that the cursors are where the worker was
            self.stop()
            self.state = "starting"
            self.start()

    def ask(self, request: InferRequest, answered: Answered) -> None:
        """Have `request` answered; `answered` is called once, perhaps at once, with status 503 where nobody can."""
        if self._worker is None or self.state != "running":
            answered(refusal(503, self.problem or "the model is being proved"))
            return
        self._worker.ask(request, answered)

    def bring(self, source: str, body: bytes, accept: Callable[[], None]) -> None:
        """A message for an MQTT source; `accept` is called when its answer is safe, or when it has none."""
        payload = self.heard.payloads.add(source, body, accept)
        if self._worker and self._worker.opened:
            self._worker.send(payload)

    def pace(self, factor: float) -> None:
        """Let the sources go at `factor` (above 0, at most 1) of their rate."""
        self.rate_factor = factor
        if self._worker and self._worker.opened:
            self._worker.send(Pace(factor))

    def check_memory(self) -> None:
        """End a worker that holds more memory than it may; it is started again as after any death."""
        limit_mb = self._employer.limit_mb(self.deployment)
        if self._worker and self._worker.exceeds(limit_mb):
            self._killed_for = f"more than {limit_mb:g} MB of memory"
            self._worker.kill()

    # Another deployment takes over.

    def release(self, owner: Owner) -> Hosted | None:
        """Give up the worker, which goes on with what it has begun and then tells `owner`; None if none is ready.

        The sources stay closed until `open` is called.
        """
        self._held = True
        worker, self._worker = self._worker, None
        if worker is not None and self.state == "running":
            worker.finish(owner)
            return worker
        self._worker = worker
        self.stop()
        return None

    def pause(self, why: str) -> None:
        """Answer nothing, `why` being told, until there is a worker again."""
        self.state, self.problem = "starting", why

    def adopt(self, worker: Hosted) -> None:
        """`worker`, which is ready, answers from now on."""
        worker.owner, self._worker = self, worker
        self.deployment, self._of_deaths = worker.deployment, Deaths()
        self.heard.switched()
        self._answers(worker)

    def resume(self, left_ms: int, rest: dict[str, Rest]) -> None:
        """After `release`, nobody took over: start the worker again."""
        self.problem = ""
        self.start()
        self.open(left_ms, rest)

    def open(self, left_ms: int, rest: dict[str, Rest]) -> None:
        """Let the worker open the sources; since `left_ms` nobody reads them, and `rest` made no input."""
        self._held, self._left_ms, self._rest = False, left_ms, rest
        if self._worker and self.state == "running":
            self._open(self._worker)

    # What becomes of the worker.

    def said(self, hosted: Hosted, message: FromWorker) -> None:
        """See `Owner`."""
        if isinstance(message, Ready):
            hosted.in_use = message.models
            self._answers(hosted)
            if not self._held:
                self._open(hosted)
        elif isinstance(message, Refused):
            self.state, self.problem, hosted.in_use = "refused", message.text, {}
            if self._employer.is_wanted(hosted.deployment):  # else another one takes over in a moment
                _log.error("refused: %s", message.text)
                self._outbox.event("model_refused", "error", message.text)
        elif isinstance(message, Replied):
            hosted.requests.done(message)
        elif not isinstance(message, Finished):
            if isinstance(message, Predicted):
                self._of_deaths.worked()
            self.heard.take(hosted.deployment, self.heard.record, message)

    def died(self, hosted: Hosted, code: int) -> None:
        """See `Owner`."""
        self._worker = None
        loop = asyncio.get_running_loop()
        if self.state == "refused":
            if self._of_deaths.skipped:  # runtimes that died are worth another try; wrong answers are not
                self._of_deaths.skipped = []
                self._timer = loop.call_later(_RETRY_ALL_S, self.start)
            return
        self.deaths += 1
        self.heard.record.deaths += 1
        reason, self._killed_for = self._killed_for or reason_of(code, self._employer.config.worker.deadline_s), ""
        hosted.requests.refuse_all(f"the worker died: {reason}")
        verdict = self._of_deaths.died(hosted, reason)
        if verdict.culprit:
            self.heard.give_up(verdict.culprit, reason)
        _log.warning("worker: %s; started again in %.1f s", reason, verdict.delay_s)
        self._outbox.event("worker_died", "error", reason)
        self.state = "starting"
        self._timer = loop.call_later(verdict.delay_s, self.start)

    def _answers(self, hosted: Hosted) -> None:
        self.state, self.problem = "running", ""
        self.heard.ready(hosted.in_use)
        self.on_ready.set()

    def _open(self, hosted: Hosted) -> None:
        """Where the sources were left; one that ended before another deployment took over does not begin again."""
        (left_ms, rest), self._left_ms, self._rest = (self._left_ms, self._rest), 0, {}
        names = [
            source.name
            for source in self._employer.config.source
            if not left_ms or self.heard.sources[source.name] != "ended"
        ]
        cursors = {name: self._outbox.spool.cursor(name) for name in names}
        reached = {name: cursor.reached for name, cursor in cursors.items()}
        hosted.open(Open(reached, {name: cursor.taken for name, cursor in cursors.items()}, left_ms, rest))
        if self.rate_factor < 1:
            hosted.send(Pace(self.rate_factor))
        for payload in self.heard.payloads.waiting():
            hosted.send(payload)
