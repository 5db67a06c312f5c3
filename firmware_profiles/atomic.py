"""Files that are either the old ones or the new ones, whatever happens in between.

Temp file in the same folder, mode, fsync, rename, fsync of the folder: the order that survives a power cut.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def writer(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A binary stream that becomes `path` when the block ends well, and nothing when it does not."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path` by `content`, atomically."""
    with writer(path) as stream:
        stream.write(content)


def sync_folder(folder: Path) -> None:
    """Make a rename, creation or removal in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_link(link: Path, target: str) -> None:
    """Point the symbolic link at `target` by one atomic rename, whether or not it existed."""
    temporary = link.parent / f".{link.name}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)
    sync_folder(link.parent)
