"""All sources of a worker: opened, polled, and let go of."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from edge_agent import clock
from edge_agent.channel import (
    Absorbed,
    Finished,
    Forgotten,
    Open,
    Payload,
    Rest,
    SourceEnded,
    SourceFailed,
    SourceReopened,
    Start,
)
from edge_agent.flow import opening
from edge_agent.flow.feed import Feed
from edge_agent.flow.gaps import Gaps
from edge_agent.flow.inbox import Inbox
from edge_agent.flow.mqtt_topic import MqttTopicSource
from edge_agent.flow.outgoing import Outgoing
from edge_agent.flow.source import Ended, Item
from edge_agent.source_config import SourceSettings

if TYPE_CHECKING:
    from edge_agent.flow.dataset import Dataset

Answer = Callable[[Feed, Item], None]


class Feeds:
    """None is open before `open`, and after `finish` none is read from."""

    def __init__(self, start: Start, outgoing: Outgoing, answer: Answer, data: dict[str, Dataset]) -> None:
        """`answer` is called with every item; `data` is what `opening.load` gave."""
        self._start = start
        self._outgoing = outgoing
        self._answer = answer
        self._data = data
        self._feeds: list[Feed] = []
        self._inboxes: dict[str, Inbox] = {}
        self._gaps = Gaps()
        self._left_ms: int | None = None
        self._rest: dict[str, Rest] = {}

    def open(self, at: Open) -> None:
        """Open the sources that `at` has cursors for."""
        sources = [settings for settings in self._start.sources if settings.name in at.reached]
        self._gaps = Gaps(sources, at.left_ms)
        self._feeds = [self._feed(settings, at) for settings in sources]

    def finish(self) -> None:
        """Read nothing more; `Finished` is said when what was read is answered."""
        self._left_ms = clock.uptime_ms()
        self._feeds = [feed for feed in self._feeds if feed.source]
        for feed in self._feeds:
            feed.finish()

    def due_s(self) -> float | None:
        """When the first source is to be polled, by the monotonic clock; None where there is none."""
        return min((feed.due_s for feed in self._feeds), default=None)

    def idle(self) -> dict[int, Feed]:
        """Those that had nothing, by the descriptors that become readable when they have something."""
        return {descriptor: feed for feed in self._feeds if (descriptor := feed.descriptor) is not None}

    def pace(self, factor: float) -> None:
        """Let all go at `factor` (above 0, at most 1) of their rate."""
        for feed in self._feeds:
            feed.pace(factor)

    def poll(self) -> None:
        """Poll those that are due."""
        now_s = time.monotonic()
        for feed in list(self._feeds):
            if feed.due_s <= now_s:
                self._poll(feed, now_s)
        if self._left_ms is not None and not self._feeds:
            self._outgoing.send(Finished(self._left_ms, self._rest))
            self._outgoing.flush()  # until it is heard, nobody reads the sources
            self._left_ms = None

    def take(self, payload: Payload) -> None:
        """A message that came in for an MQTT source."""
        feed = next((feed for feed in self._feeds if feed.name == payload.source), None)
        if feed is None:  # it is no longer declared
            self._outgoing.send(Absorbed(payload.number))
            return
        if feed.name not in self._inboxes:
            source = feed.opened()
            assert isinstance(source, MqttTopicSource), "payloads come for MQTT sources only"
            self._inboxes[feed.name] = Inbox(source)
        self._inboxes[feed.name].take(payload.number, payload.body)
        feed.wake()
        self._tell_absorbed(feed.name)

    def _feed(self, settings: SourceSettings, at: Open) -> Feed:
        reached, taken = at.reached[settings.name], at.taken[settings.name]

        def failed(text: str) -> None:
            self._outgoing.send(SourceFailed(settings.name, text))

        rest, data = at.rest.get(settings.name), self._data.pop(settings.name, None)
        stdin = self._start.stdin
        return Feed(settings, partial(opening.open_source, settings, reached, taken, stdin, rest, data), failed)

    def _poll(self, feed: Feed, now_s: float) -> None:
        try:
            item = feed.poll(now_s)
        except Ended:
            self._end(feed)
            return
        if (gap_ms := self._gaps.closed(feed, item)) is not None:
            self._outgoing.send(SourceReopened(feed.name, gap_ms))
        if gone := feed.gone():
            self._outgoing.send(Forgotten(feed.name, gone))
        if item is not None:
            self._answer(feed, item)
            feed.busy(time.monotonic() - now_s)
            if inbox := self._inboxes.get(feed.name):
                inbox.answered(int(item.position))
                self._tell_absorbed(feed.name)

    def _end(self, feed: Feed) -> None:
        self._feeds.remove(feed)
        rest = feed.close()
        if self._left_ms is None:
            self._outgoing.send(SourceEnded(feed.name))
        elif rest:
            self._rest[feed.name] = rest

    def _tell_absorbed(self, source: str) -> None:
        for number in self._inboxes[source].done():
            self._outgoing.send(Absorbed(number))
