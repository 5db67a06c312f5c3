"""How much room the spool's files have: of the declared bound, and of the disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from edge_agent import clock
from edge_agent.link import spool_file
from edge_agent.link.bounds import PAGE_BYTES, Bounds
from edge_agent.link.reserve import Reserve, free_bytes

_FULL = "database or disk is full"
_NO_ROOM_BYTES = 65_536
_LOOK_MS = 60_000


class Room:
    """Of an open file at `path`.

    Attributes:
        disk_full: whether the reserve is given up, and the files stay as large as they are.
        used_bytes: what messages and cursors take of the file, when it was looked last.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, limits: Bounds, reserve: Reserve) -> None:
        self.disk_full = False
        self._connection = connection
        self._path = path
        self._log = f"{path}-wal"
        self._limits = limits
        self._pages = limits.pages
        self._reserve = reserve
        self._look_ms = 0
        self._lengthen_log()
        self._reserve.take()
        if not self._reserve.held:
            self._confine()
        self.too_full()

    def too_full(self) -> bool:
        """Whether messages have to be dropped."""
        self.used_bytes = (self._pragma("page_count") - self._pragma("freelist_count")) * PAGE_BYTES
        return self.used_bytes > self._pages * PAGE_BYTES

    def excess_bytes(self) -> int:
        """What to drop so that it is not too full again at once, and no more than the log can take."""
        self.too_full()
        return max(0, self.used_bytes - (self._pages - self._limits.commit_pages // 4) * PAGE_BYTES)

    def deletes_at_once(self, messages: int) -> int:
        """How many of so many messages one transaction may delete: the log gets each page that they lie on."""
        return 1 + self._limits.group_bytes * messages // self.used_bytes

    def outgrown(self) -> bool:
        """Whether the file is larger than it may get: its bound became smaller."""
        return self._pragma("page_count") > self._limits.pages + self._limits.commit_pages

    def is_full(self, error: sqlite3.Error) -> bool:
        """Whether that error says that the disk is full."""
        return no_room(error, self._path.parent)

    def make(self) -> None:
        """Take the reserve at once, before others do, and work within what the files have from now on.

        Raises:
            sqlite3.Error: there is no room at all.
        """
        give_up(self._path, self._reserve)
        self._lengthen_log()
        self.write_back()
        self._confine()

    def _confine(self) -> None:
        """Grow a little while that is possible, and no more from now on."""
        self.disk_full = True
        self._look_ms = clock.uptime_ms() + _LOOK_MS
        while self._pragma("freelist_count") < self._limits.growth_pages and self._grow():
            pass
        pages = self._pragma("page_count")
        self._pages = min(self._limits.pages, max(pages - self._limits.commit_pages, pages // 2))

    def _grow(self) -> bool:
        """Make the file larger by free pages that are really on the disk; whether there was room."""
        size_bytes = self._limits.commit_pages * PAGE_BYTES
        if free_bytes(self._path.parent) < size_bytes + 4 * PAGE_BYTES:
            return False
        taken = self._pragma("freelist_count") * PAGE_BYTES
        self._connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (taken + size_bytes,))
        self.write_back()
        self._connection.execute("DELETE FROM filler")
        return True

    def _lengthen_log(self) -> None:
        """Allocate all that the log may take; SQLite passes over what it did not write (walformat.html)."""
        with contextlib.suppress(OSError), open(self._log, "r+b") as stream:  # noqa: PTH123
            os.posix_fallocate(stream.fileno(), 0, self._limits.log_bytes)

    def write_back(self) -> None:
        """Let the log begin anew, in the room that it has.

        Raises:
            sqlite3.Error: it cannot be written back.
        """
        self._connection.execute("PRAGMA wal_checkpoint").fetchall()

    def after_commit(self) -> None:
        """Keep the log within its bound, and look whether the disk has room again.

        Raises:
            sqlite3.Error: the log cannot be written back.
        """
        if os.stat(self._log).st_size > self._limits.log_bytes:  # noqa: PTH116  # at every commit
            self.write_back()
        if self.disk_full and clock.uptime_ms() >= self._look_ms:
            self._look_ms = clock.uptime_ms() + _LOOK_MS
            self._reserve.take()
            if self._reserve.held:
                self.disk_full, self._pages = False, self._limits.pages

    def _pragma(self, name: str) -> int:
        (value,) = self._connection.execute(f"PRAGMA {name}").fetchone()
        return int(value)


def no_room(error: sqlite3.Error, folder: Path) -> bool:
    """Whether the disk of `folder` is full; SQLite does not always say so."""
    return str(error) == _FULL or free_bytes(folder) < _NO_ROOM_BYTES


def give_up(path: Path, reserve: Reserve) -> None:
    """Free what the spool at `path` can do without."""
    reserve.give_up()
    spool_file.remove_damaged(path)
