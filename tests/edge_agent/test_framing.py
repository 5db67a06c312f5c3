"""Streams of bytes cut into pieces: whatever they are cut into on the way, and after noise."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.flow import lines, packets
from edge_agent.flow.framing import framer
from edge_agent.format_config import Binary, Csv, Frames, Json, Pcm, StreamFormat
from firmware_profiles.errors import InputError

PACKED = Binary(["int16", "float32"], sync="aa55", checksum="crc16")
STREAMS: list[StreamFormat] = [
    Csv(3),
    Json(),
    Json(["a"]),
    PACKED,
    Binary(["uint8"], checksum="crc32", byte_order="big"),
    Binary(["float64"], sync="00"),
    Frames(2, 2),
    Pcm("f32le", 2),
]


def pieces(layout: StreamFormat, chunks: Iterable[bytes], midway: bool = False) -> list[Any]:
    cutter = framer(layout, midway)
    return [piece for chunk in chunks for piece in cutter.feed(chunk)]


def values(found: Iterable[Any]) -> list[Any]:
    """What could be read, as lists."""
    return [piece.tolist() for piece in found if not isinstance(piece, InputError)]


def rows(found: Iterable[Any]) -> list[Any]:
    """The rows of all pieces: how many are in one depends on the chunks."""
    return [row for piece in values(found) for row in piece]


def losses(found: Iterable[Any]) -> list[str]:
    return [str(piece) for piece in found if isinstance(piece, InputError)]


def cut(body: bytes, at: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(index % (len(body) + 1) for index in at), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def packet(number: int, value: float) -> bytes:
    body = struct.pack("<hf", number, value)
    return b"\xaa\x55" + body + struct.pack("<H", packets.crc16(body))


@given(st.lists(st.binary(max_size=80), max_size=6), st.sampled_from(STREAMS), st.booleans())
def test_no_bytes_raise_anything(chunks: list[bytes], layout: StreamFormat, midway: bool) -> None:
    for piece in pieces(layout, chunks, midway):
        assert isinstance(piece, np.ndarray | InputError)


@given(
    st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)), min_size=1),
    st.lists(st.integers(0, 500)),
    st.data(),
)
def test_packets_come_through_whatever_the_chunks_and_the_noise(
    sent: list[tuple[int, int]], at: list[int], data: st.DataObject
) -> None:
    noise = st.binary(max_size=30).filter(lambda body: b"\xaa" not in body)
    body = b"".join(data.draw(noise) + packet(*row) for row in sent)
    found = pieces(PACKED, cut(body, at))
    assert rows(found) == [list(row) for row in sent]


def test_a_packet_that_was_damaged_is_lost_alone_and_told() -> None:
    body = bytearray(packet(1, 1) + packet(2, 2) + packet(3, 3))
    body[13] ^= 1
    found = pieces(PACKED, [bytes(body)])
    assert [piece.tolist() if not isinstance(piece, InputError) else "lost" for piece in found] == [
        [[1, 1]],
        "lost",
        [[3, 3]],
    ]
    assert "10 bytes that are none" in losses(found)[0]


def test_noise_alone_is_told_too_and_kept_within_bounds() -> None:
    cutter = framer(PACKED, joins_midway=True)
    found = [piece for _ in range(50) for piece in cutter.feed(bytes(1000))]
    assert len(losses(found)) == len(found) == 50
    assert len(cutter._buffer) < 20  # type: ignore[attr-defined]  # there is no other door to what it keeps


def test_joining_in_the_middle_of_a_packet_is_no_loss() -> None:
    found = pieces(PACKED, [packet(1, 1)[3:] + packet(2, 2)], midway=True)
    assert values(found) == [[[2, 2]]]
    assert losses(found) == []


@pytest.mark.parametrize(
    ("checksum", "code"),
    [("sum8", b"\xdd"), ("crc16", b"\x29\xb1"), ("crc32", b"\xcb\xf4\x39\x26")],
)
def test_checksums_are_those_of_the_catalogue(checksum: Any, code: bytes) -> None:
    """The check values of b"123456789" in the catalogue of CRC algorithms (reveng)."""
    layout = Binary(["uint8"] * 9, sync="7e", checksum=checksum, byte_order="big")
    assert values(pieces(layout, [b"\x7e123456789" + code])) == [[list(b"123456789")]]
    assert zlib.crc32(b"123456789") == 0xCBF43926


def test_a_number_that_is_not_finite_is_a_loss() -> None:
    assert "a NaN" in losses(pieces(PACKED, [packet(1, float("nan"))]))[0]
    assert "a NaN" in losses(pieces(Csv(2), [b"1,nan\n"]))[0]
    assert "a NaN" in losses(pieces(Pcm("f32le"), [struct.pack("<f", float("inf"))]))[0]


@given(st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99))), st.lists(st.integers(0, 500)))
def test_lines_come_through_whatever_the_chunks(sent: list[tuple[int, int]], at: list[int]) -> None:
    for layout, text in (
        (Csv(2), "".join(f"{a},{b}\r\n" for a, b in sent)),
        (Json(["b", "a"]), "".join(f'{{"a": {b}, "b": {a}}}\n' for a, b in sent)),
        (Json(), "".join(f"[{a}, {b}]\n\n" for a, b in sent)),
    ):
        assert values(pieces(layout, cut(text.encode(), at))) == [[list(row)] for row in sent]


@pytest.mark.parametrize("line", [b"1,2", b"1,2,3,4", b"1,,3", b"one,2,3", b"\xff\xfe,2,3", b"1;2;3"])
def test_a_line_that_is_no_row_is_a_loss_and_the_next_is_read(line: bytes) -> None:
    found = pieces(Csv(3), [line + b"\n1,2,3\n"])
    assert isinstance(found[0], InputError)
    assert values(found) == [[[1, 2, 3]]]


def test_joining_in_the_middle_of_a_line_reads_no_half_number() -> None:
    assert values(pieces(Csv(1), [b"3.5\n7\n"], midway=True)) == [[[7]]]


def test_a_line_without_end_is_bounded() -> None:
    cutter = framer(Csv(1), joins_midway=False)
    found = [piece for _ in range(40) for piece in cutter.feed(b"1" * 10_000)]
    assert losses(found) == [str(lines._too_long())]
    assert values(cutter.feed(b"\n5\n")) == [[[5]]]


def test_pictures_without_compression() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    found = pieces(Frames(2, 2), cut(picture.tobytes() * 2, [5, 17]))
    assert values(found) == [picture.tolist()] * 2
    assert values(pieces(Frames(2, 2, "bgr"), [picture.tobytes()])) == [picture[:, :, ::-1].tolist()]
    assert values(pieces(Frames(2, 2, "gray"), [b"abcd"])) == [[[97, 98], [99, 100]]]


def test_sound_is_from_minus_one_to_one() -> None:
    found = pieces(Pcm("s16le", 2), cut(struct.pack("<4h", -32768, 0, 16384, 8192), [3]))
    assert values(found) == [[[-1, 0], [0.5, 0.25]]]
    assert values(pieces(Pcm("f32le"), [struct.pack("<2f", -1, 0.5)])) == [[[-1], [0.5]]]
