"""How files are numbered in chunks: each file begins with a chunk of its own, and its last one may be short."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from firmware_profiles.serial_link.messages import CHUNK_BYTES


class Chunks:
    """The chunks of files of these sizes.

    Attributes:
        count: of all files.
        size_bytes: of all files.
    """

    def __init__(self, sizes_bytes: Sequence[int]) -> None:
        self._sizes = sizes_bytes
        self._firsts = [0, *accumulate(-(-size // CHUNK_BYTES) for size in sizes_bytes)]
        self.count = self._firsts[-1]
        self.size_bytes = sum(sizes_bytes)

    def of_file(self, index: int) -> range:
        """The chunks of one file."""
        return range(self._firsts[index], self._firsts[index + 1])

    def place(self, chunk: int) -> tuple[int, int]:
        """Which file a chunk is in, and where, in bytes."""
        index = bisect_right(self._firsts, chunk) - 1
        return index, (chunk - self._firsts[index]) * CHUNK_BYTES

    def end_of_file(self, chunk: int) -> int:
        """The first chunk of the next file."""
        return self._firsts[self.place(chunk)[0] + 1]

    def length_bytes(self, first: int, count: int) -> int:
        """Of `count` chunks of one file."""
        index, offset = self.place(first)
        return min(count * CHUNK_BYTES, self._sizes[index] - offset)

    def covered(self, first: int, length_bytes: int) -> int:
        """How many chunks `length_bytes` from chunk `first` on are; 0 if they are not whole chunks of one file."""
        if not length_bytes or not 0 <= first < self.count:
            return 0
        count = -(-length_bytes // CHUNK_BYTES)
        return count if self.length_bytes(first, count) == length_bytes else 0
