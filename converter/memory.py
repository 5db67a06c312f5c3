"""How much memory a process takes, and how much one may.

A limit set by the kernel (RLIMIT_AS, RLIMIT_DATA) would count what TensorFlow and jax reserve and
never touch, so resident memory is looked at instead, several times a second.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LOOK_EVERY_S = 0.2
_SHARE = 0.8
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def limit_bytes() -> int:
    """What one process may take: most of what is free now, so that the machine stays usable."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
        available = min(available, int(_CGROUP_LIMIT.read_text(encoding="ascii")))
    return int(_SHARE * available)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and all below it; 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return pages * _PAGE_BYTES + sum(resident_bytes(int(child)) for child in children)
