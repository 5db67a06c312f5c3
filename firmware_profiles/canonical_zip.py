"""The one canonical ZIP for given content, as a stream of bytes (PKWARE APPNOTE 6.3.10, section 4.3).

Members are stored without compression, dated 1980-01-01, mode 0644, made "by Unix", with no extra
fields, no comments and no ZIP64 (so less than 4 GiB in all).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

MAX_BYTES = (1 << 32) - 1
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 20
_MADE_BY_UNIX = 3 << 8 | _VERSION
_DATE = 1 << 5 | 1
_MODE = 0o100644 << 16


class Member(NamedTuple):
    """One file of the archive; `chunks` gives its content anew at each call."""

    name: str
    size_bytes: int
    crc32: int
    chunks: Callable[[], Iterable[bytes]]


def stream(members: Iterable[Member]) -> Iterator[bytes]:
    """The bytes of the archive that holds `members` in the order given."""
    directory = []
    offset = 0
    for member in members:
        name = member.name.encode("ascii")
        sizes = (member.crc32, member.size_bytes, member.size_bytes)
        yield _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, *sizes, len(name), 0) + name
        yield from member.chunks()
        fields = (_MADE_BY_UNIX, _VERSION, 0, 0, 0, _DATE, *sizes, len(name), 0, 0, 0, 0, _MODE, offset)
        directory.append(_CENTRAL.pack(b"PK\1\2", *fields) + name)
        offset += _LOCAL.size + len(name) + member.size_bytes
    central = b"".join(directory)
    count = len(directory)
    yield central + _END.pack(b"PK\5\6", 0, 0, count, count, len(central), offset, 0)
