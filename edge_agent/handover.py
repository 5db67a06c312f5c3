"""`slots/active` leads elsewhere: the deployment there is proved beside the one that answers, and takes over.

The new worker proves itself and warms up without a source. Then requests go to it at once, the old one answers
what it has read, lets go of the sources and ends, and the new one opens them where they were left: what was
answered is committed before. A deployment that is refused, or whose worker dies three times, changes nothing.
Where memory does not hold both, the old worker goes first, and comes back if the new one is refused.
"""

from __future__ import annotations

import asyncio
import logging

from edge_agent import clock
from edge_agent.active_slot import ActiveSlot
from edge_agent.channel import Announced, Finished, FromWorker, Ready, Refused, Replied, Rest
from edge_agent.config import Config
from edge_agent.deaths import reason_of
from edge_agent.deployment import Deployment, read_slot
from edge_agent.employing import Employer
from edge_agent.hosted import Hosted
from edge_agent.hosting import Host
from edge_agent.layout import Root
from edge_agent.monitor import memory
from edge_agent.outbox import Outbox
from firmware_profiles.errors import BundleError

_DEATHS = 3
_AGAIN_S = 0.5
_LEAVE_S = 30.0
"""A source that does not close is left behind then; every inference has its own deadline."""

_log = logging.getLogger(__name__)


class Handover:
    """From one deployment to the next.

    Attributes:
        target: what `slots/active` names, where it does not answer (yet).
        refused: why it does not and will not; empty otherwise.
        since_uptime_ms: when that was noticed.
        candidate: its worker.
        deaths: of its workers.
    """

    def __init__(self, root: Root, host: Host, employer: Employer, outbox: Outbox) -> None:
        self.target: Deployment | None = None
        self.refused = ""
        self.since_uptime_ms = 0
        self.candidate: Hosted | None = None
        self.deaths = 0
        self._root = root
        self._host = host
        self._employer = employer
        self._outbox = outbox
        self._active = ActiveSlot(root)
        self._leaving: Hosted | None = None
        self._record = host.heard.record
        self._alone = False
        self._left_ms = 0
        self._rest: dict[str, Rest] = {}
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """See where `slots/active` leads."""
        self._check_memory()
        if not self._leaving and self._active.changed():
            self._abandon()
            self._turn_to_active()

    def reconfigure(self, config: Config) -> None:
        """Work by `config` from now on; what is under way begins again."""
        if self._leaving:
            self._leaving.stop("the worker is stopped")
            self._left(clock.uptime_ms(), {})
        self._abandon()
        self._host.reconfigure(config)
        self._active.forget()

    def stop(self) -> None:
        """End every worker but the host's."""
        self._cancel()
        for worker in filter(None, (self.candidate, self._leaving)):
            worker.stop("the worker is stopped")
        self.candidate = self._leaving = None

    def _turn_to_active(self) -> None:
        present = self._host.deployment
        self.since_uptime_ms, self.deaths = clock.uptime_ms(), 0
        try:
            target = read_slot(self._root.active)
        except BundleError as error:
            self._refuse(str(error))
            return
        if (target.folder, target.manifest_sha256) == (present.folder, present.manifest_sha256):
            return
        self.target = target
        if text := self._shortage(target):
            self._stop_first(text)
        else:
            self._prove()

    def _shortage(self, target: Deployment) -> str:
        """Why two workers are too many; empty where they are not."""
        if not self._host.worker_pid:
            return ""
        declared_mb = sum(model.memory_mb for model in target.manifest.models)
        return memory.shortage(declared_mb or memory.rss_mb(self._host.worker_pid))

    def _stop_first(self, text: str) -> None:
        _log.warning("%s", text)
        self._outbox.event("memory_short", "warning", f"{text}: nothing is answered until the new one is proved")
        self._alone = True
        self._release()
        self._host.pause("a new deployment is being proved, and memory does not hold both")
        if self._leaving is None:
            self._left_ms = clock.uptime_ms()
            self._prove()

    def _release(self) -> None:
        self._record = self._host.heard.record
        self._leaving = self._host.release(self)
        if self._leaving:
            self._timer = asyncio.get_running_loop().call_later(_LEAVE_S, self._leaving.kill)

    def _prove(self) -> None:
        assert self.target is not None
        self._timer = None
        self.candidate = self._employer.employ(self.target, self, [], beside=not self._alone)

    def said(self, hosted: Hosted, message: FromWorker) -> None:
        """See `hosted.Owner`."""
        if isinstance(message, Ready):
            hosted.in_use = message.models
            self._take_over(hosted)
        elif isinstance(message, Refused):
            if self._employer.is_wanted(hosted.deployment):
                self._refuse(message.text)
            else:  # it was left meanwhile
                self._abandon()
        elif isinstance(message, Finished):
            self._left(message.left_ms, message.rest)
            hosted.dismiss()
        elif isinstance(message, Replied):
            hosted.requests.done(message)
        else:
            record = self._host.heard.record if isinstance(message, Announced) else self._record
            self._host.heard.take(hosted.deployment, record, message)

    def died(self, hosted: Hosted, code: int) -> None:
        """See `hosted.Owner`."""
        reason = reason_of(code, self._employer.config.worker.deadline_s)
        if hosted is self._leaving:
            hosted.requests.refuse_all(f"the worker died: {reason}")
            self._left(clock.uptime_ms(), {})
            self._host.on_ready.set()  # what it did not answer is asked again
        elif hosted is self.candidate:
            self.candidate = None
            self.deaths += 1
            self._outbox.event("worker_died", "error", f"of the new deployment: {reason}")
            if self.deaths < _DEATHS:
                self._timer = asyncio.get_running_loop().call_later(_AGAIN_S, self._prove)
            else:
                self._refuse(f"its worker died {_DEATHS} times: {reason}")

    def _take_over(self, worker: Hosted) -> None:
        before = self._host.deployment.manifest
        self.candidate = self.target = None
        if not self._alone:
            self._release()
        self._host.adopt(worker)
        now = worker.deployment.manifest
        text = f"{now.name} {now.version} answers instead of {before.name} {before.version}"
        _log.info("%s", text)
        self._outbox.event("deployment_switched", "info", text)
        if self._leaving is None:
            self._host.open(self._left_ms or clock.uptime_ms(), self._rest)
        self._alone, self._left_ms, self._rest = False, 0, {}

    def _left(self, left_ms: int, rest: dict[str, Rest]) -> None:
        """The old worker is gone; `rest` is what it made no input of."""
        self._cancel()
        self._leaving = None
        self._outbox.commit()  # so that the cursors are where it was
        if self._alone:
            self._left_ms, self._rest = left_ms, rest
            self._prove()
        else:
            self._host.open(left_ms, rest)

    def _refuse(self, text: str) -> None:
        self.refused = text
        self._end_candidate()
        _log.error("refused: %s", text)
        self._outbox.event("deployment_refused", "error", text)
        self._return()

    def _abandon(self) -> None:
        """What was named before is not any more."""
        self._end_candidate()
        self.target, self.refused = None, ""
        self._return()

    def _return(self) -> None:
        """The one that made room comes back."""
        if self._alone:
            self._alone = False
            self._host.resume(self._left_ms, self._rest)
            self._left_ms, self._rest = 0, {}

    def _end_candidate(self) -> None:
        self._cancel()
        if self.candidate:
            self.candidate.stop("another deployment is wanted")
            self.candidate = None

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _check_memory(self) -> None:
        if self.candidate:
            limit_mb = self._employer.limit_mb(self.candidate.deployment)
            if self.candidate.exceeds(limit_mb):
                self._refuse(f"more than {limit_mb:g} MB of memory")
