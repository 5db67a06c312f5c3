"""The worker as the supervisor sees it: a process and a channel."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable

import msgspec

from edge_agent import channel
from edge_agent.channel import FromWorker, Reader, Start, ToWorker
from edge_agent.doing import Doing
from edge_agent.spawning import Spawned

_KILLED_AFTER_S = 5.0
_BURIED_AFTER_S = 0.1


class Child:
    """A running worker.

    Attributes:
        pid: of the process.
        started_s: by the monotonic clock.
        doing: what it is at.
    """

    def __init__(
        self,
        spawned: Spawned,
        start: Start,
        on_message: Callable[[FromWorker], None],
        on_exit: Callable[[int], None],
    ) -> None:
        """Set a worker to work; both callbacks run in the event loop. `on_exit` gets its return code."""
        self._process = spawned.process
        self.pid = self._process.pid
        self.started_s = spawned.started_s
        self.doing = Doing(spawned.doing)
        self._stream = spawned.stream
        self._loop = asyncio.get_running_loop()
        self._reader: Reader[FromWorker] = Reader(FromWorker)
        self._unsent = bytearray()
        self._on_message = on_message
        self._on_exit = on_exit
        with contextlib.suppress(ConnectionError):  # of its end, reading tells
            channel.send(self._stream, start)
        self._stream.setblocking(False)
        self._loop.add_reader(self._stream, self._readable)

    def send(self, message: ToWorker) -> None:
        """Send it as soon as the worker takes it. How much may wait is bounded by those who ask."""
        framed = channel.frame(message)
        if self._unsent:
            self._unsent += framed
            return
        sent = 0
        with contextlib.suppress(BlockingIOError, ConnectionError):  # of its end, reading tells
            sent = self._stream.send(framed)
        if sent < len(framed):
            self._unsent += memoryview(framed)[sent:]
            self._loop.add_writer(self._stream, self._writable)

    def kill(self) -> None:
        """End it; `on_exit` follows."""
        self._process.kill()

    def stop(self) -> None:
        """End it for good; nothing is lost, since what was not committed is answered again."""
        self._close()
        self._process.kill()
        self._process.wait()

    def dismiss(self) -> None:
        """End it for good without waiting for that: a large process takes its time."""
        self._close()
        self._process.kill()
        self._bury()

    def _bury(self) -> None:
        if self._process.poll() is None:
            self._loop.call_later(_BURIED_AFTER_S, self._bury)

    def _writable(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            del self._unsent[: self._stream.send(self._unsent)]
        if not self._unsent:
            self._loop.remove_writer(self._stream)

    def _readable(self) -> None:
        try:
            received = self._stream.recv(channel.READ_BYTES)
            messages = list(self._reader.feed(received))
        except BlockingIOError:
            return
        except (ConnectionError, ValueError, msgspec.MsgspecError):
            received, messages = b"", []
        for message in messages:
            self._on_message(message)
        if not received:
            self._close()
            self._on_exit(self._reap())

    def _reap(self) -> int:
        try:
            return self._process.wait(timeout=_KILLED_AFTER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _close(self) -> None:
        self._loop.remove_reader(self._stream)
        self._loop.remove_writer(self._stream)
        self._stream.close()
