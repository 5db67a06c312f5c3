"""Coverage-guided fuzzing of both ends of a serial link: `python -m tests.fuzz.serial_link -runs=1000000`.

The first byte chooses the end and how far a transfer has come, the second how the rest is cut into reads. A
piece that begins with an F is framed first, so that messages come through, too; the others come as they are.
Whatever comes in, neither end dies, memory is bounded, and the store gets nothing but whole chunks of known files.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["firmware_profiles.serial_link"]):
    import copy
    import zlib

    from firmware_profiles.errors import UnavailableError
    from firmware_profiles.serial_link import cobs
    from tests.firmware_profiles.serial_link.simulated import Meeting, Memory, Wire, clean

FILES = [bytes(5000), b"", b"x" * 300]
KEPT_BYTES = 1 << 17


class Strict(Memory):
    """Takes nothing beyond the files."""

    def write(self, file: int, offset_bytes: int, content: bytes) -> None:
        super().write(file, offset_bytes, content)
        assert self.contents is not None
        assert len(self.files[file]) == self.contents.files[file].size_bytes


def framed(body: bytes) -> bytes:
    """With a checksum that is right."""
    return b"\0" + cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"


def at(moment_s: float) -> Meeting:
    """A transfer that has come so far."""
    met = Meeting(FILES, Wire(clean), Wire(clean), Strict())
    met.run(lambda: met.now_s > moment_s)
    return met


MOMENTS = [at(number / 100) for number in range(16)]


def fuzz(data: bytes) -> None:
    """One case."""
    if len(data) < 2:
        return
    met = copy.deepcopy(MOMENTS[data[0] >> 1 & 15])
    end = met.host if data[0] & 1 else met.device
    size, body = data[1] or 256, data[2:]
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        if piece[:1] == b"F":
            tag = end._tag.to_bytes(2, "little")  # the one that is in use, else little would be reached
            piece = framed(piece[1:2] + tag + piece[2:])
        with contextlib.suppress(UnavailableError):  # another version; only the host is told
            end.feed(piece, met.now_s)
            assert len(end.output(met.now_s, 4096)) < KEPT_BYTES
    assert len(end._deframer._open) < KEPT_BYTES


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
