"""The worker: hosts the deployment's sources and its pipeline. Started by the supervisor only.

It proves the model on its golden vectors before anything else. Each inference runs under an alarm
whose default action ends the process: that works even where the runtime hangs in C.
"""

from __future__ import annotations

import contextlib
import ctypes
import select
import signal
import socket
import sys
import time
from pathlib import Path

from edge_agent import channel, clock
from edge_agent.channel import Forgotten, Predicted, Ready, Refused, Rejected, SourceEnded, SourceFailed, Start
from edge_agent.deployment import read_slot
from edge_agent.flow.opening import open_source
from edge_agent.flow.source import Ended, Item, Source
from edge_agent.pipeline import Pipeline, choose, model_of
from edge_agent.source_config import SourceSettings
from firmware_profiles.errors import GodwitError, InputError
from firmware_profiles.wire import Input

_START_DEADLINE_S = 120.0
_IDLE_POLL_S = 0.05
_RETRY_S = 5.0
_PR_SET_PDEATHSIG = 1


class _Feed:
    """One source with its rate; opened when it is first due, and again after it failed."""

    def __init__(self, config: SourceSettings, start: Start) -> None:
        self.name = config.name
        self._config = config
        self._start = start
        self._period_s = 1 / config.rate if config.rate else 0.0
        self._source: Source | None = None
        self._failed = self._idle = False
        self.due_s = time.monotonic()

    def poll(self, stream: socket.socket) -> Item | None:
        """The next input if one is due; tells the supervisor about failures and vanished inputs.

        Raises:
            Ended: there will be none any more.
        """
        now_s = time.monotonic()
        if now_s < self.due_s:
            return None
        try:
            self._source = self._source or self._open()
            item = self._source.poll()
        except InputError as error:
            self.due_s, self._idle = now_s + _RETRY_S, False
            if not self._failed:
                channel.send(stream, SourceFailed(self.name, str(error)))
            self._failed = True
            return None
        self._failed, self._idle = False, item is None
        if gone := self._source.gone():
            channel.send(stream, Forgotten(self.name, gone))
        # A late input does not push the later ones back, unless it is later than a whole period.
        self.due_s = now_s + _IDLE_POLL_S if item is None else max(self.due_s + self._period_s, now_s - self._period_s)
        return item

    def fileno(self) -> int | None:
        """What to wait for besides the time; None if there is no such thing, or if it waits for its rate."""
        return self._source.fileno() if self._source and self._idle else None

    def close(self) -> None:
        """Release the source."""
        if self._source:
            self._source.close()

    def _open(self) -> Source:
        return open_source(self._config, self._start.reached[self.name], self._start.taken[self.name], -1)


def main() -> None:
    """Take the start message from the file descriptor in argv[1] and work until the supervisor is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to act on
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    stream = socket.socket(fileno=int(sys.argv[1]))
    with contextlib.suppress(EOFError, ConnectionError):
        start = channel.receive_start(stream)
        signal.setitimer(signal.ITIMER_REAL, max(_START_DEADLINE_S, start.deadline_s))
        try:
            pipeline = _prove(start)
        except GodwitError as error:
            channel.send(stream, Refused(str(error)))
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        channel.send(stream, Ready(pipeline.model.name, pipeline.in_use))
        _serve(stream, pipeline, start)


def _prove(start: Start) -> Pipeline:
    """Verify the hashes, load the model, check its golden vectors."""
    deployment = read_slot(Path(start.folder))
    deployment.verify()
    return choose(deployment, model_of(deployment), start.skipped).pipeline


def _serve(stream: socket.socket, pipeline: Pipeline, start: Start) -> None:
    feeds = [_Feed(config, start) for config in start.sources]
    while True:
        for feed in list(feeds):
            try:
                item = feed.poll(stream)
            except Ended:
                feeds.remove(feed)
                feed.close()
                channel.send(stream, SourceEnded(feed.name))
                continue
            if item is not None:
                _answer(stream, pipeline, Input(feed.name, item.position), item, start.deadline_s)
        _rest(stream, feeds)


def _answer(stream: socket.socket, pipeline: Pipeline, which: Input, item: Item, deadline_s: float) -> None:
    if isinstance(item.content, InputError):
        channel.send(stream, Rejected(which, str(item.content)))
        return
    started_s = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, deadline_s)
    try:
        result = pipeline.predict(item.content)
    except InputError as error:
        channel.send(stream, Rejected(which, str(error)))
        return
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    latency_ms = (time.perf_counter() - started_s) * 1e3
    channel.send(stream, Predicted(which, result, round(latency_ms, 3), clock.uptime_ms()))


def _rest(stream: socket.socket, feeds: list[_Feed]) -> None:
    """Wait until a source is due or readable, or for ever; the supervisor's end of the channel ends it all."""
    until_s = min((feed.due_s for feed in feeds), default=None)
    timeout_s = None if until_s is None else until_s - time.monotonic()
    if timeout_s is not None and timeout_s <= 0:
        return
    by_descriptor = {descriptor: feed for feed in feeds if (descriptor := feed.fileno()) is not None}
    ours = stream.fileno()
    readable, _, _ = select.select([ours, *by_descriptor], [], [], timeout_s)
    if ours in readable:
        raise EOFError
    for descriptor in readable:
        by_descriptor[descriptor].due_s = time.monotonic()


if __name__ == "__main__":
    main()
