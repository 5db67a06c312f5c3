"""Consistent overhead byte stuffing: bytes without a zero, one more for each 254 (Cheshire and Baker,
IEEE/ACM Transactions on Networking 7(2), 1999).
"""

from __future__ import annotations

_LONGEST = 254
_NO_ZERO_FOLLOWS = 255


def encode(data: bytes) -> bytes:
    """`data` as bytes of which none is zero."""
    encoded = bytearray()
    last = b""
    for last in data.split(b"\0"):
        piece = last
        while len(piece) >= _LONGEST:
            encoded.append(_NO_ZERO_FOLLOWS)
            encoded += piece[:_LONGEST]
            piece = piece[_LONGEST:]
        encoded.append(len(piece) + 1)
        encoded += piece
    if last and len(last) % _LONGEST == 0:  # a full block at the very end says all by itself
        del encoded[-1]
    return bytes(encoded)


def decode(encoded: bytes) -> bytes:
    """What `encode` was given.

    Raises:
        ValueError: a zero, or a block that is cut short.
    """
    data = bytearray()
    at, size = 0, len(encoded)
    while at < size:
        code = encoded[at]
        end = at + code
        if code == 0 or end > size:
            raise ValueError("no COBS")
        data += encoded[at + 1 : end]
        at = end
        if code != _NO_ZERO_FOLLOWS and at < size:
            data.append(0)
    return bytes(data)
