"""Which messages are new, which are repeats, and which are missing: by identity, in bounded memory.

A message is identified by (device, class, `spool`, `seq`), see `firmware_profiles.wire`. The answer
does not depend on the order of arrival: missing is what lies between the smallest and the largest
number seen and has not been seen. Where a spool follows another one of the same device and class,
its numbers are known to begin at 1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from typing import NamedTuple

MAX_STREAMS = 20_000
"""Beyond it the stream that was silent longest is forgotten; its totals stay."""
MAX_HOLES = 256
"""Holes remembered in a stream; of more, the oldest counts as lost for good."""


class Sighting(NamedTuple):
    """What one message is.

    Attributes:
        repeated: it was seen before.
        missing: how many numbers are known to be missing since it came, and were not before.
        new_spool: its device began a new spool for this class.
    """

    repeated: bool
    missing: int
    new_spool: bool


class Totals(NamedTuple):
    """Counts of messages: `received` are distinct ones, `missing` those that never came."""

    received: int
    duplicates: int
    missing: int


class Tracker:
    """Sees every message once and keeps only the holes between them."""

    def __init__(self, max_streams: int = MAX_STREAMS, max_holes: int = MAX_HOLES) -> None:
        self._max_streams = max_streams
        self._max_holes = max_holes
        self._streams: OrderedDict[tuple[str, str, str], _Stream] = OrderedDict()
        self._spools: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._received = 0
        self._duplicates = 0
        self._missing_in_forgotten = 0

    def see(self, device: str, kind: str, spool: str, seq: int) -> Sighting:
        """Take note of one message."""
        key = (device, kind, spool)
        stream = self._streams.get(key)
        new_spool = stream is None and (device, kind) in self._spools
        if stream is None:
            stream = self._streams[key] = _Stream(first=1 if new_spool else seq, max_holes=self._max_holes)
            self._spools[device, kind] = spool
        self._streams.move_to_end(key)
        self._spools.move_to_end((device, kind))
        before = stream.missing()
        repeated = not stream.add(seq)
        self._received += not repeated
        self._duplicates += repeated
        missing = max(0, stream.missing() - before)
        self._forget()
        return Sighting(repeated, missing, new_spool)

    def totals(self) -> Totals:
        """The counts so far."""
        missing = self._missing_in_forgotten + sum(stream.missing() for stream in self._streams.values())
        return Totals(self._received, self._duplicates, missing)

    def _forget(self) -> None:
        if len(self._streams) > self._max_streams:
            _, stream = self._streams.popitem(last=False)
            self._missing_in_forgotten += stream.missing()
        if len(self._spools) > self._max_streams:
            self._spools.popitem(last=False)


class _Stream:
    """The numbers seen, as disjoint runs in ascending order: `_starts[i]` to `_ends[i]` inclusive."""

    def __init__(self, first: int, max_holes: int) -> None:
        self._first = first
        self._max_holes = max_holes
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._given_up = 0

    def add(self, seq: int) -> bool:
        """Take note of `seq`; False if it was seen before, or lies in a hole that was given up."""
        index = bisect_right(self._starts, seq)
        if index and seq <= self._ends[index - 1]:
            return False
        joins_left = index > 0 and self._ends[index - 1] == seq - 1
        joins_right = index < len(self._starts) and self._starts[index] == seq + 1
        if joins_left and joins_right:
            self._ends[index - 1] = self._ends.pop(index)
            del self._starts[index]
        elif joins_left:
            self._ends[index - 1] = seq
        elif joins_right:
            self._starts[index] = seq
        else:
            self._starts.insert(index, seq)
            self._ends.insert(index, seq)
            self._give_up_oldest_hole()
        return True

    def missing(self) -> int:
        """How many numbers between the first and the largest were never seen."""
        low = min(self._first, self._starts[0]) if self._starts else self._first
        high = self._ends[-1] if self._ends else low - 1
        seen = sum(self._ends) - sum(self._starts) + len(self._starts)
        return high - low + 1 - seen + self._given_up

    def _give_up_oldest_hole(self) -> None:
        if len(self._starts) - 1 > self._max_holes:
            self._given_up += self._starts[1] - self._ends[0] - 1
            del self._starts[1], self._ends[0]
