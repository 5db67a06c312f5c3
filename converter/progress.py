"""Progress on stderr: one line a step, with the time since the start."""

from __future__ import annotations

import sys
import time


class Progress:
    """Tells a person what happens now."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        """Tell one step as it begins."""
        print(f"[{time.monotonic() - self._started:6.1f} s] {text}", file=sys.stderr, flush=True)

    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started
