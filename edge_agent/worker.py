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
from typing import TYPE_CHECKING

from edge_agent import channel, clock
from edge_agent.channel import (
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
    Start,
    ToWorker,
)
from edge_agent.doing import Doing
from edge_agent.flow import opening
from edge_agent.flow.feed import Feed
from edge_agent.flow.feeds import Feeds
from edge_agent.flow.outgoing import Outgoing
from edge_agent.flow.source import Item
from edge_agent.models import Models
from edge_agent.proving import prove
from firmware_profiles.errors import GodwitError, InputError
from firmware_profiles.results import Input

if TYPE_CHECKING:
    from edge_agent.flow.dataset import Dataset

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
            data = {}
            if start.beside:
                models.warm_up()
                data = opening.load(start.sources)
        except GodwitError as error:
            outgoing.send(Refused(str(error)))
            outgoing.flush()
            return
        outgoing.send(Ready(models.in_use()))
        outgoing.flush()
        Worker(stream, outgoing, models, start, Doing(int(sys.argv[2])), data).serve()


class Worker:
    """Answers what sources and the supervisor bring."""

    def __init__(
        self,
        stream: socket.socket,
        outgoing: Outgoing,
        models: Models,
        start: Start,
        doing: Doing,
        data: dict[str, Dataset],
    ) -> None:
        """Args: `data` of sources that replay, as far as it was read already."""
        self._stream = stream
        self._outgoing = outgoing
        self._models = models
        self._doing = doing
        self._reader: Reader[ToWorker] = Reader(ToWorker)
        self._feeds = Feeds(start, outgoing, self._answer, data)
        self._looked_s = 0.0

    def serve(self) -> None:
        """Until the supervisor is gone.

        Raises:
            EOFError, ConnectionError: it is.
        """
        while True:
            self._wait()
            self._feeds.poll()

    def _wait(self) -> None:
        """Until the supervisor says something, a source may have something, or its time has come."""
        now_s = time.monotonic()
        until_s = self._feeds.due_s()
        if until_s is not None and until_s <= now_s < self._looked_s + _LOOK_UP_S:
            return
        if (flush_s := self._outgoing.due_s()) is not None:
            if flush_s <= now_s:
                self._outgoing.flush()
            else:
                until_s = flush_s if until_s is None else min(until_s, flush_s)
        timeout_s = None if until_s is None else max(0.0, until_s - now_s)
        self._looked_s = now_s
        idle = self._feeds.idle()
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
                self._outgoing.send(Replied(message.number, self._models.reply(message.asked)))
            elif isinstance(message, Payload):
                self._feeds.take(message)
            elif isinstance(message, Pace):
                self._feeds.pace(message.factor)
            elif isinstance(message, Open):
                self._feeds.open(message)
            else:
                self._feeds.finish()
        self._outgoing.flush()

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


if __name__ == "__main__":
    main()
