"""An image file held for one flash, and replaced whole: what is written goes to a copy, which takes its place.

A copy costs room and a minute where the file system cannot share blocks (FICLONE, ioctl_ficlone(2)), and an image is
what it was, or what it should be, whatever happens in between. Holes stay holes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem, UnavailableError
from fleet.flash import holder

_FICLONE = 0x40049409
_LOCK = struct.Struct("hhqqi4x")  # struct flock
_CHUNK_BYTES = 32 << 20
_LOOPS = Path("/sys/block")
_FREE_SOME = "the image is written to a copy beside it first: free some space there"


def hold(path: Path, where: str) -> IO[bytes]:
    """Open it; nobody else flashes it, and no virtual machine runs it, until what is returned is closed.

    By an open file description lock on the whole file (fcntl_locking(2)): it meets those of QEMU, too. Of such a lock
    the kernel does not tell whose it is; of the flock(2) lock beside it, it does.

    Raises:
        InputError: there is no such file.
        UnavailableError: somebody uses it, or this is no Linux, whose locks these are.
    """
    if sys.platform != "linux":
        step = "flash there, or flash the device over ssh when it runs"
        raise UnavailableError(Problem(where, "a machine that runs Linux", sys.platform, step))
    try:
        stream = path.open("rb+") if path.is_file() else None
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Problem(where, "an image file to write to", found, "check its rights")) from None
    if stream is None:
        step = "write the card by your imager later; flash the file first" if path.exists() else "check the path"
        raise InputError(Problem(where, "an image file", "another kind" if path.exists() else "no such file", step))
    try:
        _lock(stream, where)
        if not os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            raise _used(where, "another flash, which has just replaced it")
        if loop := _loop(path):
            raise _used(where, f"the loop device {loop}")
    except BaseException:
        stream.close()
        raise
    return stream


@contextmanager
def replaced(path: Path, stream: IO[bytes], where: str, say: Callable[[str], None]) -> Iterator[Path]:
    """A copy beside it, which becomes `path` when the block ends well, and is removed when it does not.

    Raises:
        UnavailableError: there is no room for it.
    """
    # Who holds the image is alone: what lies there was left behind by a flash that was cut off.
    copy = path.with_name(f".{path.name}.godwit-flash")
    try:
        with _room(path, where), copy.open("wb+") as target:
            _copy(stream, target, where, say)
        yield copy
        with _room(path, where), copy.open("rb+") as target:
            os.fsync(target.fileno())
        shutil.copymode(path, copy)
        os.replace(copy, path)
        atomic.sync_folder(path.parent)
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def _room(path: Path, where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise UnavailableError(Problem(where, f"room for a copy in {path.parent}", found, _FREE_SOME)) from None


def _lock(stream: IO[bytes], where: str) -> None:
    try:
        fcntl.fcntl(stream, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        owner = holder.of(stream.fileno())
        raise _used(where, f"{owner}, who does" if owner else "another flash, or a virtual machine") from None
    with contextlib.suppress(OSError):  # a network's file system may have one kind of locks only
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _used(where: str, found: str) -> UnavailableError:
    return UnavailableError(Problem(where, "an image that nobody else uses", found, "wait for it, or stop it"))


def _loop(path: Path) -> str:
    """The loop device of this file; empty if there is none."""
    for backing in _LOOPS.glob("loop*/loop/backing_file"):
        try:
            if Path(backing.read_text(encoding="utf-8", errors="replace").rstrip("\n")).samefile(path):
                return backing.parent.parent.name
        except OSError:  # gone meanwhile, or of another namespace
            continue
    return ""


def _copy(source: IO[bytes], target: IO[bytes], where: str, say: Callable[[str], None]) -> None:
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
        return
    except OSError:  # another file system, or one that cannot
        pass
    whole = os.fstat(source.fileno())
    used_bytes = whole.st_blocks * 512
    free_bytes = shutil.disk_usage(target.name).free
    if used_bytes > free_bytes:
        found, expected = f"{free_bytes / 1e6:.0f} MB", f"{used_bytes / 1e6:.0f} MB of free space beside it"
        raise UnavailableError(Problem(where, expected, found, _FREE_SOME))
    target.truncate(whole.st_size)
    at = 0
    while (begin := _next(source, at, os.SEEK_DATA, whole.st_size)) < whole.st_size:
        end = at = _next(source, begin, os.SEEK_HOLE, whole.st_size)
        os.lseek(source.fileno(), begin, os.SEEK_SET)
        os.lseek(target.fileno(), begin, os.SEEK_SET)
        while begin < end:
            copied = os.sendfile(target.fileno(), source.fileno(), begin, min(_CHUNK_BYTES, end - begin))
            if copied == 0:
                raise UnavailableError(Problem(where, "an image that stays as it is", "a shorter one", "flash again"))
            begin += copied
            say(f"copied {begin / 1e6:.0f} of {whole.st_size / 1e6:.0f} MB")


def _next(stream: IO[bytes], at: int, whence: int, size_bytes: int) -> int:
    try:
        return os.lseek(stream.fileno(), at, whence)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size_bytes
