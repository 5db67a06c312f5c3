"""What is read from the spool to be offered: events first, telemetry last, in order within a class."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from edge_agent.link.boots import Boots
from firmware_profiles.wire import CLASSES, MessageClass

_BATCH_MESSAGES = 256
_BATCH_BYTES = 1 << 20


class Waiting(NamedTuple):
    """A committed message that was not acknowledged yet.

    Attributes:
        id: of class and number together, see `kind_and_seq`.
    """

    id: int
    topic: str
    payload: bytes


def kind_and_seq(message_id: int) -> tuple[MessageClass, int]:
    """Class and number of a waiting message."""
    seq, index = divmod(message_id, len(CLASSES))
    return CLASSES[index], seq


class Outgoing:
    """Reads on from where it was.

    Attributes:
        committed: the number up to which messages may be read, by class.
    """

    def __init__(self, connection: sqlite3.Connection, boots: Boots, committed: dict[MessageClass, int]) -> None:
        self.committed = committed
        self._connection = connection
        self._boots = boots
        self._given = dict.fromkeys(CLASSES, 0)
        columns = "seq, topic, payload, trusted, boot, uptime_ms"
        self._select = {kind: f"SELECT {columns} FROM {kind} WHERE seq > ? ORDER BY seq LIMIT ?" for kind in CLASSES}  # noqa: S608  # our words

    def rewind(self) -> None:
        """Begin again with the oldest ones."""
        self._given = dict.fromkeys(CLASSES, 0)

    def batch(self) -> list[Waiting]:
        """The next ones, a few at a time; none if all were given."""
        found: list[Waiting] = []
        room_bytes = _BATCH_BYTES
        for index, kind in enumerate(CLASSES):
            room = _BATCH_MESSAGES - len(found)
            if self._given[kind] >= self.committed[kind] or not room or room_bytes <= 0:
                continue
            seq = self.committed[kind]
            rows = self._connection.execute(self._select[kind], (self._given[kind], room))
            for seq, topic, payload, trusted, boot, uptime_ms in rows:  # the last one is where we are
                mended = payload if trusted else self._mended(payload, boot, uptime_ms)
                found.append(Waiting(seq * len(CLASSES) + index, topic, mended))
                room_bytes -= len(payload)
                if room_bytes <= 0:
                    break
            rows.close()
            self._given[kind] = seq
        return found

    def _mended(self, payload: bytes, boot: int, uptime_ms: int) -> bytes:
        """The message with its right time, if that is known by now."""
        time = self._boots.time(boot, uptime_ms)
        if time is None:
            return payload
        message = msgspec.json.decode(payload)
        return msgspec.json.encode({**message, "time": time, "clock_trusted": True})
