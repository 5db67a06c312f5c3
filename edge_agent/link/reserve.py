"""Room on the disk that is ours even when the disk is full: a file, given up when it is needed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class Reserve:
    """The file at `path`, of `size_bytes`, while the disk has room for it.

    Attributes:
        held: whether it is there.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self.held = False

    def take(self) -> None:
        """Allocate it, if half as much again stays free: else others would fill the disk again at once."""
        if self._path.exists() and self._path.stat().st_size == self._size_bytes:
            self.held = True
            return
        self._path.unlink(missing_ok=True)
        self.held = 2 * free_bytes(self._path.parent) >= 3 * self._size_bytes and self._allocate()

    def give_up(self) -> None:
        """Let the spool have the room."""
        self._path.unlink(missing_ok=True)
        self.held = False

    def _allocate(self) -> bool:
        try:
            with self._path.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, self._size_bytes)
        except OSError:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            return False
        return True


def free_bytes(folder: Path) -> int:
    """What we may still write on that disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
