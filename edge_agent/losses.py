"""What the spool had to give up, in words: each kind of loss at once, then once a minute at most."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple

from edge_agent.link.spool import Spool
from firmware_profiles.wire import MessageClass

_AGAIN_S = 60.0


class News(NamedTuple):
    """The arguments of `Outbox.event`."""

    name: str
    severity: Literal["info", "warning", "error"]
    text: str


class Losses:
    """Compares the spool's counts with those told last."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._told = (spool.dropped, spool.expired)
        self._told_full = False
        self._quiet_until_s = 0.0

    def news(self) -> list[News]:
        """What is to be told now; usually nothing."""
        news: list[News] = []
        counts = (self._spool.dropped, self._spool.expired)
        if counts != self._told and time.monotonic() >= self._quiet_until_s:
            parts = (_more("for want of room", counts[0], self._told[0]), _more("by age", counts[1], self._told[1]))
            news.append(News("spool_dropped", "warning", "messages dropped " + "; ".join(filter(None, parts))))
            self._told = counts
            self._quiet_until_s = time.monotonic() + _AGAIN_S
        if self._spool.disk_full != self._told_full:
            self._told_full = self._spool.disk_full
            news.append(_FULL if self._told_full else _ROOM)
        return news


_FULL = News("disk_full", "error", "the disk is full; the spool goes on in its reserve and keeps fewer messages")
_ROOM = News("disk_room", "info", "the disk has room again")


def _more(why: str, now: dict[MessageClass, int], told: dict[MessageClass, int]) -> str:
    counts = [f"{now[kind] - told[kind]} {kind}" for kind in now if now[kind] != told[kind]]
    return f"{why}: {', '.join(counts)}" if counts else ""
