"""Who holds a file's lock, as the kernel lists it (proc_locks(5))."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

_LOCKS = Path("/proc/locks")


def of(descriptor: int) -> str:
    """Whose process holds the flock(2) lock of that open file: "anna, process 4711"; empty where that is not listed."""
    about = os.fstat(descriptor)
    wanted = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    try:
        for line in _LOCKS.read_text(encoding="ascii").splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5] == wanted:
                user = Path(f"/proc/{fields[4]}").stat().st_uid
                return f"{_name(user)}, process {fields[4]}"
    except (OSError, IndexError):  # gone meanwhile, of another namespace, or no Linux
        pass
    return ""


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
