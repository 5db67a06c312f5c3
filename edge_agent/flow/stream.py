"""A live stream of bytes becomes items: connected, cut into pieces, put together, connected again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from edge_agent.channel import Rest
from edge_agent.flow.attempts import Attempts
from edge_agent.flow.framing import Framer, framer, has_rows
from edge_agent.flow.rejections import Rejections
from edge_agent.flow.source import Ended, Item
from edge_agent.flow.windows import assembler
from edge_agent.format_config import StreamFormat, Window
from firmware_profiles.errors import InputError

READ_BYTES = 1 << 16


class Connection(Protocol):
    """An open port, program or descriptor."""

    def fileno(self) -> int | None:
        """As `source.Source.fileno`."""
        ...

    def read(self) -> bytes:
        """Up to READ_BYTES that are there; b"" if there are none right now.

        Raises:
            Ended: there will be none any more, and that is no failure.
            InputError: it is broken.
        """
        ...

    def close(self) -> None:
        """Release it."""
        ...


class StreamSource:
    """A `source.Source`. Items are numbered on from `reached`."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        layout: StreamFormat,
        window: Window | None,
        reached: int,
        joins_midway: bool = False,
        rate: float = 0.0,
        rest: Rest | None = None,
    ) -> None:
        """Nothing is connected before the first poll.

        Args:
            connect: raises InputError if it cannot.
            joins_midway: see `framing.framer`.
            rate: items a second beyond which they are dropped here; 0 to leave that to who polls.
            rest: what another reader of the same stream left, with nothing lost in between.
        """
        self._connect = connect
        self._new_framer: Callable[[], Framer] = lambda: framer(layout, joins_midway)
        self._framer = self._new_framer()
        self._assembler = assembler(window, has_rows(layout))
        self._position = reached
        self._period_s = 1 / rate if rate else 0.0
        self._due_s = 0.0
        self._connection: Connection | None = None
        self._attempts = Attempts()
        self._rejections = Rejections()
        self._items: Iterator[Item] = iter(())
        self._finished = False
        if rest:
            if rest.rows:
                self._assembler.take(rest.rows)
            self._items = self._made_of(rest.received, time.monotonic())

    def poll(self) -> Item | None:
        """See `source.Source`."""
        for item in self._items:
            return item
        if self._finished:
            raise Ended
        now_s = time.monotonic()
        try:
            received = self._read(now_s)
        except InputError as error:
            self._disconnect()
            if self._attempts.failed(error, now_s):
                raise
            return None
        if received:
            self._attempts.worked()
        self._items = self._made_of(received, now_s)
        return next(self._items, None)

    def gone(self) -> list[str]:
        """None ever: nothing here has a name."""
        return []

    def fileno(self) -> int | None:
        """See `source.Source`."""
        return self._connection.fileno() if self._connection else None

    def finish(self) -> None:
        """See `source.Source`."""
        self._finished = True

    def close(self) -> Rest:
        """See `source.Source`."""
        rest = Rest(self._framer.rest(), self._assembler.held())
        self._disconnect()
        return rest

    def _read(self, now_s: float) -> bytes:
        if self._connection is None:
            if now_s < self._attempts.due_s:
                return b""
            self._attempts.began(now_s)
            self._connection = self._connect()
        return self._connection.read()

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
        self._framer = self._new_framer()
        self._assembler.gap()

    def _made_of(self, received: bytes, now_s: float) -> Iterator[Item]:
        for piece in self._framer.feed(received) if received else ():
            try:
                if isinstance(piece, InputError):
                    raise piece
                for content in self._assembler.push(piece):
                    if now_s >= self._due_s:
                        late_s = now_s - self._due_s
                        self._due_s = now_s + self._period_s - (late_s if late_s < self._period_s else 0)
                        self._position += 1
                        yield Item(self._position, content)
            except InputError as error:
                self._assembler.gap()
                self._rejections.add(error)
        if rejected := self._rejections.due(now_s):
            self._position += 1
            yield Item(self._position, rejected)
