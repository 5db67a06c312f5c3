"""The durable outbox: every message is here before it is offered to the broker, until PUBACK.

One SQLite file. Messages, deletes and cursors of a moment are kept in memory and written in one
transaction, so a message, its number and the cursor of the input that it answers are on the disk
together or not at all. What is not committed yet is never offered. See docs/adr/0007-the-spool.md.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from edge_agent import clock, config
from edge_agent.link.boots import Boots
from edge_agent.link.bounds import Bounds, bounds
from edge_agent.link.group import Group
from edge_agent.link.outgoing import Outgoing, Waiting, kind_and_seq
from edge_agent.link.reserve import Reserve
from edge_agent.link.room import Room, give_up, no_room
from edge_agent.link.spool_file import Opened, open_file
from edge_agent.link.table import Table
from firmware_profiles import wire
from firmware_profiles.results import Input
from firmware_profiles.wire import CLASSES, Header, MessageClass

T = TypeVar("T")

_LOOK_MS = 1000
"""How often is looked for messages that are too old."""


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
    """

    def __init__(self, opened: Opened, room: Room, limits: Bounds, ttl_s: config.TimeToLive) -> None:
        self._connection, self.replaced = opened
        (self.id,) = self._connection.execute("SELECT id FROM meta").fetchone()
        self._room = room
        self._limits = limits
        self._boots = Boots(self._connection)
        ttls = {"event": ttl_s.event, "prediction": ttl_s.prediction, "telemetry": ttl_s.telemetry}
        self._tables = {kind: Table(self._connection, kind, self._boots, ttls[kind]) for kind in CLASSES}
        self._seq = {kind: table.tally.seq for kind, table in self._tables.items()}
        self._outgoing = Outgoing(self._connection, self._boots, dict(self._seq))
        self._group = Group()
        self._look_ms = 0

    @property
    def messages(self) -> int:
        """What waits, with what is not committed yet."""
        return sum(table.tally.messages for table in self._tables.values()) + self._group.messages

    @property
    def bytes(self) -> int:
        """What the waiting messages take of the file."""
        return self._room.used_bytes

    @property
    def dropped(self) -> dict[MessageClass, int]:
        """How many messages were dropped since the spool was made, because there was no room for them."""
        return {kind: table.tally.dropped for kind, table in self._tables.items()}

    @property
    def expired(self) -> dict[MessageClass, int]:
        """How many messages were dropped since the spool was made, because they were too old."""
        return {kind: table.tally.expired for kind, table in self._tables.items()}

    @property
    def disk_full(self) -> bool:
        """Whether the reserve is given up, and the files cannot grow."""
        return self._room.disk_full

    @property
    def uncommitted(self) -> int:
        """New messages of the next commit."""
        return self._group.messages

    @property
    def undeleted(self) -> int:
        """Acknowledged messages that the next commit deletes."""
        return self._group.deletes

    @property
    def group_is_large(self) -> bool:
        """Whether the next commit should not wait for more messages."""
        return self._group.bytes >= self._limits.group_bytes

    def put(self, kind: MessageClass, topic: str, build: Callable[[int], Header]) -> None:
        """Add a message at the next commit.

        Args:
            build: gives the message for its number.
        """
        seq = self._seq[kind] + 1
        message = build(seq)
        payload = wire.encode(message)
        self._seq[kind] = seq
        if len(payload) > self._limits.message_bytes:
            self._group.refuse(kind)
        else:
            row = (seq, topic, self._boots.current, message.uptime_ms, message.clock_trusted, payload)
            self._group.add(kind, row)

    def answered(self, which: Input) -> None:
        """Move the cursor of an input that needs no other answer, at the next commit."""
        self._group.advance(which)

    def commit(self) -> None:
        """Make everything so far durable; it may be offered from now on.

        Raises:
            sqlite3.Error: the disk refuses, and giving up the reserve does not help.
        """
        self._boots.look()
        self._expire()
        if self._group.empty and not self._boots.changed:
            return
        try:
            self._write()
        except sqlite3.OperationalError as error:
            if not self._room.is_full(error):
                raise
            self._room.make()
            self._transaction(self._make_smaller)
            self._room.write_back()
            self._write()

    def waiting(self) -> list[Waiting]:
        """Some of the committed messages that were not given since `rewind`, in order within each class."""
        return self._outgoing.batch()

    def rewind(self) -> None:
        """Give all that wait once more: nobody knows what became of those given before."""
        self.commit()
        self._outgoing.rewind()

    def holds(self, message_id: int) -> bool:
        """Whether a message that was given has not been dropped since."""
        kind, seq = kind_and_seq(message_id)
        return seq > self._tables[kind].tally.floor

    def acknowledge(self, message_id: int) -> None:
        """Delete a message at the next commit: the broker has it. Lost in a crash, it is sent again."""
        self._group.acknowledge(*kind_and_seq(message_id))

    def cursor(self, source: str) -> Cursor:
        """How far the source was read."""
        self.commit()
        reached = self._connection.execute("SELECT position FROM reached WHERE source = ?", (source,)).fetchone()
        names = self._connection.execute("SELECT name FROM taken WHERE source = ?", (source,))
        return Cursor(reached[0] if reached else -1, [name for (name,) in names])

    def forget(self, source: str, names: Iterable[str]) -> None:
        """Drop the cursors of named positions that are gone from their source, at the next commit."""
        self._group.forget(source, names)

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._connection.close()

    def shrink(self) -> None:
        """Give the disk what a bound that became smaller does not allow."""
        if self._room.outgrown():
            self._transaction(self._make_smaller)
            self._connection.execute("VACUUM")

    def _expire(self) -> None:
        if clock.uptime_ms() >= self._look_ms:
            self._look_ms = clock.uptime_ms() + _LOOK_MS
            at_once = self._room.deletes_at_once(self.messages)
            for table in self._tables.values():
                while self._transaction(partial(table.expire, at_once)):
                    pass

    def _write(self) -> None:
        at_once = self._room.deletes_at_once(self.messages)
        for table, numbers in zip(self._tables.values(), self._group.acked.values(), strict=True):
            while len(numbers) > at_once:
                self._transaction(partial(table.delete, numbers[:at_once]))
                del numbers[:at_once]
        self._transaction(self._write_group)
        self._outgoing.committed.update(self._seq)
        self._group = Group()
        self._boots.changed = False
        self._room.after_commit()

    def _transaction(self, write: Callable[[], T]) -> T:
        tallies = [table.tally for table in self._tables.values()]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            result = write()
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # some errors end the transaction by themselves
                self._connection.execute("ROLLBACK")
            for table, tally in zip(self._tables.values(), tallies, strict=True):
                table.tally = tally
            raise
        return result

    def _write_group(self) -> None:
        for kind, table in self._tables.items():
            if self._group.acked[kind]:
                table.delete(self._group.acked[kind])
            if self._seq[kind] != table.tally.seq:
                table.insert(self._group.rows[kind], self._group.too_large[kind], self._seq[kind])
        self._group.write_cursors(self._connection)
        if self._boots.changed:
            self._boots.save(min(table.oldest_boot() for table in self._tables.values()))
        self._make_smaller()

    def _make_smaller(self) -> None:
        """If it is too full, drop messages: the least important class first, the oldest of a class first."""
        for table in reversed(self._tables.values()):
            if not self._room.too_full():
                break
            while (excess_bytes := self._room.excess_bytes()) and table.drop_oldest(excess_bytes):
                pass
        for table in self._tables.values():
            table.save()


def open_spool(path: Path, settings: config.Spool) -> Spool:
    """Open the spool at `path`, or make it. A damaged one is set aside and a new one begun.

    Raises:
        sqlite3.Error: the disk refuses.
    """
    limits = bounds(int(settings.max_mb * 1e6), path.parent)
    reserve = Reserve(path.with_name(f"{path.name}.reserve"), limits.reserve_bytes)
    try:
        opened = open_file(path, settings.sync, limits)
    except sqlite3.OperationalError as error:
        if not no_room(error, path.parent):
            raise
        give_up(path, reserve)
        opened = open_file(path, settings.sync, limits)
    room = Room(opened.connection, path, limits, reserve)
    spool = Spool(opened, room, limits, settings.ttl_s)
    spool.shrink()
    return spool
