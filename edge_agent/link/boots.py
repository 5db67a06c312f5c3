"""When a message was really made, where the clock did not know it at the time.

Each message keeps the number of the boot that made it and the time since that boot. Once a boot's
wall clock is trusted, the moment at which it began is written down; from then on every message of
that boot has its right time, those made before included, and after the next boot still.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone

from edge_agent import clock

SCHEMA = "CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL, began_ms INTEGER)"
_STEP_MS = 1000
"""A trusted clock that moved by more was set again."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Boots:
    """The boots of which messages wait, and this one.

    Attributes:
        current: the number of this boot in the spool.
        changed: whether there is something to `save`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT id, boot, began_ms FROM boots ORDER BY id").fetchall()
        self._began_ms: dict[int, int | None] = {number: began_ms for number, _, began_ms in rows}
        last, boot, _ = rows[-1] if rows else (0, "", None)
        self.changed = boot != clock.boot_id()
        self.current: int = last + self.changed
        self._began_ms.setdefault(self.current, None)

    def look(self) -> None:
        """Look whether the clock tells something new."""
        began_ms, known_ms = clock.began_ms(), self._began_ms[self.current]
        if began_ms is not None and (known_ms is None or abs(began_ms - known_ms) >= _STEP_MS):
            self._began_ms[self.current] = began_ms
            self.changed = True

    def save(self, oldest: int) -> None:
        """Write down when this boot began, in a transaction of the spool; forget those before `oldest`."""
        row = (self.current, clock.boot_id(), self._began_ms[self.current])
        self._connection.execute("INSERT OR REPLACE INTO boots VALUES (?, ?, ?)", row)
        self._connection.execute("DELETE FROM boots WHERE id < ?", (oldest,))

    def time(self, boot: int, uptime_ms: int) -> datetime | None:
        """The wall clock's time of that moment; None if no clock told it during that boot."""
        began_ms = self._began_ms.get(boot)
        return None if began_ms is None else _EPOCH + timedelta(milliseconds=began_ms + uptime_ms)

    def age_s(self, boot: int, uptime_ms: int) -> float:
        """How long ago that was, at least: the time between two boots is known only if both clocks were right."""
        now_ms = clock.uptime_ms()
        if boot != self.current:
            then_ms, here_ms = self._began_ms.get(boot), self._began_ms[self.current]
            if then_ms is None or here_ms is None:
                return now_ms / 1000
            now_ms += here_ms - then_ms
        return (now_ms - uptime_ms) / 1000
