"""What can be declared about the bytes of a source: how they are cut and read, and windows over their rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles.errors import Problem

Text = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]*\Z")]
FieldType = Literal["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
Checksum = Literal["none", "sum8", "crc16", "crc32"]
MAX_WINDOW_VALUES = 1 << 24

_Pixels = Annotated[int, Meta(ge=1, le=16_384)]
_Channels = Annotated[int, Meta(ge=1, le=4096)]


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind"):
    """A struct that one of several `kind`s names."""


class Csv(Settings, frozen=True, tag="csv"):
    """Numbers with a separator between them, a row a line.

    Attributes:
        channels: how many numbers a row has; a line with more or fewer is noise.
        separator: between the numbers.
    """

    channels: _Channels
    separator: Literal[",", ";", "\t", " "] = ","


class Json(Settings, frozen=True, tag="json"):
    """A list of numbers (nested for more axes), or an object whose `fields` are the channels in that order."""

    fields: Annotated[list[Text], Meta(max_length=4096)] = []


class Binary(Settings, frozen=True, tag="binary"):
    """Packets of one fixed form: `sync`, then `fields`, then the checksum of the fields.

    Attributes:
        sync: hexadecimal bytes that begin every packet.
        checksum: "sum8": the sum of all bytes, modulo 256; "crc16": CRC-16/IBM-3740 (polynomial 0x1021,
            begins with 0xFFFF; also called CCITT-FALSE); "crc32": that of zlib and Ethernet.
        byte_order: of fields and checksum.
    """

    fields: Annotated[list[FieldType], Meta(min_length=1, max_length=256)]
    sync: Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{2}){0,16}\Z")] = ""
    checksum: Checksum = "none"
    byte_order: Literal["little", "big"] = "little"


class Mjpeg(Settings, frozen=True, tag="mjpeg"):
    """JPEG pictures one after the other."""


class Frames(Settings, frozen=True, tag="frames"):
    """Pictures of one size without compression, 8 bits a sample, row after row.

    Attributes:
        width, height: in pixels.
        pixels: what a pixel's bytes are.
    """

    width: _Pixels
    height: _Pixels
    pixels: Literal["rgb", "bgr", "gray"] = "rgb"


class Pcm(Settings, frozen=True, tag="pcm"):
    """Sound, a row a sample, with values from -1 to 1 whatever the format; it wants a window.

    Attributes:
        samples: signed 16-bit integers or 32-bit floats, both little endian, channels interleaved.
        channels: how many a sample has.
    """

    samples: Literal["s16le", "f32le"] = "s16le"
    channels: Annotated[int, Meta(ge=1, le=64)] = 1


class Raw(Settings, frozen=True, tag="raw"):
    """The bytes of one array, little endian, in C order.

    Attributes:
        dtype: of each number.
        shape: of the array.
    """

    dtype: FieldType
    shape: Annotated[list[Annotated[int, Meta(ge=1, le=1 << 24)]], Meta(max_length=8)]


class Image(Settings, frozen=True, tag="image"):
    """One PNG, JPEG, BMP or WebP file."""


class Npy(Settings, frozen=True, tag="npy"):
    """One .npy file."""


LineFormat = Csv | Json | Binary
StreamFormat = Csv | Json | Binary | Mjpeg | Frames | Pcm
PayloadFormat = Csv | Json | Raw | Image | Npy
Format = Csv | Json | Binary | Mjpeg | Frames | Pcm | Raw | Image | Npy


class Window(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Rows of channels become inputs of `length` rows, one every `hop` rows; none spans a gap.

    A gap is a new connection, something lost or unreadable, a row of another width, or a jump in time.

    Attributes:
        hop: 0 for `length`: windows that neither overlap nor leave rows out.
        time_channel: holds a time, and is not an input of the model; -1 for none.
        max_step: the largest step of that time from row to row, in its own unit; a longer one, or one
            backwards, is a gap. 0 for no bound.
    """

    length: Annotated[int, Meta(ge=1, le=1 << 24)]
    hop: Annotated[int, Meta(ge=0, le=1 << 24)] = 0
    time_channel: Annotated[int, Meta(ge=-1, le=4095)] = -1
    max_step: Annotated[float, Meta(ge=0, le=1e12)] = 0.0


def problems(layout: Format, window: Window | None, where: str) -> Iterator[Problem]:
    """What no single key of the format and the window shows to be wrong; `where` is the source."""
    if isinstance(layout, Binary) and not layout.sync and layout.checksum in ("none", "sum8"):
        step = "declare what the device sends"
        yield Problem(f"{where}: format", "sync bytes, crc16 or crc32 to find packets by", "none of them", step)
    if isinstance(layout, Pcm) and window is None:
        yield Problem(f"{where}: window", "a window: one sample is no input", "nothing", "add window = { length = … }")
    if window is None:
        return
    if isinstance(layout, Mjpeg | Frames | Image):
        yield Problem(f"{where}: window", "no window: pictures have no rows", "one", "remove it")
    channels = channels_of(layout)
    if channels and window.length * channels > MAX_WINDOW_VALUES:
        found = f"{window.length} × {channels}"
        yield Problem(f"{where}: window", f"at most {MAX_WINDOW_VALUES} values", found, "take a shorter one")
    if channels and window.time_channel >= channels:
        found = str(window.time_channel)
        yield Problem(f"{where}: window.time_channel", f"a channel from 0 to {channels - 1}", found, "count from 0")
    if window.max_step and window.time_channel < 0:
        yield Problem(f"{where}: window.max_step", "a time_channel beside it", "none", "add it, or drop max_step")


def channels_of(layout: Format) -> int:
    """How many channels a row has; 0 where that is not declared."""
    if isinstance(layout, Csv | Pcm):
        return layout.channels
    if isinstance(layout, Json | Binary):
        return len(layout.fields)
    return 0
