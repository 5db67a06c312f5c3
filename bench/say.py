"""Progress of the bench, on stderr."""

from __future__ import annotations

import sys
import time

_STARTED_S = time.monotonic()


def say(text: str) -> None:
    """One line, with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED_S:5.0f} s] {text}", file=sys.stderr, flush=True)
