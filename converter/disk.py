"""A disk that is full, or not ours to write on, told in one line."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_profiles.errors import Problem, UnavailableError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def told() -> Iterator[None]:
    """Turn what a disk refuses inside the block into an UnavailableError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*_NO_ROOM, *_NO_RIGHT):
            raise
        where = os.fsdecode(error.filename) if error.filename else tempfile.gettempdir()
        expected = "room to write" if error.errno in _NO_ROOM else "a place to write"
        step = "free some, or choose another --out (for results) or TMPDIR (for work)"
        raise UnavailableError(Problem(where, expected, (error.strerror or "").lower(), step)) from None
