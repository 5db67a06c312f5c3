"""Every message's way out: numbered, spooled, committed in groups, offered, deleted on PUBACK."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Literal

from edge_agent import clock, config
from edge_agent.channel import Answer, Predicted
from edge_agent.clock import Moment
from edge_agent.link.mqtt import Link
from edge_agent.link.outgoing import Waiting
from edge_agent.link.spool import Spool
from edge_agent.link.window import IN_FLIGHT
from edge_agent.losses import Losses
from edge_agent.publish import Publisher
from firmware_profiles import topics, wire
from firmware_profiles.results import Input
from firmware_profiles.wire import Header, MessageClass, Summary

_DELETE_AFTER_S = 0.5
"""Less than a window of acknowledged messages can wait for others: a crash repeats no more than these."""
_REST = 4
"""After a commit the loop works for so many times as long as it took, before the next one that is not full."""


class Outbox:
    """Takes what happened, and brings it to the broker at least once.

    Attributes:
        publisher: which answers become messages.
        events: how many of each name, since this process started.
    """

    def __init__(self, device: str, spool: Spool, link: Link, publisher: Publisher, settings: config.Spool) -> None:
        self.spool = spool
        self.publisher = publisher
        self.events: Counter[str] = Counter()
        self._device = device
        self._link = link
        self._commit_messages = settings.commit_messages
        self._commit_s = settings.commit_ms / 1000
        self._losses = Losses(spool)
        self._ready: deque[Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._delay_s = 0.0  # of the timer
        self._took_s = 0.0  # by the last commit
        self._pump_soon = False
        self._when_safe: list[Callable[[], None]] = []

    def predictions(self, version: str, predicted: Predicted) -> None:
        """The answers to one input: those that the policy lets through, and the cursor of its source, as one."""
        moment = clock.moment(predicted.uptime_ms)
        for answer in predicted.answers:
            decision = self.publisher.decide(answer, predicted.uptime_ms / 1000)
            if decision.send:
                build = partial(self._prediction, moment, version, predicted.input, answer, decision.summary)
                self.spool.put("prediction", topics.topic(self._device, "prediction", answer.model), build)
        self.spool.answered(predicted.input)
        self._commit_soon()

    def _prediction(
        self, moment: Moment, version: str, which: Input, answer: Answer, summary: Summary | None, seq: int
    ) -> wire.Prediction:
        return wire.Prediction(
            seq=seq,
            spool=self.spool.id,
            boot=moment.boot,
            uptime_ms=moment.uptime_ms,
            time=moment.time,
            clock_trusted=moment.clock_trusted,
            model=answer.model,
            version=version,
            input=which,
            latency_ms=answer.latency_ms,
            result=answer.result,
            then=answer.then,
            summary=summary,
        )

    def event(
        self, name: str, severity: Literal["info", "warning", "error"], text: str, about: Input | None = None
    ) -> None:
        """Something a person may want to know; an input that it is about will have no prediction."""
        assert name in wire.EVENTS, f"document {name!r} in the wire"
        self.events[name] += 1
        self._put(
            "event",
            topics.topic(self._device, "event"),
            lambda seq: wire.Event(
                seq=seq,
                spool=self.spool.id,
                **clock.moment()._asdict(),
                name=name,
                severity=severity,
                text=text[:2000],
                input=about,
            ),
            about,
        )

    def passed_over(self, which: Input) -> None:
        """An input that will have no prediction, and of which nothing is said."""
        self.spool.answered(which)
        self._commit_soon()

    def telemetry(self, build: Callable[[int], wire.Telemetry]) -> None:
        """How the device does; `build` gets the message's number."""
        self._put("telemetry", topics.topic(self._device, "telemetry"), build)

    def forget(self, source: str, names: list[str]) -> None:
        """Positions that are gone from their source."""
        self.spool.forget(source, names)
        self._commit_within(_DELETE_AFTER_S)

    def connected(self) -> None:
        """Offer everything that no broker has acknowledged yet."""
        self._commit()
        self.spool.rewind()
        self._ready.clear()
        self.pump()

    def acknowledged(self, message_id: int) -> None:
        """The broker has it."""
        self.spool.acknowledge(message_id)
        self._commit_within(_DELETE_AFTER_S if self.spool.undeleted < IN_FLIGHT else self._commit_s)
        if not self._pump_soon:  # once for all the acknowledgements that one read brings
            self._pump_soon = True
            asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        """Offer committed messages while the link has room for them."""
        self._pump_soon = False
        while self._link.room:
            if not self._ready:
                self._ready.extend(self.spool.waiting())
                if not self._ready:
                    return
            waiting = self._ready.popleft()
            if self.spool.holds(waiting.id):
                self._link.offer(*waiting)

    def commit(self) -> None:
        """Make everything so far durable, and offer it."""
        self._commit()
        self.pump()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call it when everything so far is durable."""
        self._when_safe.append(callback)
        self._commit_within(self._commit_s)

    def _commit(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        started_s = time.perf_counter()
        self.spool.commit()
        self._took_s = time.perf_counter() - started_s
        safe, self._when_safe = self._when_safe, []
        for callback in safe:
            callback()
        for news in self._losses.news():
            self.event(*news)

    def _put(
        self, kind: MessageClass, topic: str, build: Callable[[int], Header], answers: Input | None = None
    ) -> None:
        self.spool.put(kind, topic, build)
        if answers is not None:
            self.spool.answered(answers)
        self._commit_soon()

    def _commit_soon(self) -> None:
        if self.spool.uncommitted >= self._commit_messages or self.spool.group_is_large:
            self.commit()
        else:
            self._commit_within(self._commit_s)

    def _commit_within(self, delay_s: float) -> None:
        """At the latest then; a disk that is slow is given more time."""
        if self._timer:
            if self._delay_s <= delay_s:
                return
            self._timer.cancel()
        self._delay_s = delay_s
        self._timer = asyncio.get_running_loop().call_later(max(delay_s, _REST * self._took_s), self.commit)
