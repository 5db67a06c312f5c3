"""Rows of channels become inputs: one each, or windows of them that never span a gap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from edge_agent.channel import HeldRows
from edge_agent.format_config import MAX_WINDOW_VALUES, Window
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

_MAX_HELD_BYTES = 16 << 20


class Assembler(Protocol):
    """Makes raw inputs out of what a format gives."""

    def push(self, piece: Array) -> Iterator[Array]:
        """The inputs that `piece` completes.

        Raises:
            InputError: it fits in no input; what follows is another matter.
        """
        ...

    def gap(self) -> None:
        """What comes next does not follow what came before."""
        ...

    def held(self) -> HeldRows | None:
        """What was pushed and made no input yet."""
        ...

    def take(self, held: HeldRows) -> None:
        """Begin with what another one of the same window held."""
        ...


class Whole:
    """Each piece is an input."""

    def push(self, piece: Array) -> Iterator[Array]:
        """See `Assembler`."""
        yield piece

    def gap(self) -> None:
        """See `Assembler`."""

    def held(self) -> None:
        """See `Assembler`."""

    def take(self, held: HeldRows) -> None:
        """See `Assembler`."""


class Rows:
    """Each row of a piece [n, channels] is an input, float32 [channels]."""

    def push(self, piece: Array) -> Iterator[Array]:
        """See `Assembler`."""
        yield from piece.astype(np.float32)

    def gap(self) -> None:
        """See `Assembler`."""

    def held(self) -> None:
        """See `Assembler`."""

    def take(self, held: HeldRows) -> None:
        """See `Assembler`."""


class Windows:
    """Rows [n, channels] become inputs float32 [length, channels], without the channel that holds the time."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._length = window.length
        self._hop = window.hop or window.length
        self._rows = np.empty((0, 0), np.float32)
        self._filled = 0
        self._skip = 0
        self._last_time: float | None = None

    def push(self, piece: Array) -> Iterator[Array]:
        """See `Assembler`."""
        if self._window.time_channel < 0:
            yield from self._fill(piece)
            return
        if self._window.time_channel >= piece.shape[1]:
            self.gap()
            expected = f"a channel {self._window.time_channel} that holds the time"
            raise InputError(Problem("window", expected, f"{piece.shape[1]} channels", "mend time_channel"))
        times = piece[:, self._window.time_channel]
        values = piece[:, [i for i in range(piece.shape[1]) if i != self._window.time_channel]]
        start = 0
        for end in [*self._breaks(times), len(piece)]:
            yield from self._fill(values[start:end])
            if end < len(piece):
                self.gap()
            start = end
        self._last_time = float(times[-1])

    def gap(self) -> None:
        """See `Assembler`."""
        self._filled = self._skip = 0

    def held(self) -> HeldRows | None:
        """See `Assembler`; of a window that fills the memory nothing is held."""
        rows = self._rows[: self._filled]
        if not self._rows.shape[1] or rows.nbytes > _MAX_HELD_BYTES:
            return None
        return HeldRows(rows.tobytes(), rows.shape[1], self._skip, self._last_time)

    def take(self, held: HeldRows) -> None:
        """See `Assembler`."""
        rows = np.frombuffer(held.values, np.float32).reshape(-1, held.channels)
        self._widen(held.channels)
        self._filled, self._skip, self._last_time = len(rows), held.skip, held.last_time
        self._rows[: self._filled] = rows

    def _breaks(self, times: Array) -> list[int]:
        """Indices of the rows that do not follow the one before."""
        if not self._window.max_step:
            return []
        found, last = [], self._last_time
        for index, time in enumerate(times.tolist()):
            if last is not None and not 0 <= time - last <= self._window.max_step:
                found.append(index)
            last = time
        return found

    def _fill(self, rows: Array) -> Iterator[Array]:
        if rows.shape[1] != self._rows.shape[1]:
            self._widen(rows.shape[1])
        while len(rows):
            if self._skip:
                skipped = min(self._skip, len(rows))
                self._skip -= skipped
                rows = rows[skipped:]
                continue
            taken = min(self._length - self._filled, len(rows))
            self._rows[self._filled : self._filled + taken] = rows[:taken]
            self._filled += taken
            rows = rows[taken:]
            if self._filled == self._length:
                yield self._rows.copy()
                self._filled = max(self._length - self._hop, 0)
                self._skip = max(self._hop - self._length, 0)
                self._rows[: self._filled] = self._rows[self._length - self._filled :]

    def _widen(self, channels: int) -> None:
        """Begin again with rows of another width."""
        self._filled = self._skip = 0
        if channels == 0 or self._length * channels > MAX_WINDOW_VALUES:
            self._rows = np.empty((0, 0), np.float32)
            found = f"{self._length} × {channels}"
            raise InputError(Problem("window", f"1 to {MAX_WINDOW_VALUES} values", found, "take a shorter one"))
        self._rows = np.empty((self._length, channels), np.float32)


def assembler(window: Window | None, rows: bool) -> Assembler:
    """What makes inputs of a format that gives `rows`, or whole inputs."""
    if window is not None:
        return Windows(window)
    return Rows() if rows else Whole()
