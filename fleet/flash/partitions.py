"""The partitions of a disk image: MBR with its logical ones, and GPT. Nothing is written.

MBR: "Master Boot Record", as UEFI Specification 2.10, 5.2, has it; the chain of logical partitions as every
partitioner writes it: in each link one partition, relative to the link, and one next link, relative to the extended
partition. GPT: UEFI Specification 2.10, 5.3. Sectors are of 512 bytes. A hostile image can at worst be refused.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, NamedTuple

SECTOR_BYTES = 512
_EXTENDED = (0x05, 0x0F, 0x85)
_PROTECTIVE = 0xEE
_MAX_LOGICAL = 60
_MAX_GPT_ENTRIES = 1024
_ENTRY_BYTES = 128
_GPT = struct.Struct("<8s4sIII4Q16sQIII")
_BOOT_SIGNATURE = b"\x55\xaa"


class Partition(NamedTuple):
    """One partition; `number` is the kernel's: 1 of mmcblk0p1."""

    number: int
    start_bytes: int
    size_bytes: int


class NoTableError(Exception):
    """There is no partition table, or a damaged one; the text says what is there."""


def read(image: IO[bytes], size_bytes: int) -> list[Partition]:
    """The partitions of an image of that size.

    Raises:
        NoTableError: there is no whole table of partitions that lie in the image.
    """
    sector = _sector(image, 0)
    if sector[510:512] != _BOOT_SIGNATURE:
        raise NoTableError("no partition table")
    entries = _entries(sector)
    protected = any(kind == _PROTECTIVE for kind, _, _ in entries)
    found = _gpt(image) if protected else _mbr(image, entries)
    for each in found:
        if each.start_bytes < SECTOR_BYTES or each.start_bytes + each.size_bytes > size_bytes:
            raise NoTableError(f"partition {each.number} outside of the image: it was cut off")
    if not found:
        raise NoTableError("a partition table without a partition")
    return found


def _sector(image: IO[bytes], number: int) -> bytes:
    image.seek(number * SECTOR_BYTES)
    return image.read(SECTOR_BYTES).ljust(SECTOR_BYTES, b"\0")


def _entries(sector: bytes) -> list[tuple[int, int, int]]:
    """Kind, first sector and sectors of the four entries."""
    found = []
    for place in range(446, 510, 16):
        first, sectors = struct.unpack_from("<2I", sector, place + 8)
        found.append((sector[place + 4], first, sectors))
    return found


def _mbr(image: IO[bytes], entries: list[tuple[int, int, int]]) -> list[Partition]:
    found = []
    for number, (kind, first, sectors) in enumerate(entries, 1):
        if kind in _EXTENDED:
            found += _logical(image, first)
        elif kind and sectors:
            found.append(Partition(number, first * SECTOR_BYTES, sectors * SECTOR_BYTES))
    return sorted(found)


def _logical(image: IO[bytes], extended: int) -> list[Partition]:
    found: list[Partition] = []
    link, seen = extended, set[int]()
    while link not in seen:
        seen.add(link)
        sector = _sector(image, link)
        if len(seen) > _MAX_LOGICAL or sector[510:512] != _BOOT_SIGNATURE:
            raise NoTableError("a chain of logical partitions that does not end well")
        here, following = _entries(sector)[:2]
        if here[0] and here[2]:
            start = link + here[1]
            found.append(Partition(5 + len(found), start * SECTOR_BYTES, here[2] * SECTOR_BYTES))
        if following[0] not in _EXTENDED or not following[2]:
            return found
        link = extended + following[1]
    raise NoTableError("a chain of logical partitions that goes round")


def _gpt(image: IO[bytes]) -> list[Partition]:
    raw = _sector(image, 1)
    signature, _, header_bytes, crc, _, _, _, _, _, _, first, count, entry_bytes, entries_crc = _GPT.unpack_from(raw)
    if signature != b"EFI PART":
        raise NoTableError("no GPT where its protective MBR promises one, or one for sectors that are not of 512 bytes")
    if not _GPT.size <= header_bytes <= SECTOR_BYTES or crc != _crc_of_header(raw[:header_bytes]):
        raise NoTableError("a damaged GPT")
    if entry_bytes < _ENTRY_BYTES or entry_bytes > SECTOR_BYTES or count > _MAX_GPT_ENTRIES:
        raise NoTableError(f"a GPT with {count} entries of {entry_bytes} bytes")
    image.seek(min(first, 1 << 53) * SECTOR_BYTES)
    table = image.read(count * entry_bytes)
    if zlib.crc32(table) != entries_crc:
        raise NoTableError("a damaged GPT")
    found = []
    for index in range(count):
        entry = table[index * entry_bytes :][:_ENTRY_BYTES]
        if any(entry[:16]):  # the type; zero is an unused entry
            start, end = struct.unpack_from("<2Q", entry, 32)
            found.append(Partition(index + 1, start * SECTOR_BYTES, (end - start + 1) * SECTOR_BYTES))
    return found


def _crc_of_header(header: bytes) -> int:
    """Of the header with nothing in the place of the sum itself."""
    return zlib.crc32(header[:16] + bytes(4) + header[20:])
