"""A stream of packets of one fixed form: sync bytes, packed fields, a checksum.

After noise the next packet is found by its sync bytes and checksum, byte by byte. Every byte that
belongs to no packet is counted.
"""

from __future__ import annotations

import binascii
import math
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from edge_agent.format_config import Binary, Checksum
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

_CODES = {
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


def crc16(data: bytes) -> int:
    """CRC-16/IBM-3740: polynomial 0x1021, begins with 0xFFFF; 0x29B1 for b"123456789"."""
    return binascii.crc_hqx(data, 0xFFFF)


def sum8(data: bytes) -> int:
    """The sum of all bytes, modulo 256."""
    return sum(data) & 0xFF


_CHECKSUMS: dict[Checksum, tuple[str, Callable[[bytes], int] | None]] = {
    "none": ("", None),
    "sum8": ("B", sum8),
    "crc16": ("H", crc16),
    "crc32": ("I", zlib.crc32),
}


class Packets:
    """A `framing.Framer`: rows float64 [n, fields], as many as follow each other."""

    def __init__(self, layout: Binary, joins_midway: bool) -> None:
        order = "<" if layout.byte_order == "little" else ">"
        self._fields = struct.Struct(order + "".join(_CODES[field] for field in layout.fields))
        code, self._checksum = _CHECKSUMS[layout.checksum]
        self._check = struct.Struct(order + code)
        self._sync = bytes.fromhex(layout.sync)
        self._size = len(self._sync) + self._fields.size + self._check.size
        self._buffer = bytearray()
        self._lost = 0
        self._joining = joins_midway

    def feed(self, received: bytes) -> Iterator[Array | InputError]:
        """See `framing.Framer`."""
        block: list[tuple[float, ...]] = []  # an array for each row would cost more than the row
        for row in self._rows(received):
            if not isinstance(row, InputError):
                block.append(row)
                continue
            if block:
                yield np.array(block, np.float64)
                block = []
            yield row
        if block:
            yield np.array(block, np.float64)

    def rest(self) -> bytes:
        """See `framing.Framer`."""
        return bytes(self._buffer)

    def _rows(self, received: bytes) -> Iterator[tuple[float, ...] | InputError]:
        self._buffer += received
        at = 0
        while (at := self._next(at)) + self._size <= len(self._buffer):
            body = self._body(at)
            if body is None:
                at += 1
                self._lost += 1
                continue
            if self._lost and not self._joining:
                yield self._loss()
            self._joining, self._lost = False, 0
            at += self._size
            yield self._row(body)
        del self._buffer[:at]
        if self._lost > self._size:  # what is all noise is told too, though no packet ends it
            self._joining = False
            yield self._loss()

    def _next(self, at: int) -> int:
        """Where the next packet may begin, from `at` on."""
        found = self._buffer.find(self._sync, at)
        if found < 0:  # the last bytes may be the first of the sync bytes
            found = max(at, len(self._buffer) - len(self._sync) + 1)
        self._lost += found - at
        return found

    def _body(self, at: int) -> bytes | None:
        """The fields of the packet at `at`; None if it is none."""
        start = at + len(self._sync)
        body = bytes(self._buffer[start : start + self._fields.size])
        if self._checksum and self._check.unpack_from(self._buffer, start + len(body))[0] != self._checksum(body):
            return None
        return body

    def _row(self, body: bytes) -> tuple[float, ...] | InputError:
        row = self._fields.unpack(body)
        if not all(map(math.isfinite, row)):
            return InputError(Problem("packet", "finite numbers", "a NaN or an infinity", "look at the sensor"))
        return row

    def _loss(self) -> InputError:
        lost, self._lost = self._lost, 0
        step = "look at the cable, the baud rate and the declared fields"
        return InputError(Problem("packets", "one after the other", f"{lost} bytes that are none", step))
