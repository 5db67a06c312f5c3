"""The vectors of docs/serial.md, read as another implementation would read them."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from firmware_profiles.serial_link.messages import pack
from tools import serial_reference

_DOCUMENT = Path(__file__).parents[3] / "docs" / "serial.md"
_VECTOR = re.compile(r"^\| `(\w+)\((.*)\)` \| `([0-9a-f]+)` \|$", re.MULTILINE)


def unstuffed(encoded: bytes) -> bytes:
    """COBS byte by byte, written from the paper."""
    out, at = b"", 0
    while at < len(encoded):
        code = encoded[at]
        out += encoded[at + 1 : at + code] + (b"\0" if code < 255 else b"")
        at += code
    return out if code == 255 else out[:-1]


def test_the_vectors_are_of_this_code() -> None:
    vectors = _VECTOR.findall(_DOCUMENT.read_text(encoding="utf-8"))
    assert [name for name, _, _ in vectors] == [type(message).__name__ for message in serial_reference.EXAMPLES]
    for (_, _, digits), message in zip(vectors, serial_reference.EXAMPLES, strict=True):
        framed = bytes.fromhex(digits)
        assert framed[-1] == 0
        content = unstuffed(framed[:-1])
        assert content[:-4] == pack(message)
        assert zlib.crc32(content[:-4]) == int.from_bytes(content[-4:], "little")


def test_the_document_is_up_to_date() -> None:
    assert _DOCUMENT.read_text(encoding="utf-8") == serial_reference.text()
