"""The agent's own code as one file: `godwit-agent-VERSION-PYTHON-ARCH.godwit-agent`.

A ZIP in the form of `canonical_zip`: `agent.json` first, then what the wheels hold, unpacked, sorted by name. So it
is the same bytes for the same wheels, and can be made again from the slot that it was unpacked into.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles import atomic, canonical_zip
from firmware_profiles.canonical_zip import Member
from firmware_profiles.errors import BundleError, Problem
from firmware_profiles.manifest import FileEntry
from firmware_profiles.words import Architecture, Version

SUFFIX = ".godwit-agent"
DESCRIPTION = "agent.json"
MAX_MEMBERS = 30_000
MAX_DESCRIPTION_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20
_PART = re.compile(r"[A-Za-z0-9_+@(][A-Za-z0-9_.+@()~ -]{0,199}\Z")
_MAX_DEPTH = 16
_STEP = "copy or download it again"


class AgentCode(msgspec.Struct, frozen=True, kw_only=True):
    """`agent.json`.

    Attributes:
        version: of Godwit.
        python: tag of the only Python that it is for, as in "cp311".
        glibc: the oldest that it runs with; empty where it needs none.
        files: every other member.
    """

    format: Literal[1] = 1
    version: Version
    python: Annotated[str, Meta(pattern=r"^cp3[0-9]{1,2}\Z")]
    arch: Architecture
    glibc: Annotated[str, Meta(pattern=r"^([0-9]{1,3}\.[0-9]{1,3})?\Z")] = ""
    files: dict[str, FileEntry] = {}


Content = Callable[[str], Iterable[bytes]]
"""Gives the content of a member by its name, anew at each call."""


def file_name(of: AgentCode) -> str:
    """As it is called."""
    return f"godwit-agent-{of.version}-{of.python}-{of.arch}{SUFFIX}"


def encode(of: AgentCode) -> bytes:
    """`agent.json`: the same bytes for the same code."""
    return msgspec.json.format(msgspec.json.encode(of, order="sorted"), indent=1) + b"\n"


def write(path: Path, of: AgentCode, content: Content) -> None:
    """Write the file that holds `of` at `path`, atomically.

    Raises:
        ValueError: a reader would refuse the names.
    """
    if fault := fault_in_names(of.files):
        raise ValueError(fault)
    with atomic.writer(path) as stream:
        for chunk in canonical_zip.stream(_members(of, content)):
            stream.write(chunk)


def unpack(stream: IO[bytes], name: str, write_member: Callable[[str, Iterator[bytes]], None]) -> AgentCode:
    """Read one file from its first byte to its last; nothing but the canonical form passes.

    Args:
        name: of the file, for people.
        write_member: gets each member in turn, and reads it to its end. What it was given is worth nothing until
            this returns.

    Raises:
        BundleError: the file is damaged, or no such file.
    """
    reader = _Reader(stream, name)
    raw = b"".join(reader.member(DESCRIPTION, None))
    try:
        of = msgspec.json.decode(raw, type=AgentCode)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise reader.broken("a description of format 1", str(error)) from None
    if encode(of) != raw or (fault := fault_in_names(of.files)):
        raise reader.broken("the canonical form of agent.json", fault or "another one")
    write_member(DESCRIPTION, iter((raw,)))
    for member, entry in sorted(of.files.items()):
        write_member(member, reader.member(member, entry))
    reader.end()
    return of


def fault_in_names(names: Iterable[str]) -> str:
    """Why `names` cannot all be members beside agent.json; empty if they can."""
    names = list(names)
    if len(names) > MAX_MEMBERS:
        return f"{len(names)} members; at most {MAX_MEMBERS}"
    for name in names:
        parts = name.split("/")
        if len(parts) > _MAX_DEPTH or not all(map(_PART.match, parts)):
            return f"a member {name[:80]!r}"
    folded = [name.lower() for name in (*names, DESCRIPTION)]
    folders = {str(folder) for name in folded for folder in PurePosixPath(name).parents}
    if len(set(folded)) != len(folded) or not folders.isdisjoint(folded):
        return "one name twice"  # a file system may not tell case apart
    return ""


def _members(of: AgentCode, content: Content) -> Iterator[Member]:
    raw = encode(of)
    yield Member(DESCRIPTION, len(raw), zlib.crc32(raw), lambda: (raw,))
    for name, entry in sorted(of.files.items()):
        crc32 = 0
        for chunk in content(name):
            crc32 = zlib.crc32(chunk, crc32)
        yield Member(name, entry.size_bytes, crc32, lambda name=name: content(name))  # type: ignore[misc]


class _Reader:
    """Reads what `canonical_zip.stream` writes, and compares all of it but the contents with what that would write."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name
        self._seen: list[Member] = []

    def broken(self, expected: str, found: str) -> BundleError:
        return BundleError(Problem(self._name, expected, found, _STEP))

    def member(self, name: str, entry: FileEntry | None) -> Iterator[bytes]:
        """The content of the next member; it must be what `entry` says, where there is one."""
        fixed = self._exactly(30)
        crc32, size = (int.from_bytes(fixed[start : start + 4], "little") for start in (14, 18))
        if size > (entry.size_bytes if entry else MAX_DESCRIPTION_BYTES):
            raise self.broken(f"{name} as it is described", f"{size} bytes")
        member = Member(name, size, crc32, lambda: ())
        self._seen.append(member)
        if fixed + self._exactly(len(name.encode())) != next(iter(canonical_zip.stream([member]))):
            raise self.broken(f"the member {name}", "another one, or in another form")
        digest, found = hashlib.sha256(), 0
        left = size
        while left:
            chunk = self._exactly(min(left, _CHUNK_BYTES))
            left -= len(chunk)
            digest.update(chunk)
            found = zlib.crc32(chunk, found)
            yield chunk
        if found != crc32 or (entry and (size, digest.hexdigest()) != (entry.size_bytes, entry.sha256)):
            raise self.broken(f"{name} as it is described", "other bytes")

    def end(self) -> None:
        """What follows the last member."""
        *_, expected = canonical_zip.stream(self._seen)
        if self._exactly(len(expected)) != expected or self._stream.read(1):
            raise self.broken("the end of a canonical ZIP", "another one")

    def _exactly(self, count: int) -> bytes:
        received = self._stream.read(count)
        if len(received) != count:
            raise self.broken("a whole file", "one that ends early")
        return received
