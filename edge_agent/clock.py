"""Time on a device that may not know it: wall clock, time since boot, and whether to trust them."""

from __future__ import annotations

import ctypes
import time
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import NamedTuple

_TIMEX = ctypes.create_string_buffer(
    512
)  # struct timex is 208 bytes on 64-bit, 128 on 32-bit (adjtimex(2)); modes 0 only reads
_TIME_ERROR = 5


class Moment(NamedTuple):
    """When something happened; the fields are those of `wire.Header`."""

    boot: str
    uptime_ms: int
    time: datetime
    clock_trusted: bool


def uptime_ms() -> int:
    """Milliseconds since boot, counting sleep."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def now_s() -> float:
    """Seconds since 1970, by the wall clock."""
    return time.time()


def moment(at_uptime_ms: int | None = None) -> Moment:
    """Now, or the time that the wall clock shows for an earlier `at_uptime_ms`."""
    now_ms = uptime_ms()
    at_ms = now_ms if at_uptime_ms is None else at_uptime_ms
    then = datetime.fromtimestamp(now_s() - (now_ms - at_ms) / 1000, timezone.utc)
    return Moment(boot_id(), at_ms, then, is_synchronised())


def began_ms() -> int | None:
    """The wall clock's time at boot, in milliseconds since 1970; None while the clock is not to be trusted."""
    return round(now_s() * 1000) - uptime_ms() if is_synchronised() else None


@cache
def boot_id() -> str:
    """First eight hexadecimal digits of the kernel's boot id."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except OSError:
        return "00000000"


def is_synchronised() -> bool:
    """Whether the kernel's clock is disciplined: adjtimex(2) does not return TIME_ERROR."""
    state: int = _libc().adjtimex(_TIMEX)
    return 0 <= state != _TIME_ERROR


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
