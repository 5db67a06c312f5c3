"""How much memory another process could have: what the kernel has left, and what our control groups leave of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_agent.monitor import machine

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
MB = 1e6


def rss_mb(pid: int) -> float:
    """Resident memory of a process; 0 if it is gone."""
    return machine.rss_bytes(pid) / MB


def shortage(wanted_mb: float) -> str:
    """Why there is no room for `wanted_mb` more, for people; empty where there is."""
    left_mb = available_mb()
    if left_mb is None or wanted_mb <= left_mb:
        return ""
    return f"memory does not hold two workers: the new one wants {wanted_mb:.0f} MB, and {left_mb:.0f} MB are left"


def available_mb(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> float | None:
    """The smallest of what the machine and every control group above us (version 2) leave; None if none tells."""
    return min((left / MB for left in [*_of_machine(proc), *_of_groups(proc, cgroups)]), default=None)


def _of_machine(proc: Path) -> Iterator[int]:
    """MemAvailable of proc(5)."""
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """Linux, Documentation/admin-guide/cgroup-v2.rst: memory.max, memory.current, memory.stat.

    What of the page cache was not used lately is given back before anything is killed, so it counts as free.
    """
    own = next((line[3:] for line in _lines(proc / "self" / "cgroup") if line.startswith("0::")), "/")
    folder = cgroups / own.strip("/")
    for group in (folder, *folder.parents):
        limit, used = (next(_lines(group / name), "") for name in ("memory.max", "memory.current"))
        if limit.isdigit() and used.isdigit():
            cached = (line.split()[1] for line in _lines(group / "memory.stat") if line.startswith("inactive_file "))
            yield max(0, int(limit) - int(used) + int(next(cached, "0")))
        if group == cgroups:
            return


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return
