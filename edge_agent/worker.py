"""The worker: hosts the deployment's models and its sources. Started by the supervisor only.

It proves the models on their golden vectors before anything else, and answers requests from then on; sources
it opens when it is told to, and lets go of when another worker is to have them. One thread waits for the
supervisor and for all sources at once, and answers one input after the other.
"""

from __future__ import annotations

import contextlib
import ctypes
import select
import signal
import socket
import sys
import time
from functools import partial

from edge_agent import channel, clock
from edge_agent.channel import (
    Absorbed,
    Finish,
    Finished,
    Forgotten,
    Open,
    Pace,
    Payload,
    Predicted,
    Reader,
    Ready,
    Refused,
    Rejected,
    Replied,
    Request,
    Rest,
    SourceEnded,
    SourceFailed,
    SourceReopened,
    Start,
    ToWorker,
)
from edge_agent.doing import Doing
from edge_agent.flow.feed import Feed
from edge_agent.flow.gaps import Gaps
from edge_agent.flow.inbox import Inbox
from edge_agent.flow.mqtt_topic import MqttTopicSource
from edge_agent.flow.opening import open_source
from edge_agent.flow.outgoing import Outgoing
from edge_agent.flow.source import Ended, Item
from edge_agent.models import Models
from edge_agent.proving import prove
from edge_agent.source_config import SourceSettings
from firmware_profiles.errors import GodwitError, InputError
from firmware_profiles.wire import Input

_LOOK_UP_S = 0.001
"""How long the supervisor may have to wait while sources have inputs without end."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Work for the supervisor until it is gone; argv holds the descriptors of the channel and of `doing`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to act on
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    stream = socket.socket(fileno=int(sys.argv[1]))
    with contextlib.suppress(EOFError, ConnectionError):
        start = channel.receive_start(stream)
        outgoing = Outgoing(stream)
        try:
            models = prove(start, outgoing)
            if start.beside:
                models.warm_up()
        except GodwitError as error:
            outgoing.send(Refused(str(error)))
            outgoing.flush()
            return
        outgoing.send(Ready(models.in_use()))
        outgoing.flush()
        Worker(stream, outgoing, models, start, Doing(int(sys.argv[2]))).serve()


class Worker:
    """Answers what sources and the supervisor bring."""

    def __init__(self, stream: socket.socket, outgoing: Outgoing, models: Models, start: Start, doing: Doing) -> None:
        self._stream = stream
        self._outgoing = outgoing
        self._models = models
        self._start = start
        self._doing = doing
        self._reader: Reader[ToWorker] = Reader(ToWorker)
        self._feeds: list[Feed] = []
        self._inboxes: dict[str, Inbox] = {}
        self._gaps = Gaps()
        self._left_ms: int | None = None
        self._rest: dict[str, Rest] = {}
        self._looked_s = 0.0

    def serve(self) -> None:
        """Until the supervisor is gone.

        Raises:
            EOFError, ConnectionError: it is.
        """
        while True:
            self._wait()
            now_s = time.monotonic()
            for feed in list(self._feeds):
                if feed.due_s <= now_s:
                    self._poll(feed, now_s)
            if self._left_ms is not None and not self._feeds:
                self._outgoing.send(Finished(self._left_ms, self._rest))
                self._left_ms = None

    def _open(self, at: Open) -> None:
        sources = [settings for settings in self._start.sources if settings.name in at.reached]
        self._gaps = Gaps(sources, at.left_ms)
        self._feeds = [self._feed(settings, at) for settings in sources]

    def _feed(self, settings: SourceSettings, at: Open) -> Feed:
        reached, taken = at.reached[settings.name], at.taken[settings.name]

        def failed(text: str) -> None:
            self._outgoing.send(SourceFailed(settings.name, text))

        opened = partial(open_source, settings, reached, taken, self._start.stdin, at.rest.get(settings.name))
        return Feed(settings, opened, failed)

    def _finish(self) -> None:
        self._left_ms = clock.uptime_ms()
        self._feeds = [feed for feed in self._feeds if feed.source]
        for feed in self._feeds:
            feed.finish()

    def _wait(self) -> None:
        """Until the supervisor says something, a source may have something, or its time has come."""
        now_s = time.monotonic()
        until_s = min((feed.due_s for feed in self._feeds), default=None)
        if until_s is not None and until_s <= now_s < self._looked_s + _LOOK_UP_S:
            return
        if (flush_s := self._outgoing.due_s()) is not None:
            if flush_s <= now_s:
                self._outgoing.flush()
            else:
                until_s = flush_s if until_s is None else min(until_s, flush_s)
        timeout_s = None if until_s is None else max(0.0, until_s - now_s)
        self._looked_s = now_s
        idle = {descriptor: feed for feed in self._feeds if (descriptor := feed.descriptor) is not None}
        ours = self._stream.fileno()
        readable, _, _ = select.select([ours, *idle], [], [], timeout_s)
        for descriptor in readable:
            if descriptor == ours:
                self._listen()
            else:
                idle[descriptor].wake()

    def _listen(self) -> None:
        received = self._stream.recv(channel.READ_BYTES)
        if not received:
            raise EOFError
        for message in self._reader.feed(received):
            if isinstance(message, Request):
                self._reply(message)
            elif isinstance(message, Payload):
                self._take(message)
            elif isinstance(message, Pace):
                for feed in self._feeds:
                    feed.pace(message.factor)
            elif isinstance(message, Open):
                self._open(message)
            elif isinstance(message, Finish):
                self._finish()
        self._outgoing.flush()

    def _take(self, payload: Payload) -> None:
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

    def _tell_absorbed(self, source: str) -> None:
        for number in self._inboxes[source].done():
            self._outgoing.send(Absorbed(number))

    def _poll(self, feed: Feed, now_s: float) -> None:
        try:
            item = feed.poll(now_s)
        except Ended:
            self._feeds.remove(feed)
            rest = feed.close()
            if self._left_ms is None:
                self._outgoing.send(SourceEnded(feed.name))
            elif rest:
                self._rest[feed.name] = rest
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

    def _answer(self, feed: Feed, item: Item) -> None:
        which = Input(feed.name, item.position)
        self._doing.begin(which)
        try:
            if isinstance(item.content, InputError):
                raise item.content
            answers = self._models.answers(feed.models or self._models.entries, item.content)
        except InputError as error:
            self._outgoing.send(Rejected(which, str(error)))
            return
        finally:
            self._doing.end()
        self._outgoing.send(Predicted(which, answers, clock.uptime_ms()))

    def _reply(self, request: Request) -> None:
        self._outgoing.send(Replied(request.number, self._models.reply(request.asked)))


if __name__ == "__main__":
    main()
