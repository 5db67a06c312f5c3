"""What the two ends say to each other, and how it is packed: one letter, fixed fields, a tail of bytes.

Numbers are little-endian. A tag names one stream of chunks of one connection; what carries another tag
is left over from before.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

VERSION = 1
CHUNK_BYTES = 256
MOST_CHUNKS = 16
"""In one frame."""
NONCE_BYTES = 8
TAIL_BYTES = CHUNK_BYTES * MOST_CHUNKS
"""Most in a message's tail."""
MOST_IN_STREAM = 1 << 24
"""Chunks: 4 GiB."""


class Hello(NamedTuple):
    """Host: who is there? All of it is printable: it may meet a login prompt.

    Attributes:
        version: of the protocol, a digit.
        nonce: what the answer repeats, and why the checksum is printable too.
        text: for the person who reads it there.
    """

    version: bytes
    nonce: bytes
    text: bytes = b" godwit serial link: hello"


class Ready(NamedTuple):
    """Device: I am. `facts` is JSON about it."""

    version: int
    nonce: bytes
    facts: bytes


class Offer(NamedTuple):
    """Host: under this tag come the chunks of a stream, unless you have them.

    Attributes:
        stream: 0 the list of contents, 1 the files that it names.
        size_bytes: of the list of contents.
        sha256: of the list of contents, which names the whole transfer.
    """

    tag: int
    stream: int
    size_bytes: int
    sha256: bytes


class Data(NamedTuple):
    """Host: chunks from `first` on.

    Attributes:
        number: of this frame; one more for each frame that is sent, repeats too.
    """

    tag: int
    number: int
    first: int
    payload: bytes


class Poll(NamedTuple):
    """Host: what have you got? Numbered like a frame of data."""

    tag: int
    number: int


class Ack(NamedTuple):
    """Device: what it has.

    Attributes:
        newest: the highest number that arrived. The line keeps the order: an earlier one that brought nothing is lost.
        base: the first chunk that is missing.
        bits: of the chunks from `base // 8 * 8` on, the lowest bit first; zeros at the end are left out.
    """

    tag: int
    newest: int
    base: int
    bits: bytes


class Gone(NamedTuple):
    """Device: that tag says nothing to me; offer again."""

    tag: int


class Finish(NamedTuple):
    """Host: you have everything; check it and install it. Repeated until `Ended`."""

    tag: int


class Working(NamedTuple):
    """Device: I am at it. `text` says at what."""

    tag: int
    text: bytes


class Ended(NamedTuple):
    """Device: how it ended, or why it is refused; as of a process.

    Attributes:
        said: JSON with `stdout` and `stderr`.
    """

    tag: int
    exit_code: int
    said: bytes


class Bye(NamedTuple):
    """Host: I know how it ended."""

    tag: int


Message = Hello | Ready | Offer | Data | Poll | Ack | Gone | Finish | Working | Ended | Bye

FORMS: dict[type[Message], tuple[bytes, struct.Struct, bool]] = {
    Hello: (b"H", struct.Struct(f"<c{NONCE_BYTES}s"), True),
    Ready: (b"R", struct.Struct(f"<B{NONCE_BYTES}s"), True),
    Offer: (b"O", struct.Struct("<HBQ32s"), False),
    Data: (b"D", struct.Struct("<HII"), True),
    Poll: (b"P", struct.Struct("<HI"), False),
    Ack: (b"A", struct.Struct("<HII"), True),
    Gone: (b"G", struct.Struct("<H"), False),
    Finish: (b"F", struct.Struct("<H"), False),
    Working: (b"W", struct.Struct("<H"), True),
    Ended: (b"E", struct.Struct("<HB"), True),
    Bye: (b"B", struct.Struct("<H"), False),
}
"""Letter, fixed fields, and whether a tail of bytes follows."""
_BY_LETTER = {letter[0]: (kind, fields, tail) for kind, (letter, fields, tail) in FORMS.items()}


def pack(message: Message) -> bytes:
    """The body of a frame."""
    letter, fields, tail = FORMS[type(message)]
    if tail:
        assert isinstance(message[-1], bytes)
        return letter + fields.pack(*message[:-1]) + message[-1]
    return letter + fields.pack(*message)


def unpack(body: bytes) -> Message:
    """The message of a frame's body.

    Raises:
        ValueError: it is none.
    """
    kind, fields, tail = _BY_LETTER.get(body[0] if body else 0, (None, None, False))
    if kind is None or fields is None:
        raise ValueError("no such message")
    end = 1 + fields.size
    if len(body) < end or len(body) > end + (TAIL_BYTES if tail else 0):
        raise ValueError("a message of another length")
    values = fields.unpack_from(body, 1)
    return kind._make((*values, body[end:]) if tail else values)
