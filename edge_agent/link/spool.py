"""The durable outbox: every message is here before it is offered to the broker, until PUBACK.

One SQLite file (WAL, synchronous FULL). All writes of a moment share one transaction, so a message,
its number and the cursor of the input that it answers are on the disk together or not at all. What
is not committed yet is never offered.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.wire import CLASSES, Input, MessageClass

_SCHEMA = """
CREATE TABLE meta (id TEXT NOT NULL);
CREATE TABLE counters (class TEXT PRIMARY KEY, seq INTEGER NOT NULL, dropped INTEGER NOT NULL);
CREATE TABLE messages (id INTEGER PRIMARY KEY, class TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE reached (source TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE taken (source TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (source, name)) WITHOUT ROWID;
"""
_FORMAT = 1
_ROW_BYTES = 64
"""What a row costs beside its payload: topic, class, b-tree cells."""


class Waiting(NamedTuple):
    """A committed message that was not acknowledged yet."""

    id: int
    topic: str
    payload: bytes


class Cursor(NamedTuple):
    """How far a source was read.

    Attributes:
        reached: the highest position of a source that counts; -1 before the first.
        taken: the positions taken of a source that names.
    """

    reached: int
    taken: list[str]


class Spool:
    """An open spool. One process at a time.

    Attributes:
        id: eight hexadecimal digits, new with every new file; part of each message's identity.
        replaced: where a damaged file was set aside when this one was made; None otherwise.
        messages, bytes: what waits, with what is not committed yet.
        dropped: how many messages were dropped because the spool was full, by class.
        predictions: the number of the last prediction.
    """

    def __init__(self, connection: sqlite3.Connection, max_bytes: int, replaced: Path | None) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self.replaced = replaced
        (self.id,) = connection.execute("SELECT id FROM meta").fetchone()
        counters = {row[0]: row[1:] for row in connection.execute("SELECT class, seq, dropped FROM counters")}
        self._seq = {kind: counters[kind][0] for kind in CLASSES}
        self.dropped = {kind: counters[kind][1] for kind in CLASSES}
        sums = "SELECT count(*), coalesce(sum(length(payload)), 0), coalesce(max(id), 0) FROM messages"
        self.messages, payload_bytes, self._last_id = connection.execute(sums).fetchone()
        self.bytes = payload_bytes + self.messages * _ROW_BYTES
        self._committed_id = self._last_id
        self.uncommitted = 0

    def put(self, kind: MessageClass, topic: str, build: Callable[[int], bytes]) -> None:
        """Add a message at the next commit.

        Args:
            build: gives the payload for the message's number.
        """
        self._begin()
        self._seq[kind] += 1
        payload = build(self._seq[kind])
        self._last_id += 1
        self._connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", (self._last_id, kind, topic, payload))
        self._connection.execute("UPDATE counters SET seq = ? WHERE class = ?", (self._seq[kind], kind))
        self.messages += 1
        self.bytes += len(payload) + _ROW_BYTES
        self.uncommitted += 1
        if self.bytes > self._max_bytes:
            self._drop()

    def answered(self, which: Input) -> None:
        """Move the cursor of an input that needs no other answer, at the next commit."""
        self._begin()
        if isinstance(which.position, int):
            self._connection.execute("INSERT OR REPLACE INTO reached VALUES (?, ?)", (which.source, which.position))
        else:
            self._connection.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", (which.source, which.position))

    def commit(self) -> None:
        """Make everything so far durable; it may be offered from now on."""
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        self._committed_id = self._last_id
        self.uncommitted = 0

    def waiting(self, after: int, limit: int) -> list[Waiting]:
        """Committed messages with ids above `after`, oldest first."""
        rows = self._connection.execute(
            "SELECT id, topic, payload FROM messages WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
            (after, self._committed_id, limit),
        )
        return [Waiting(*row) for row in rows]

    def acknowledge(self, message_id: int) -> None:
        """Delete a message at the next commit: the broker has it. Lost in a crash, it is sent again."""
        self._begin()
        self._remove("id = ?", (message_id,))

    def cursor(self, source: str) -> Cursor:
        """How far the source was read."""
        reached = self._connection.execute("SELECT position FROM reached WHERE source = ?", (source,)).fetchone()
        names = self._connection.execute("SELECT name FROM taken WHERE source = ?", (source,))
        return Cursor(reached[0] if reached else -1, [name for (name,) in names])

    def forget(self, source: str, names: Iterable[str]) -> None:
        """Drop the cursors of named positions that are gone from their source."""
        self._begin()
        rows = ((source, name) for name in names)
        self._connection.executemany("DELETE FROM taken WHERE source = ? AND name = ?", rows)

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._connection.close()

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    def _remove(self, where: str, values: tuple[object, ...]) -> int:
        rows = self._connection.execute(f"DELETE FROM messages WHERE {where} RETURNING length(payload)", values)  # noqa: S608  # `where` is ours
        sizes = [size for (size,) in rows]
        self.messages -= len(sizes)
        self.bytes -= sum(sizes) + len(sizes) * _ROW_BYTES
        return len(sizes)

    def _drop(self) -> None:
        """Drop a tenth of the bound from the least important class that has something, oldest first."""
        for kind in reversed(CLASSES):
            while self.bytes > self._max_bytes * 0.9:
                chosen = "id IN (SELECT id FROM messages WHERE class = ? ORDER BY id LIMIT 16)"
                count = self._remove(chosen, (kind,))
                if count == 0:
                    break
                self.dropped[kind] += count
            self._connection.execute("UPDATE counters SET dropped = ? WHERE class = ?", (self.dropped[kind], kind))
            if self.bytes <= self._max_bytes:
                return


def open_spool(path: Path, max_bytes: int) -> Spool:
    """Open the spool at `path`, or make it. A damaged one is set aside and a new one begun.

    Raises:
        sqlite3.Error: the disk refuses.
    """
    replaced = None
    try:
        connection = _connect(path)
    except sqlite3.DatabaseError as error:
        if not path.exists() or isinstance(error, sqlite3.OperationalError):
            raise
        replaced = _set_aside(path)
        connection = _connect(path)
    return Spool(connection, max_bytes, replaced)


def _connect(path: Path) -> sqlite3.Connection:
    # Transactions are ours: group commit spans many statements.
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        connection.execute("PRAGMA cache_size = -512")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _create(connection)
        elif version != _FORMAT or connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("not a whole spool of this format")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.strip().split("\n"):
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES (?)", (os.urandom(4).hex(),))
    connection.executemany("INSERT INTO counters VALUES (?, 0, 0)", [(kind,) for kind in CLASSES])
    connection.execute(f"PRAGMA user_version = {_FORMAT}")
    connection.execute("COMMIT")


def _set_aside(path: Path) -> Path:
    kept = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(kept)
    for suffix in ("-wal", "-shm"):  # left behind, they would be taken for the new file's
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    return kept
