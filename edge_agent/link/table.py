"""The messages of one class: rows in order of their numbers, and how many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import accumulate, groupby, takewhile
from typing import NamedTuple

from edge_agent.link.boots import Boots
from edge_agent.link.group import Row
from firmware_profiles.wire import MessageClass

_AT_ONCE = 1000
_ROW_BYTES = 24
"""What a row takes beside its texts, as SQLite's documentation of the file format counts it."""


class Tally(NamedTuple):
    """Counts of a class; `dropped` and `expired` since the spool was made.

    Attributes:
        seq: the number of the last message.
        messages: in the table.
        dropped: because the spool was full, or the message too large.
        expired: because no broker took them in their time.
        floor: the highest number that one of both took from the table.
    """

    seq: int
    messages: int
    dropped: int
    expired: int
    floor: int = 0


class Table:
    """Every method that writes belongs into a transaction of the spool, which restores `tally` if it fails."""

    def __init__(self, connection: sqlite3.Connection, kind: MessageClass, boots: Boots, ttl_s: float) -> None:
        self._connection = connection
        self._boots = boots
        self._ttl_s = ttl_s
        # The name of a class is one of three words of ours, so nothing foreign enters these statements.
        self._insert = f"INSERT INTO {kind} VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
        self._delete = f"DELETE FROM {kind} WHERE seq BETWEEN ? AND ?"  # noqa: S608
        self._oldest = f"SELECT seq, boot, uptime_ms, length(payload) + length(topic) FROM {kind} ORDER BY seq LIMIT ?"  # noqa: S608
        self._save = f"UPDATE counters SET seq = ?, dropped = ?, expired = ? WHERE class = '{kind}'"  # noqa: S608
        row = connection.execute("SELECT seq, dropped, expired FROM counters WHERE class = ?", (kind,)).fetchone()
        seq, dropped, expired = row
        (messages,) = connection.execute(f"SELECT count(*) FROM {kind}").fetchone()  # noqa: S608
        self.tally = Tally(seq, messages, dropped, expired)

    def oldest_boot(self) -> int:
        """The boot of the oldest message; this one if there is none."""
        oldest = self._connection.execute(self._oldest, (1,)).fetchall()
        return int(oldest[0][1]) if oldest else self._boots.current

    def insert(self, rows: list[Row], too_large: int, seq: int) -> None:
        """Add messages, the last number of which is `seq`; so many were too large."""
        self._connection.executemany(self._insert, rows)
        messages, dropped = self.tally.messages + len(rows), self.tally.dropped + too_large
        self.tally = self.tally._replace(seq=seq, messages=messages, dropped=dropped)

    def delete(self, numbers: list[int]) -> None:
        """Delete messages; those that were dropped meanwhile are gone already."""
        deleted = self._connection.executemany(self._delete, _ranges(sorted(numbers))).rowcount
        self.tally = self.tally._replace(messages=self.tally.messages - deleted)

    def drop_oldest(self, need_bytes: int) -> bool:
        """Drop about as many messages as take so many bytes; whether there was one."""
        rows = self._connection.execute(self._oldest, (_AT_ONCE,)).fetchall()
        sizes = accumulate(row[3] + _ROW_BYTES for row in rows)
        enough = next((index for index, size in enumerate(sizes) if size >= need_bytes), len(rows) - 1)
        count = self._delete_until(rows[enough][0]) if rows else 0
        self.tally = self.tally._replace(dropped=self.tally.dropped + count)
        return count > 0

    def expire(self, at_most: int) -> bool:
        """Drop some of what is older than its time to live, and count it; whether there was something."""
        rows = self._connection.execute(self._oldest, (1,)).fetchall() if self._ttl_s else []
        if not rows or self._age_s(rows[0]) <= self._ttl_s:
            return False
        rows = self._connection.execute(self._oldest, (at_most,)).fetchall()
        old = list(takewhile(lambda row: self._age_s(row) > self._ttl_s, rows))
        count = self._delete_until(old[-1][0])
        self.tally = self.tally._replace(expired=self.tally.expired + count)
        self.save()
        return True

    def save(self) -> None:
        """Write the counts."""
        self._connection.execute(self._save, (self.tally.seq, self.tally.dropped, self.tally.expired))

    def _age_s(self, row: tuple[int, int, int, int]) -> float:
        return self._boots.age_s(row[1], row[2])

    def _delete_until(self, seq: int) -> int:
        count = self._connection.execute(self._delete, (0, seq)).rowcount
        self.tally = self.tally._replace(messages=self.tally.messages - count, floor=seq)
        return count


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of sorted numbers."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield members[0], members[-1]
