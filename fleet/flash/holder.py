"""Who holds what a second flash wants, as the kernel knows it."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from pathlib import Path

_LOCKS = Path("/proc/locks")
_PEER = struct.Struct("3i")  # struct ucred
_PATIENCE_S = 5.0


def of(descriptor: int) -> str:
    """Whose process holds the flock(2) lock of that open file: "anna, process 4711"; empty where that is not listed.

    From proc_locks(5).
    """
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


def of_address(address: str) -> str:
    """Whose process listens at that name in the abstract socket namespace, in the same words; empty if none does.

    By SO_PEERCRED (unix(7)): the other end need not do anything for it.
    """
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(_PATIENCE_S)
        try:
            asking.connect(address)
            process, user, _ = _PEER.unpack(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        except OSError:
            return ""
    return f"{_name(user)}, process {process}"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
