"""Where a transfer lies until it is installed: files, their list, and which chunks have arrived.

```
FOLDER/lock            held by the receiver that is at work
FOLDER/contents.json   the list of contents, as it came; its SHA-256 names the transfer
FOLDER/files/          kit/… and root.json
FOLDER/bitmap          that SHA-256, and a bit for each chunk: written after the files are synced
FOLDER/before/         the files of the transfer before, while those that are still good are kept
```
After the installation all of it stays: what is flashed again is there already, and the next kit takes
what it has in common with this one from here.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem, UnavailableError
from firmware_profiles.serial_link import contents as contents_
from firmware_profiles.serial_link.bitmap import Bitmap
from firmware_profiles.serial_link.contents import Contents, File
from firmware_profiles.serial_link.said import Said
from firmware_profiles.serial_receiver.installing import Installing

_KEPT_EVERY_S = 1.0
_TRIES = 3
_SPARE_BYTES = 16 << 20
_MODE = 0o600
"""What installs may carry a password for the broker."""


class Staging:
    """A `serial_link.store.Store` in a folder."""

    def __init__(self, folder: Path, install: Callable[[Path, Contents], list[str]]) -> None:
        """Args: `install` makes the command from the folder of the files."""
        self._folder = folder
        self._files = folder / "files"
        self._before = folder / "before"
        self._list = folder / "contents.json"
        self._bits = folder / "bitmap"
        self._install = install
        self._lock: IO[bytes] | None = None
        self._contents = Contents(())
        self._sha256 = b""
        self._bitmap = Bitmap(0)
        self._kept_s = 0.0
        self._bad_times = 0
        self._dirty: dict[int, int] = {}
        self._installing: Installing | None = None

    def known(self, sha256: bytes) -> tuple[Contents, Bitmap] | None:
        """See `Store`."""
        with _told(self._folder):
            self._hold()
            listed = self._list.read_bytes() if self._list.exists() else b""
            if hashlib.sha256(listed).digest() != sha256:
                return None
            try:
                contents = contents_.decode(listed)
            except InputError:
                return None
            self._load(contents, sha256)
            return contents, self._bitmap

    def begin(self, listed: bytes, contents: Contents) -> Bitmap:
        """See `Store`."""
        with _told(self._folder):
            self._hold()
            self._close()
            before = self._listed_before()
            self._bits.unlink(missing_ok=True)
            atomic.sync_folder(self._folder)
            if self._files.exists():
                shutil.rmtree(self._before, ignore_errors=True)
                os.replace(self._files, self._before)
            with atomic.writer(self._list, _MODE) as stream:
                stream.write(listed)
            self._bitmap = Bitmap(contents.chunks().count)
            self._contents, self._sha256, self._bad_times = contents, hashlib.sha256(listed).digest(), 0
            self._lay_out(before)
            shutil.rmtree(self._before, ignore_errors=True)
            self._check_room()
            self._keep()
            return self._bitmap

    def write(self, file: int, offset_bytes: int, content: bytes) -> None:
        """See `Store`."""
        with _told(self._folder):
            if file not in self._dirty:
                self._dirty[file] = os.open(self._path(self._contents.files[file]), os.O_WRONLY | os.O_NOFOLLOW)
            os.pwrite(self._dirty[file], content, offset_bytes)

    def arrived(self, bitmap: Bitmap) -> None:
        """See `Store`."""
        self._bitmap = bitmap
        if time.monotonic() > self._kept_s + _KEPT_EVERY_S or len(self._dirty) > 64:
            with _told(self._folder):
                self._keep()

    def finish(self) -> None:
        """See `Store`."""
        with contextlib.suppress(OSError):  # what is not on the disk is found by its hash
            self._keep()
        paths = [(self._path(file), file.sha256) for file in self._contents.files]
        self._installing = Installing(paths, self._install(self._files, self._contents))

    def finishing(self) -> str | Said | list[int]:
        """See `Store`."""
        assert self._installing is not None
        state = self._installing.state()
        if not isinstance(state, list):
            return state
        self._bad_times += 1
        if self._bad_times < _TRIES:
            return state
        step = "check the disk there, and that nobody changes the kit meanwhile"
        names = ", ".join(self._contents.files[at].path for at in state[:3])
        problem = Problem(names, "the bytes of the kit", f"others, {_TRIES} times", step)
        return Said(UnavailableError.exit_code, "", f"error: {problem}\n")

    def release(self) -> None:
        """See `Store`."""
        with contextlib.suppress(OSError):
            self._keep()
        self._close()
        self._sha256 = b""  # another receiver may come in between
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _hold(self) -> None:
        if self._lock is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        stream = (self._folder / "lock").open("ab")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            step = "wait for it, and flash one device over one line at a time"
            raise UnavailableError(Problem(str(self._folder), "no other transfer", "one at work", step)) from None
        self._lock = stream

    def _load(self, contents: Contents, sha256: bytes) -> None:
        if sha256 == self._sha256:
            return  # what is in memory is newer
        self._contents, self._sha256 = contents, sha256
        chunks = contents.chunks()
        raw = self._bits.read_bytes() if self._bits.exists() else b""
        self._bitmap = Bitmap(chunks.count, raw[len(sha256) :] if raw.startswith(sha256) else b"")
        for index, file in enumerate(contents.files):
            if not self._path(file).is_file():  # power was cut while they were laid out, or somebody cleared up
                self._bitmap.discard(chunks.of_file(index))
                self._touch(file)

    def _listed_before(self) -> dict[str, File]:
        """What is there by its hash; hashes are checked before it is used."""
        try:
            return {file.sha256: file for file in contents_.decode(self._list.read_bytes()).files}
        except (OSError, InputError):
            return {}

    def _lay_out(self, before: dict[str, File]) -> None:
        """Make the new files: taken over from before where they are the same, else empty."""
        chunks = self._contents.chunks()
        for index, file in enumerate(self._contents.files):
            old = before.pop(file.sha256, None)
            place = self._before / old.path if old else None
            if place and place.is_file() and contents_.sha256_of(place) == file.sha256:
                self._path(file).parent.mkdir(parents=True, exist_ok=True)
                os.replace(place, self._path(file))
                self._bitmap.add(chunks.of_file(index))
            else:
                self._touch(file)

    def _touch(self, file: File) -> None:
        path = self._path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(_MODE)

    def _path(self, file: File) -> Path:
        return self._files / file.path

    def _check_room(self) -> None:
        total = self._contents.chunks().size_bytes
        missing = total * (self._bitmap.count - self._bitmap.arrived()) // max(self._bitmap.count, 1)
        free = shutil.disk_usage(self._folder).free
        if missing + _SPARE_BYTES > free:
            found = f"{free / 1e6:.0f} MB"
            step = "free some space there"
            needed = f"{(missing + _SPARE_BYTES) / 1e6:.0f} MB free"
            raise UnavailableError(Problem(str(self._folder), needed, found, step))

    def _keep(self) -> None:
        """First the files, then the bitmap: it never says of a chunk that it is there when it is not."""
        for descriptor in self._dirty.values():
            os.fsync(descriptor)
        self._close()
        self._kept_s = time.monotonic()
        if self._sha256:
            with atomic.writer(self._bits, _MODE) as stream:
                stream.write(self._sha256 + self._bitmap.bits())

    def _close(self) -> None:
        for descriptor in self._dirty.values():
            os.close(descriptor)
        self._dirty = {}


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """A failure of the disk, as the person at the other end can read it."""
    try:
        yield
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "check its rights, its free space and its disk"
        raise UnavailableError(Problem(str(folder), "a folder to write to", found, step)) from None
