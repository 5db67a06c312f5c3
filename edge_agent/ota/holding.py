"""One updater at a time, whoever started it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.layout import Root
from firmware_profiles.errors import Problem, UnavailableError

_MODE = 0o600
"""Others could hold the lock if they could open it."""

_PATIENCE_S, _LOOK_S = 10.0, 0.2


def is_awaited(root: Root) -> bool:
    """Whether somebody waits for the lock who decides what a watch is to find out."""
    return _wish(root).exists()


@contextmanager
def held(root: Root, command: str, *, decides: bool = False) -> Iterator[None]:
    """The lock of `root`'s updater, for the time of the block; it says which `command` holds it.

    Args:
        decides: how a version on probation does; an updater that watches it is asked to let go, and awaited.

    Raises:
        UnavailableError: another one holds it; the error names it.
        OSError: the lock cannot be written.
    """
    root.make()
    handle = os.open(root.update / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    try:
        try:
            _lock(handle, root, decides)
        except BlockingIOError:
            owner = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            step = "wait for its end, or end it; as a service: systemctl stop edge-agent-update"
            raise UnavailableError(Problem(str(root.folder), "no other updater", owner, step)) from None
        _wish(root).unlink(missing_ok=True)
        os.ftruncate(handle, 0)
        os.write(handle, f"edge-agent {command}, process {os.getpid()}\n".encode())
        try:
            yield
        finally:
            _hand_over(root)
    finally:
        os.close(handle)


def _lock(handle: int, root: Root, decides: bool) -> None:
    """Raises BlockingIOError where another one has it, and keeps it."""
    until = time.monotonic() + (_PATIENCE_S if decides else 0)
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                _wish(root).unlink(missing_ok=True)
                raise
        _wish(root).touch()
        time.sleep(_LOOK_S)


def _wish(root: Root) -> Path:
    return root.update / "wanted"


def _hand_over(root: Root) -> None:
    """What root wrote becomes the updater's, whose the slots are, or the updater could not go on with it.

    Root installs where a person uses sudo, by the bridges to Mender and RAUC, and by flash.
    """
    owner = root.slots.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for top in filter(Path.exists, (root.slots, root.trust, root.update, root.agent_code)):
        os.chown(top, owner.st_uid, owner.st_gid)
        for _, folders, files, handle in os.fwalk(top):
            for name in (*folders, *files):
                if os.stat(name, dir_fd=handle, follow_symlinks=False).st_uid == 0:
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=handle, follow_symlinks=False)
