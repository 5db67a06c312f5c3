"""Progress on stderr: one line a step, with the time since the start and about what is left."""

from __future__ import annotations

import sys
import time


class Progress:
    """Tells a person what happens now.

    Attributes:
        warnings: told so far.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._begun = 0
        self._to_come = 0
        self.warnings: list[str] = []

    def __call__(self, text: str) -> None:
        """Tell one step as it begins."""
        print(f"[{self.elapsed_s():6.1f} s{self._left()}] {text}", file=sys.stderr, flush=True)
        self._begun += 1
        self._to_come = max(0, self._to_come - 1)

    def warn(self, text: str) -> None:
        """Tell something that may be wrong."""
        print(f"warning: {text}", file=sys.stderr, flush=True)
        self.warnings.append(text)

    def expect(self, steps: int) -> None:
        """So many steps are still to come."""
        self._to_come = steps

    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def _left(self) -> str:
        """At the pace of the steps so far; nothing before there is one."""
        if not self._begun or not self._to_come:
            return ""
        return f", about {self._to_come * self.elapsed_s() / self._begun:.0f} s left"
