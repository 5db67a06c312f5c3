"""How often rejected inputs are told: a burst one by one, then a few a minute with the count of the others. Pure."""

from __future__ import annotations

_BURST = 20
_EVERY_S = 5.0


class Rejected:
    """Counts rejected inputs, by a clock that never goes back.

    Attributes:
        count: all of them, since this process started.
    """

    def __init__(self) -> None:
        self.count = 0
        self._untold = 0
        self._credit = float(_BURST)
        self._last_s: float | None = None

    def told(self, text: str, now_s: float) -> str | None:
        """What is to be told of one that was rejected at `now_s`, because of `text`; None where nothing is."""
        self.count += 1
        if self._last_s is not None:
            self._credit = min(_BURST, self._credit + (now_s - self._last_s) / _EVERY_S)
        self._last_s = now_s
        if self._credit < 1:
            self._untold += 1
            return None
        self._credit -= 1
        others, self._untold = self._untold, 0
        return f"{text} (and {others} more since the last report)" if others else text
