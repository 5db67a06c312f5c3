"""Which chunks have arrived."""

from __future__ import annotations

from collections.abc import Iterable

WINDOW_CHUNKS = 512
"""How far beyond the first missing chunk others are sent and kept: 128 KiB."""


class Bitmap:
    """A bit for each of `count` chunks.

    Attributes:
        base: the first chunk that is missing; `count` if none is.
    """

    def __init__(self, count: int, bits: bytes = b"") -> None:
        """Args: `bits` as `bits()` gave them; what is too short or too long is cut or filled."""
        size = -(-count // 8)
        self.count = count
        self.base = 0
        self._bits = bytearray(bits[:size].ljust(size, b"\0"))
        self._advance()

    def __contains__(self, chunk: int) -> bool:
        return bool(self._bits[chunk >> 3] >> (chunk & 7) & 1)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.base == self.count

    def bits(self) -> bytes:
        """To be kept."""
        return bytes(self._bits)

    def arrived(self) -> int:
        """How many have."""
        return int.from_bytes(self._bits, "little").bit_count()

    def add(self, chunks: Iterable[int]) -> None:
        """These have arrived."""
        for chunk in chunks:
            self._bits[chunk >> 3] |= 1 << (chunk & 7)
        self._advance()

    def discard(self, chunks: Iterable[int]) -> None:
        """These are missing after all."""
        for chunk in chunks:
            self._bits[chunk >> 3] &= ~(1 << (chunk & 7))
            self.base = min(self.base, chunk)

    def window(self) -> bytes:
        """`Ack.bits`."""
        start = self.base >> 3
        return bytes(self._bits[start : start + WINDOW_CHUNKS // 8 + 1]).rstrip(b"\0")

    def merge(self, base: int, bits: bytes) -> None:
        """Learn from an `Ack`; what names no chunk of ours is left."""
        base = min(base, self.count)
        start = base >> 3
        self._bits[:start] = b"\xff" * start
        self.add(range(start * 8, base))
        for at, byte in enumerate(bits[: len(self._bits) - start], start):
            self._bits[at] |= byte
        self._advance()

    def _advance(self) -> None:
        while self.base < self.count and self.base in self:
            full = self.base & 7 == 0 and self._bits[self.base >> 3] == 0xFF
            self.base = min(self.base + (8 if full else 1), self.count)
