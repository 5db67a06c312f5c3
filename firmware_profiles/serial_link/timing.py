"""When a silent line is asked again, and how long a frame had best be."""

from __future__ import annotations

import math

from firmware_profiles.serial_link.messages import CHUNK_BYTES, MOST_CHUNKS

_FIRST_S = 1.0
_LEAST_S = 0.2
_MOST_S = 4.0
_FRAME_BYTES = 20.0
"""Of a frame that are not content: fields, checksum, stuffing, end."""
_PRIOR_BYTES = 65_536.0
_MEMORY = 1 - 1 / 512


class RoundTrip:
    """How long to wait for an answer, in seconds: RFC 6298, section 2.

    The bounds are other ones than there (2.4 and 2.5), since asking again costs some 12 bytes of a line
    that nobody else uses. Each frame has a number of its own, so that no sample is ambiguous (section 3).
    """

    def __init__(self) -> None:
        self._smooth_s: float | None = None
        self._varies_s = 0.0
        self._backoff = 1

    def measured(self, took_s: float) -> None:
        """One answer came after `took_s`."""
        if self._smooth_s is None:
            self._smooth_s, self._varies_s = took_s, took_s / 2
        else:
            self._varies_s += (abs(self._smooth_s - took_s) - self._varies_s) / 4
            self._smooth_s += (took_s - self._smooth_s) / 8
        self._backoff = 1

    def timed_out(self) -> None:
        """None came: wait twice as long (5.5)."""
        self._backoff = min(self._backoff * 2, 64)

    @property
    def timeout_s(self) -> float:
        """How long to wait now."""
        wait_s = _FIRST_S if self._smooth_s is None else self._smooth_s + 4 * self._varies_s
        return min(max(wait_s, _LEAST_S) * self._backoff, _MOST_S)


class FrameSize:
    """The best length of a frame for the errors that are seen.

    With an error in each byte at the rate p and h bytes around the content, most content arrives at a
    length of about sqrt(h / p) (Modiano, An adaptive algorithm for optimizing the packet size used in
    wireless ARQ protocols, Wireless Networks 5, 1999). p is how many frames were lost over how many bytes
    passed until then; what is long ago counts less.
    """

    def __init__(self) -> None:
        self._lost = 1.0
        self._passed_bytes = _PRIOR_BYTES

    def delivered(self, size_bytes: int) -> None:
        """A frame arrived."""
        self._learn(0.0, size_bytes)

    def lost(self, size_bytes: int) -> None:
        """One did not: its error was, on average, in its middle."""
        self._learn(1.0, size_bytes / 2)

    @property
    def chunks(self) -> int:
        """How many chunks the next frame had best bring."""
        best_bytes = math.sqrt(_FRAME_BYTES * self._passed_bytes / self._lost)
        return min(max(round(best_bytes / CHUNK_BYTES), 1), MOST_CHUNKS)

    def _learn(self, lost: float, passed_bytes: float) -> None:
        self._lost = 1.0 + (self._lost - 1.0) * _MEMORY + lost
        self._passed_bytes = _PRIOR_BYTES + (self._passed_bytes - _PRIOR_BYTES) * _MEMORY + passed_bytes
