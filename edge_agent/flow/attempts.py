"""When something that fails is tried again: after a second, then twice as long each time, up to a minute."""

from __future__ import annotations

from firmware_profiles.errors import InputError

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 60.0
_HEALTHY_S = 10.0


class Attempts:
    """Attempts that follow each other, by the monotonic clock. Pure: it is told the time.

    Attributes:
        due_s: when the next one may begin.
    """

    def __init__(self) -> None:
        self.due_s = 0.0
        self._delay_s = _FIRST_DELAY_S
        self._began_s = 0.0
        self._told = ""

    def began(self, now_s: float) -> None:
        """An attempt begins."""
        self._began_s = now_s

    def worked(self) -> None:
        """It gives something: its next failure is news, whatever the reason."""
        self._told = ""

    def failed(self, error: InputError, now_s: float) -> bool:
        """It failed; whether that is news, and not the same as the last time."""
        if now_s - self._began_s >= _HEALTHY_S:
            self._delay_s = _FIRST_DELAY_S
        self.due_s = now_s + self._delay_s
        self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)
        news = str(error) != self._told
        self._told = str(error)
        return news
