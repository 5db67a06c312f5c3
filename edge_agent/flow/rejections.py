"""Counts what a live source cannot read, and tells it at most once a minute: noise is no reason to flood."""

from __future__ import annotations

from firmware_profiles.errors import InputError

_EVERY_S = 60.0


class Rejections:
    """What was rejected and not told yet, by the monotonic clock. Pure: it is told the time."""

    def __init__(self) -> None:
        self._count = 0
        self._last: InputError | None = None
        self._next_s = 0.0

    def add(self, error: InputError) -> None:
        """Something was rejected."""
        self._count += 1
        self._last = error

    def due(self, now_s: float) -> InputError | None:
        """What is to be told now: the last one, with how many there were if it is not alone."""
        if self._last is None or now_s < self._next_s:
            return None
        problem, *_ = self._last.problems
        if self._count > 1:
            problem = problem._replace(found=f"{problem.found} (the last of {self._count} since the last report)")
        self._count, self._last, self._next_s = 0, None, now_s + _EVERY_S
        return InputError(problem)
