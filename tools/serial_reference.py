"""Generate docs/serial.md from `firmware_profiles/serial_link`: messages, states, bounds and test vectors."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Mapping

from firmware_profiles.errors import guarded
from firmware_profiles.serial_link import bitmap, contents, device, host, messages, states
from firmware_profiles.serial_link.contents import Contents, File
from firmware_profiles.serial_link.frames import Deframer, frame, hello
from firmware_profiles.serial_link.messages import (
    Ack,
    Bye,
    Data,
    Finish,
    Gone,
    Hello,
    Message,
    Offer,
    Poll,
    Ready,
    Working,
)
from firmware_profiles.serial_link.said import Said
from tools import generated
from tools.struct_tables import described

_INTRODUCTION = """\
How `godwit flash serial://…` and `edge-agent receive` talk over a serial line. The host (what flashes) brings the
files of a kit; the device keeps them, checks them, and has `edge-agent install` install them. The line is 8N1, in
raw mode, without flow control; it may flip, lose and make up bytes, and may be cut at any moment."""
_FRAMES = """\
A frame is a body followed by its CRC-32 (as in zlib and IEEE 802.3, little-endian), stuffed by COBS (Cheshire and
Baker, IEEE/ACM Transactions on Networking 7(2), 1999) so that it holds no zero, and ended by a zero byte. What lies
between two zeros and is no frame is dropped. Either end may send a zero before a frame, to end any noise.

A body is one letter that names the message, its fields (numbers are little-endian), and for some a tail of bytes, which
is all that is left. A body with another length or an unknown letter is dropped."""
_CHUNKS = """\
A transfer is two streams. Stream 0 is the list of contents, JSON; its SHA-256 names the transfer. Stream 1 is the
files in the order of that list. Each file is cut into chunks of {chunk} bytes, the last of which may be shorter; chunks
are numbered through all files. A frame of data brings 1 to {most} following chunks of one file. How many is the
host's choice: the more noise, the fewer (about the square root of what a frame costs divided by the rate of errors;
Modiano, Wireless Networks 5, 1999)."""
_RELIABILITY = """\
- **Selective repeat.** The host may send up to {window} chunks beyond the first missing one (`base`), and repeats
  only what is missing.
- **What is lost is known at once.** Every frame of data and every `Poll` has a number of its own, repeats too. The
  line keeps the order: when the device has heard of number n, what an earlier frame brought and `Ack` does not
  show was lost.
- **A timeout sends no data**, but a `Poll`, whose answer tells what is missing. A host that has nothing else to send
  polls once at once, so a loss at the end costs one round trip. The time is that of RFC 6298 (smoothed round
  trip plus four times its variation, doubled at each timeout), between 0.2 and 4 s. A number is sent
  once, so no sample is ambiguous.
- **The device answers and never speaks first.** `Hello`, `Offer` and `Finish` are repeated until they are answered,
  and any of them may come twice.
- **The device keeps a bitmap** of what has arrived. It writes it to its disk after it has synced the files, so after a
  power cut it never names a chunk that is not there. A host that comes again, or finds that the device has
  started again (`Gone`), offers the same list, and sends the rest. Of a next transfer, files with the same
  hash are taken over from the last one.
- **Hashes decide.** CRC-32 finds noise; SHA-256 of every file, checked before the installation, finds everything
  else. Files that differ are sent again, three times at most.
- **Tags** name one stream of one connection; what carries another one is left over, and ignored or answered by `Gone`.
- **Silence** of {silence:.0f} s ends a host with an error, and lets a device's transfer go; what has arrived stays.
- **Speed.** A host that hears nothing, or noise, tries other speeds, and names the one at which a receiver
  or a console answers. All of `Hello` is printable, its checksum included, so that it does no harm at a console's
  prompt; what answers with text is a console."""
_BOUNDS = (
    ("bytes in the tail of a message", messages.TAIL_BYTES),
    ("bytes in the list of contents", contents.MOST_BYTES),
    ("files in a transfer", contents.MOST_FILES),
    ("chunks in a transfer", messages.MOST_IN_STREAM),
)
_TYPES = {"B": "uint8", "H": "uint16", "I": "uint32", "Q": "uint64", "c": "1 byte"}
_LISTED = Contents((File("kit/a", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),), "door-7")
_HELLO = next(Deframer().feed(hello(random.Random(1))))  # noqa: S311  # one whose checksum is printable
assert isinstance(_HELLO, Hello)
EXAMPLES: tuple[Message, ...] = (
    _HELLO,
    Ready(1, _HELLO.nonce, b'{"agent":"0.1.0"}'),
    Offer(0x1234, 0, len(_LISTED.encode()), bytes(range(32))),
    Ack(0x1234, 0, 0, b""),
    Data(0x1234, 1, 0, b"abc\0def"),
    Data(0x1234, 2, 16, b"a" * 300),
    Poll(0x1234, 3),
    Ack(0x1234, 3, 9, b"\xff\x01\x80"),
    Gone(0x1234),
    Finish(0x1234),
    Working(0x1234, b"installing"),
    Said(0, '{"changed":true}\n', "").message(0x1234),
    Bye(0x1234),
)


def text() -> str:
    """The whole document."""
    assert {type(message) for message in EXAMPLES} == set(messages.FORMS), "every message has an example"
    pieces = ["# The serial link", "Generated from `firmware_profiles/serial_link` by `make docs`: do not edit."]
    pieces += [_INTRODUCTION, "## Frames", _FRAMES, "## Chunks"]
    pieces += [_CHUNKS.format(chunk=messages.CHUNK_BYTES, most=messages.MOST_CHUNKS)]
    pieces += ["The list of contents:", f"```json\n{_LISTED.encode().decode()}\n```"]
    pieces += [
        "Paths begin with `kit/`, or are `root.json`, the trust root. `device_id`, `broker` and `profile` may be"
        " there.",
        "`identity/ca.pem` alone asks for the request of a certificate, which is the outcome of that transfer; with\n"
        "`identity/device.pem` it brings what was signed. Neither comes with a kit.",
    ]
    pieces += ["## Messages", *(_message(kind) for kind in messages.FORMS)]
    pieces += ["## What makes it reliable"]
    pieces += [_RELIABILITY.format(window=bitmap.WINDOW_CHUNKS, silence=max(host.SILENCE_S, device.SILENCE_S))]
    pieces += ["## States of the host", _diagram("knocking", states.HOST)]
    pieces += ["## States of the device", _diagram("idle", states.DEVICE)]
    pieces += ["What no arrow says changes nothing.", "## Bounds", "| at most | |\n|---|---|\n" + _bounds()]
    pieces += ["## Test vectors", "Frames as they travel, in hexadecimal digits, the zero at the end included."]
    pieces += ["| message | frame |\n|---|---|\n" + "\n".join(map(_vector, EXAMPLES))]
    return "\n\n".join(pieces) + "\n"


def _message(kind: type[Message]) -> str:
    letter, fields, tail = messages.FORMS[kind]
    prose, told = described(kind)  # type: ignore[arg-type]  # a docstring is a docstring
    types = [_type(count, code) for count, code in re.findall(r"(\d*)([a-zA-Z])", fields.format)]
    types += ["bytes, the tail"] * tail
    rows = [f"| `{name}` | {type_} | {told.get(name, '')} |" for name, type_ in zip(kind._fields, types, strict=True)]
    table = "\n".join(["| field | type | means |", "|---|---|---|", *rows])
    return f"### {kind.__name__}, `{letter.decode()}`\n\n{prose}\n\n{table}"


def _type(count: str, code: str) -> str:
    return f"{count} bytes" if code == "s" else _TYPES[code]


def _diagram(first: str, table: Mapping[tuple[str, str], str]) -> str:
    together: dict[tuple[str, str], list[str]] = {}
    for (state, what), after in table.items():
        together.setdefault((state, after), []).append(what)
    arrows = "\n".join(f"    {state} --> {after}: {', '.join(what)}" for (state, after), what in together.items())
    return f"```mermaid\nstateDiagram-v2\n    [*] --> {first}\n{arrows}\n```"


def _bounds() -> str:
    return "\n".join(f"| {most:,} | {what} |" for what, most in _BOUNDS)


def _vector(message: Message) -> str:
    kind = type(message)
    values = (f"{name}={_short(value)}" for name, value in zip(kind._fields, message, strict=True))
    return f"| `{kind.__name__}({', '.join(values)})` | `{frame(message).hex()}` |"


def _short(value: object) -> str:
    if isinstance(value, int):
        return f"{value:#x}" if value > 0xFF else str(value)
    assert isinstance(value, bytes)
    return f"{len(value)} times {value[:1]!r}" if len(value) > 100 and len(set(value)) == 1 else repr(value)


def main() -> int:
    """Write or check the document."""
    return generated.deliver("serial.md", text())


if __name__ == "__main__":
    sys.exit(guarded(main))
