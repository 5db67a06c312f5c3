"""What the next commit of the spool will write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from firmware_profiles.results import Input
from firmware_profiles.wire import CLASSES, MessageClass

Row = tuple[int, str, int, int, bool, bytes]
"""As in the tables: seq, topic, boot, uptime_ms, trusted, payload."""

_REACHED = "INSERT OR REPLACE INTO reached VALUES (?, ?)"
_TAKEN = "INSERT OR IGNORE INTO taken VALUES (?, ?)"
_GONE = "DELETE FROM taken WHERE source = ? AND name = ?"


class Group:
    """Messages, deletes and cursors, in memory.

    Attributes:
        rows: new messages by class, in order.
        too_large: how many more were dropped for their size.
        acked: numbers of messages that the broker has.
        messages, deletes: how many of each.
        bytes: of the new messages' payloads and topics.
    """

    def __init__(self) -> None:
        self.rows: dict[MessageClass, list[Row]] = {kind: [] for kind in CLASSES}
        self.too_large: dict[MessageClass, int] = dict.fromkeys(CLASSES, 0)
        self.acked: dict[MessageClass, list[int]] = {kind: [] for kind in CLASSES}
        self.messages = self.deletes = self.bytes = 0
        self._reached: dict[str, int] = {}
        self._names: dict[tuple[str, str], bool] = {}

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.messages or self.deletes or self._reached or self._names or any(self.too_large.values()))

    def add(self, kind: MessageClass, row: Row) -> None:
        """A new message."""
        self.rows[kind].append(row)
        self.messages += 1
        self.bytes += len(row[1]) + len(row[5])

    def refuse(self, kind: MessageClass) -> None:
        """A new message that is too large: only its number is kept."""
        self.too_large[kind] += 1

    def acknowledge(self, kind: MessageClass, seq: int) -> None:
        """A message to delete."""
        self.acked[kind].append(seq)
        self.deletes += 1

    def advance(self, answered: Input) -> None:
        """The cursor of an input's source moves."""
        if isinstance(answered.position, int):
            self._reached[answered.source] = answered.position
        else:
            self._names[answered.source, answered.position] = True

    def forget(self, source: str, names: Iterable[str]) -> None:
        """Named positions may come again."""
        self._names.update(((source, name), False) for name in names)

    def write_cursors(self, connection: sqlite3.Connection) -> None:
        """Write where each source was left."""
        if self._reached:
            connection.executemany(_REACHED, self._reached.items())
        if self._names:
            connection.executemany(_TAKEN, [key for key, taken in self._names.items() if taken])
            connection.executemany(_GONE, [key for key, taken in self._names.items() if not taken])
