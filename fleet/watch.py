"""Follow what devices say, and count what is missing and what came twice."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from firmware_profiles import topics, wire
from firmware_profiles.broker_url import Address
from firmware_profiles.errors import Problem, UnavailableError
from fleet.observed import Observed, Report, Summary
from fleet.subscriber import Subscriber
from fleet.tracker import Tracker

_STEP_S = 0.2


class Wanted(msgspec.Struct, frozen=True):
    """What to watch and for how long.

    Attributes:
        device: its name, or "+" for every one.
        count: end after so many distinct predictions; None for never.
        timeout_s: end after so long; None for never.
    """

    broker: Address
    device: str
    count: int | None
    timeout_s: float | None


def watch(wanted: Wanted, report: Callable[[Report], None]) -> None:
    """Report messages, and a summary at the end, until `wanted` says so or Ctrl-C.

    Raises:
        UnavailableError: the time was up before a broker was reached or `count` predictions came,
            or the broker refuses us.
    """
    counter = _Counter(report, wanted.count)
    subscriber = Subscriber(wanted.broker, topics.subscription(wanted.device), counter.take, report)
    deadline = time.monotonic() + (float("inf") if wanted.timeout_s is None else wanted.timeout_s)
    try:
        while not counter.complete() and (left_s := deadline - time.monotonic()) > 0:
            subscriber.step(min(_STEP_S, left_s))
    finally:
        subscriber.close()
        report(counter.summary())
    where = f"broker {wanted.broker.host}:{wanted.broker.port}"
    within = f"within {wanted.timeout_s} s"
    if not subscriber.ever_subscribed:
        step = "start the broker, or check its address"
        raise UnavailableError(Problem(where, "a broker of MQTT 5 or 3.1.1", f"none {within}", step))
    if wanted.count is not None and not counter.complete():
        found = f"{counter.predictions} {within}"
        step = "does the agent run? type: edge-agent status --root DIR"
        raise UnavailableError(Problem(where, f"{wanted.count} predictions", found, step))


class _Counter:
    """Reads messages, reports them, and counts."""

    def __init__(self, report: Callable[[Report], None], count: int | None) -> None:
        self.predictions = 0
        self._report = report
        self._count = count
        self._tracker = Tracker()
        self._foreign = 0
        self._malformed = 0

    def complete(self) -> bool:
        """Whether as many predictions came as were asked for."""
        return self._count is not None and self.predictions >= self._count

    def take(self, topic_text: str, payload: bytes) -> None:
        """Take note of one message from the broker."""
        if self.complete():
            return
        topic = topics.parse_topic(topic_text)
        if topic is None or topic.kind not in wire.MESSAGES:
            self._foreign += 1
            return
        try:
            message = wire.decode(topic.kind, payload)
        except (ValueError, msgspec.DecodeError):
            self._malformed += 1
            return
        self._report(self._observe(topic, message))

    def summary(self) -> Summary:
        """The counts so far."""
        totals = self._tracker.totals()
        return Summary(
            received=totals.received,
            predictions=self.predictions,
            duplicates=totals.duplicates,
            missing=totals.missing,
            foreign=self._foreign,
            malformed=self._malformed,
        )

    def _observe(self, topic: topics.Topic, message: wire.Message) -> Observed:
        if not isinstance(message, wire.Header):
            return Observed(kind=topic.kind, device=topic.device or topic.pool, message=message)
        sighting = self._tracker.see(topic.device, topic.kind, message.spool, message.seq)
        self.predictions += isinstance(message, wire.Prediction) and not sighting.repeated
        return Observed(kind=topic.kind, device=topic.device, message=message, **sighting._asdict())
