"""The spool's SQLite file: made, opened, checked, set aside when damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from edge_agent.config import Sync
from edge_agent.link import boots
from edge_agent.link.bounds import PAGE_BYTES, Bounds
from firmware_profiles.wire import CLASSES

# A table a class: its messages lie in order, and are dropped and deleted by ranges. The payload is last,
# so that reading the rest of a long row touches one page.
_MESSAGES = """
CREATE TABLE {} (seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, boot INTEGER NOT NULL, uptime_ms INTEGER NOT NULL,
 trusted INTEGER NOT NULL, payload BLOB NOT NULL)"""
_SCHEMA = (
    "CREATE TABLE meta (id TEXT NOT NULL)",
    "CREATE TABLE counters (class TEXT PRIMARY KEY, seq INTEGER NOT NULL, dropped INTEGER NOT NULL,"
    " expired INTEGER NOT NULL)",
    "CREATE TABLE reached (source TEXT PRIMARY KEY, position INTEGER NOT NULL)",
    "CREATE TABLE taken (source TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (source, name)) WITHOUT ROWID",
    "CREATE TABLE filler (content BLOB NOT NULL)",  # empty; see room
    boots.SCHEMA,
    *(_MESSAGES.format(kind) for kind in CLASSES),
)
_FORMAT = 2
_BESIDE = ("-wal", "-shm")


class Opened(NamedTuple):
    """An open file; `replaced`: where a damaged one was set aside when this one was made."""

    connection: sqlite3.Connection
    replaced: Path | None


def open_file(path: Path, sync: Sync, limits: Bounds) -> Opened:
    """Open the file at `path`, or make it. A damaged one is set aside and a new one begun.

    Raises:
        sqlite3.Error: the disk refuses.
    """
    try:
        return Opened(_connect(path, sync, limits), None)
    except sqlite3.DatabaseError as error:
        if not path.exists() or isinstance(error, sqlite3.OperationalError):
            raise
        replaced = _set_aside(path)
        return Opened(_connect(path, sync, limits), replaced)


def remove_damaged(path: Path) -> None:
    """Drop what was set aside: one damaged file is worth looking at, and no room of a full disk."""
    for old in path.parent.glob(f"{path.name}.damaged-*"):
        old.unlink(missing_ok=True)


def _connect(path: Path, sync: Sync, limits: Bounds) -> sqlite3.Connection:
    # Transactions are ours: a commit spans many statements.
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {sync}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {limits.log_pages}")
        # What the log once took stays its own, on a full disk too; it takes more only if it cannot be written back.
        connection.execute(f"PRAGMA journal_size_limit = {limits.log_bytes}")
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
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES (?)", (os.urandom(4).hex(),))
    connection.executemany("INSERT INTO counters VALUES (?, 0, 0, 0)", [(kind,) for kind in CLASSES])
    connection.execute(f"PRAGMA user_version = {_FORMAT}")
    connection.execute("COMMIT")


def _set_aside(path: Path) -> Path:
    remove_damaged(path)
    kept = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(kept)
    for suffix in _BESIDE:  # left behind, they would be taken for the new file's
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    return kept
