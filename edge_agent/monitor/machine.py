"""This machine and its processes, as /proc tells them. No numpy here."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from firmware_profiles.evaluation import Machine
from firmware_profiles.profile import board, userland_arch

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def describe() -> Machine:
    """Where something was measured."""
    return Machine(
        arch=userland_arch(),
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        board=board(),
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(named, platform.machine())


def memory_bytes() -> int:
    """All the memory there is."""
    return os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def peak_rss_bytes(pid: int | None = None) -> int:
    """The most resident memory that a process, by default this one, ever had; 0 if it is gone.

    VmHWM of /proc/self/status: getrusage's figure starts with the parent's own size after a fork.
    """
    try:
        status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0")  # a zombie has none
    return int(line.split()[1]) * 1024
