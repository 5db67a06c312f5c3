"""Frames: a body and its CRC-32, stuffed so that a zero byte ends each and is found after any noise."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

from firmware_profiles.serial_link import cobs
from firmware_profiles.serial_link.messages import NONCE_BYTES, TAIL_BYTES, VERSION, Hello, Message, pack, unpack

END = b"\0"
_CRC_BYTES = 4
_LONGEST_BYTES = TAIL_BYTES + 64
"""Of a frame as it travels: tail, fields, checksum, and one byte for each 254."""
_PRINTABLE = range(0x20, 0x7F)


def frame(message: Message) -> bytes:
    """As it travels, the zero at its end included."""
    body = pack(message)
    return cobs.encode(body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")) + END


def hello(choose: random.Random) -> bytes:
    """A `Hello` that a shell or a login prompt takes for a word: every byte but its zeros is printable."""
    while True:
        nonce = bytes(choose.choices(_PRINTABLE, k=NONCE_BYTES))
        framed = frame(Hello(str(VERSION).encode(), nonce))
        if all(byte in _PRINTABLE for byte in framed[:-1]):
            return END + framed


class Deframer:
    """Cuts what comes in into messages; what is none is counted and dropped.

    Attributes:
        noise_bytes: since the last message.
    """

    def __init__(self) -> None:
        self.noise_bytes = 0
        self._open = b""

    def feed(self, received: bytes) -> Iterator[Message]:
        """The messages that `received` completes."""
        *whole, self._open = (self._open + received).split(END)
        if len(self._open) > _LONGEST_BYTES:  # no frame is that long: keep what could be the end of one
            self.noise_bytes += len(self._open)
            self._open = self._open[:1]
        for encoded in whole:
            if not encoded:
                continue
            try:
                message = _message(encoded)
            except ValueError:
                self.noise_bytes += len(encoded)
            else:
                self.noise_bytes = 0
                yield message


def _message(encoded: bytes) -> Message:
    if len(encoded) > _LONGEST_BYTES:
        raise ValueError("too long")
    content = cobs.decode(encoded)
    body, crc = content[:-_CRC_BYTES], content[-_CRC_BYTES:]
    if zlib.crc32(body) != int.from_bytes(crc, "little"):
        raise ValueError("another checksum")
    return unpack(body)
