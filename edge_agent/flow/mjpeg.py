"""A stream of JPEG pictures one after the other.

The end of a picture is found by walking its segments (ITU-T T.81, annex B): a thumbnail inside one
has an end of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_agent.flow import images
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

MAX_PICTURE_BYTES = 16 << 20
_BEGIN = b"\xff\xd8\xff"
_END, _SCAN = 0xD9, 0xDA
_RESTARTS = range(0xD0, 0xD8)


class Pictures:
    """A `framing.Framer`: uint8 [height, width, 3] or [height, width]."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lost = 0
        self._restart()

    def feed(self, received: bytes) -> Iterator[Array | InputError]:
        """See `framing.Framer`."""
        self._buffer += received
        while self._found_beginning():
            try:
                end = self._find_end()
            except ValueError as error:
                self._drop(len(_BEGIN) - 1)
                yield InputError(Problem("picture", "a whole JPEG", str(error), "look at the program that sends it"))
                continue
            if end is None:
                return
            if self._lost:
                yield self._loss()
            picture = bytes(self._buffer[:end])
            self._drop(end)
            try:
                yield images.decode(picture, "picture")
            except InputError as error:
                yield error
        if self._lost > MAX_PICTURE_BYTES:
            yield self._loss()

    def rest(self) -> bytes:
        """See `framing.Framer`."""
        return bytes(self._buffer)

    def _restart(self) -> None:
        self._at, self._in_scan = 2, False

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._restart()

    def _found_beginning(self) -> bool:
        """Whether a picture begins the buffer, once what is none is gone from there."""
        at = self._buffer.find(_BEGIN)
        skipped = at if at >= 0 else max(0, len(self._buffer) - len(_BEGIN) + 1)
        if skipped:
            self._lost += skipped
            self._drop(skipped)
        return at >= 0

    def _find_end(self) -> int | None:
        """Just behind the picture that begins the buffer; None if more bytes are wanted.

        Raises:
            ValueError: it is damaged, or larger than 16 MiB.
        """
        buffer = self._buffer
        while True:
            if self._in_scan:
                found = buffer.find(b"\xff", self._at)
                self._at = len(buffer) if found < 0 else found
            if self._at > MAX_PICTURE_BYTES:
                raise ValueError("more than 16 MiB without an end")
            if self._at + 2 > len(buffer):
                return None
            marker, code = buffer[self._at], buffer[self._at + 1]
            if marker != 0xFF:
                raise ValueError("no marker where a segment ends")
            if code == _END:
                return self._at + 2
            if code == 0xFF:  # filling before a marker
                self._at += 1
            elif self._in_scan and (code == 0 or code in _RESTARTS):
                self._at += 2
            else:
                length = int.from_bytes(buffer[self._at + 2 : self._at + 4], "big")
                if self._at + 4 > len(buffer):
                    return None
                if length < 2 or code == 0 or code in _RESTARTS or code == _BEGIN[1]:
                    raise ValueError(f"a segment of type {code:02x} with a length of {length}")
                self._at += 2 + length
                self._in_scan = code == _SCAN

    def _loss(self) -> InputError:
        lost, self._lost = self._lost, 0
        step = "look at the program that sends it"
        return InputError(Problem("pictures", "one after the other", f"{lost} bytes that are none", step))
