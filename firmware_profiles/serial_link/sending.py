"""Sending one stream of chunks: selective repeat with a window."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from firmware_profiles.serial_link.bitmap import WINDOW_CHUNKS, Bitmap
from firmware_profiles.serial_link.chunks import Chunks
from firmware_profiles.serial_link.messages import Ack, Data, Poll
from firmware_profiles.serial_link.timing import FrameSize, RoundTrip

Read = Callable[[int, int], bytes]
"""First chunk and how many, of one file → their content."""


class _InFlight(NamedTuple):
    number: int
    chunks: range
    size_bytes: int
    sent_s: float


class Sending:
    """What to send next, and what an `Ack` says about it.

    The line keeps the order, so a frame is known to be lost as soon as a later one is acknowledged
    without it. A timeout sends no data but a `Poll`, whose answer says what is missing; one goes out at
    once when there is nothing else to send, so that a loss at the end costs no timeout.

    Attributes:
        arrived: which chunks the device has.
        repeated: how many frames had to be sent again.
    """

    def __init__(self, tag: int, chunks: Chunks, read: Read, round_trip: RoundTrip, frame_size: FrameSize) -> None:
        self.arrived = Bitmap(chunks.count)
        self.repeated = 0
        self._tag = tag
        self._chunks = chunks
        self._read = read
        self._round_trip = round_trip
        self._frame_size = frame_size
        self._number = 0
        self._next = 0
        self._lost: list[int] = []
        self._flying: deque[_InFlight] = deque()
        self._asked = False
        self._deadline_s = float("inf")

    def next(self, now_s: float) -> Data | Poll | None:
        """The next frame; None while there is nothing to do before `wake_s`."""
        chunks = self._choose()
        if chunks:
            return self._send(chunks, now_s)
        if self._flying and (not self._asked or now_s >= self._deadline_s):
            if self._asked:
                self._round_trip.timed_out()
            self._asked = True
            self._number += 1
            self._fly(range(0), 0, now_s)
            self._deadline_s = now_s + self._round_trip.timeout_s
            return Poll(self._tag, self._number)
        return None

    def wake_s(self) -> float:
        """When `next` has something to do again, if nothing is heard until then."""
        return self._deadline_s if self._flying else float("inf")

    def acknowledged(self, ack: Ack, now_s: float) -> None:
        """The device said what it has."""
        self.arrived.merge(ack.base, ack.bits)
        while self._flying and self._flying[0].number <= ack.newest:
            flown = self._flying.popleft()
            if flown.number == ack.newest:
                self._round_trip.measured(now_s - flown.sent_s)
            missing = [chunk for chunk in flown.chunks if chunk not in self.arrived]
            if missing:
                self._frame_size.lost(flown.size_bytes)
                self.repeated += 1
                for chunk in missing:
                    heapq.heappush(self._lost, chunk)
            elif flown.chunks:
                self._frame_size.delivered(flown.size_bytes)
            self._deadline_s = now_s + self._round_trip.timeout_s

    def _choose(self) -> range:
        """The chunks of the next frame, all of one file: lost ones before new ones."""
        most = self._frame_size.chunks
        while self._lost and self._lost[0] in self.arrived:
            heapq.heappop(self._lost)
        if self._lost:
            first = heapq.heappop(self._lost)
            end = self._chunks.end_of_file(first)
            after = first + 1
            while self._lost and self._lost[0] == after < min(first + most, end):
                after = heapq.heappop(self._lost) + 1
            return range(first, after)
        limit = min(self.arrived.base + WINDOW_CHUNKS, self._chunks.count)
        self._next = max(self._next, self.arrived.base)
        while self._next < limit and self._next in self.arrived:
            self._next += 1
        first = self._next
        if first >= limit:
            return range(0)
        end = min(first + most, limit, self._chunks.end_of_file(first))
        after = next((chunk for chunk in range(first, end) if chunk in self.arrived), end)
        self._next = after
        return range(first, after)

    def _send(self, chunks: range, now_s: float) -> Data:
        payload = self._read(chunks.start, len(chunks))
        if not self._flying:
            self._deadline_s = now_s + self._round_trip.timeout_s
        self._number += 1
        self._asked = False
        self._fly(chunks, len(payload), now_s)
        return Data(self._tag, self._number, chunks.start, payload)

    def _fly(self, chunks: range, size_bytes: int, now_s: float) -> None:
        self._flying.append(_InFlight(self._number, chunks, size_bytes, now_s))
