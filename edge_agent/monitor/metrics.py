"""Latency of recent predictions."""

from __future__ import annotations

from collections import deque

_WINDOW = 512


class LatencyWindow:
    """The latencies of the last 512 predictions, in milliseconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_WINDOW)

    def add(self, latency_ms: float) -> None:
        """Count one prediction."""
        self._recent.append(latency_ms)

    def percentile_ms(self, percent: float) -> float | None:
        """The nearest-rank percentile; None before the first prediction."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
