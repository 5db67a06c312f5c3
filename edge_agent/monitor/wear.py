"""How much the supervisor makes disks write: an SD card lasts for so many bytes and no more."""

from __future__ import annotations

import time
from pathlib import Path

_DAY_S = 86_400


class Wear:
    """Looks at the kernel's count (proc(5): write_bytes of /proc/self/io) from one call to the next."""

    def __init__(self) -> None:
        self._bytes = _written_bytes()
        self._at_s = time.monotonic()

    def bytes_per_day(self) -> int | None:
        """At the rate since the last call; None where the kernel does not count."""
        before, before_s = self._bytes, self._at_s
        self._bytes, self._at_s = _written_bytes(), time.monotonic()
        if before is None or self._bytes is None:
            return None
        return round((self._bytes - before) / (self._at_s - before_s) * _DAY_S)


def _written_bytes() -> int | None:
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), None)
