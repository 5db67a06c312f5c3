"""Every message's way out: numbered, spooled, committed in groups, offered, deleted on PUBACK."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Literal

from edge_agent import clock
from edge_agent.channel import Answer, Predicted
from edge_agent.clock import Moment
from edge_agent.link.mqtt import Link
from edge_agent.link.spool import Spool
from edge_agent.publish import Publisher
from firmware_profiles import wire
from firmware_profiles.wire import Input, MessageClass, Summary

_COMMIT_AFTER_MESSAGES = 100
_COMMIT_AFTER_S = 0.02
_DELETE_AFTER_S = 0.5


class Outbox:
    """Takes what happened, and brings it to the broker at least once.

    Attributes:
        publisher: which answers become messages.
    """

    def __init__(self, device: str, spool: Spool, link: Link, publisher: Publisher) -> None:
        self.spool = spool
        self.publisher = publisher
        self._device = device
        self._link = link
        self._offered_id = 0
        self._commit_timer: asyncio.TimerHandle | None = None
        self._pump_soon = False
        self._when_safe: list[Callable[[], None]] = []

    def predictions(self, version: str, predicted: Predicted) -> None:
        """The answers to one input: those that the policy lets through, and the cursor of its source, as one."""
        moment = clock.moment(predicted.uptime_ms)
        for answer in predicted.answers:
            decision = self.publisher.decide(answer, predicted.uptime_ms / 1000)
            if decision.send:
                build = partial(self._prediction, moment, version, predicted.input, answer, decision.summary)
                self.spool.put("prediction", wire.topic(self._device, "prediction", answer.model), build)
        self.spool.answered(predicted.input)
        self._commit_soon()

    def _prediction(
        self, moment: Moment, version: str, which: Input, answer: Answer, summary: Summary | None, seq: int
    ) -> bytes:
        return wire.encode(
            wire.Prediction(
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
                summary=summary,
            )
        )

    def event(
        self, name: str, severity: Literal["info", "warning", "error"], text: str, about: Input | None = None
    ) -> None:
        """Something a person may want to know; an input that it is about will have no prediction."""
        assert name in wire.EVENTS, f"document {name!r} in the wire"
        self._put(
            "event",
            wire.topic(self._device, "event"),
            lambda seq: wire.encode(
                wire.Event(
                    seq=seq,
                    spool=self.spool.id,
                    **clock.moment()._asdict(),
                    name=name,
                    severity=severity,
                    text=text[:2000],
                    input=about,
                )
            ),
            about,
        )

    def telemetry(self, build: Callable[[int], wire.Telemetry]) -> None:
        """How the device does; `build` gets the message's number."""
        self._put("telemetry", wire.topic(self._device, "telemetry"), lambda seq: wire.encode(build(seq)))

    def forget(self, source: str, names: list[str]) -> None:
        """Positions that are gone from their source."""
        self.spool.forget(source, names)
        self._commit_within(_DELETE_AFTER_S)

    def connected(self) -> None:
        """Offer everything that no broker has acknowledged yet."""
        self._offered_id = 0
        self.pump()

    def acknowledged(self, message_id: int) -> None:
        """The broker has it."""
        self.spool.acknowledge(message_id)
        self._commit_within(_DELETE_AFTER_S)
        if not self._pump_soon:  # once for all the acknowledgements that one read brings
            self._pump_soon = True
            asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        """Offer committed messages while the link has room for them."""
        self._pump_soon = False
        while room := self._link.room:
            batch = self.spool.waiting(self._offered_id, room)
            if not batch:
                return
            for message in batch:
                self._link.offer(*message)
                self._offered_id = message.id

    def commit(self) -> None:
        """Make everything so far durable, and offer it."""
        if self._commit_timer:
            self._commit_timer.cancel()
            self._commit_timer = None
        self.spool.commit()
        safe, self._when_safe = self._when_safe, []
        for callback in safe:
            callback()
        self.pump()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call it when everything so far is durable."""
        self._when_safe.append(callback)
        self._commit_within(_COMMIT_AFTER_S)

    def _put(self, kind: MessageClass, topic: str, build: Callable[[int], bytes], answers: Input | None = None) -> None:
        self.spool.put(kind, topic, build)
        if answers is not None:
            self.spool.answered(answers)
        self._commit_soon()

    def _commit_soon(self) -> None:
        if self.spool.uncommitted >= _COMMIT_AFTER_MESSAGES:
            self.commit()
        else:
            self._commit_within(_COMMIT_AFTER_S)

    def _commit_within(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._commit_timer:
            if self._commit_timer.when() <= loop.time() + delay_s:
                return
            self._commit_timer.cancel()
        self._commit_timer = loop.call_later(delay_s, self.commit)
