"""The time by which a device judges what has expired, though its clock may be wrong.

What is known moves forward only. It moves exactly by the time that the device runs, since the kernel's count of
that is beyond doubt. Beyond that it moves when a new timestamp was verified as valid: to the time when that was
signed, or to a synchronised clock, but never by more than `STEP` at once, and never to the timestamp's own end.

A synchronised clock is judged by as it stands, but remembered only so. So a clock that shows 2099 once makes
everything look expired for as long as it does, and leaves nothing behind: no timestamp is valid then. A clock that is
wrong by less than a repository's timestamps live cannot outrun the next one. Only a root with a reset, which
needs the root keys, sets the time back. docs/adr/0008-reference-time.md tells why.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from edge_agent import clock
from edge_agent.clock import Moment
from edge_agent.layout import Root
from firmware_profiles import atomic

STEP = timedelta(days=30)
_WORTH_KEEPING = timedelta(hours=1)
_NEVER = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MAX_BYTES = 4096


class Known(msgspec.Struct, frozen=True):
    """`clock.json`.

    Attributes:
        time: what was known at that moment of that boot; None before anything is.
        learned: hash of the timestamp that moved it last, so that each moves it once.
    """

    time: datetime | None = None
    boot: str = ""
    uptime_ms: int = 0
    learned: str = ""


class Reference:
    """The last known good time of one device."""

    def __init__(self, file: Path, known: Known, moment: Callable[[], Moment] = clock.moment) -> None:
        self.known = known
        self._file = file
        self._kept = known
        self._moment = moment

    def now(self) -> datetime:
        """The time to judge by."""
        moment = self._moment()
        floor = self._floor(moment) or _NEVER
        return max(floor, moment.time) if moment.clock_trusted else floor

    def begin(self, signed_at: datetime | None) -> None:
        """Where nothing is known: not earlier than when the trusted root was signed."""
        if self.known.time is None and signed_at is not None:
            self._set(signed_at, "")

    def learn(self, timestamp: bytes, signed_at: datetime | None, expires: datetime) -> None:
        """Move forward by a timestamp that was just verified as valid."""
        digest = hashlib.sha256(timestamp).hexdigest()
        if digest == self.known.learned:
            return
        moment = self._moment()
        known = (signed_at, moment.time if moment.clock_trusted else None)
        evidence = [time for time in known if time is not None]
        if not evidence:
            return
        moved = min(max(evidence), expires - timedelta(seconds=1))
        if (floor := self._floor(moment)) is not None:
            moved = max(floor, min(moved, floor + STEP))
        self._set(moved, digest)

    def reset(self, time: datetime) -> None:
        """Take `time` for now: a verified root says so."""
        self._set(time, "")

    def keep(self) -> None:
        """Write what is known, if that is worth a write.

        Raises:
            OSError: it could not be written; what was there before is whole.
        """
        moment = self._moment()
        floor = self._floor(moment)
        if floor is None:
            return
        before = self._kept.time
        if self.known is self._kept and before is not None and floor - before < _WORTH_KEEPING:
            return
        self._set(floor, self.known.learned)
        atomic.write_bytes(self._file, msgspec.json.encode(self.known))
        self._kept = self.known

    def _floor(self, moment: Moment) -> datetime | None:
        known = self.known
        if known.time is None:
            return None
        since_ms = moment.uptime_ms - (known.uptime_ms if moment.boot == known.boot else 0)
        return known.time + timedelta(milliseconds=max(0, since_ms))

    def _set(self, time: datetime, learned: str) -> None:
        moment = self._moment()
        self.known = Known(time, moment.boot, moment.uptime_ms, learned)


def load(root: Root, moment: Callable[[], Moment] = clock.moment) -> Reference:
    """The device's reference time; a file that cannot be read is set aside, and the time begins anew."""
    return of_file(root.folder / "trust" / "clock.json", moment)


def of_file(file: Path, moment: Callable[[], Moment] = clock.moment) -> Reference:
    """As `load`, of a file."""
    try:
        with file.open("rb") as stream:
            known = msgspec.json.decode(stream.read(_MAX_BYTES), type=Known)
        if known.time is not None and known.time.tzinfo is None:
            raise ValueError("a time without a zone")
    except FileNotFoundError:
        known = Known()
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            os.replace(file, file.with_suffix(".damaged"))
        known = Known()
    return Reference(file, known, moment)
