"""JPEG pictures one after the other: found whole, whatever is inside and between them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edge_agent.flow import mjpeg
from edge_agent.flow.mjpeg import Pictures
from firmware_profiles.errors import InputError


def jpeg(shade: int, **options: Any) -> bytes:
    """A picture of one shade, which JPEG keeps to within a step."""
    stream = io.BytesIO()
    Image.fromarray(np.full((16, 24, 3), shade, np.uint8)).save(stream, "JPEG", **options)
    return stream.getvalue()


def noisy() -> bytes:
    """A picture with a marker-like byte or many in its data."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


WITH_THUMBNAIL = jpeg(10, exif=b"Exif\0\0" + jpeg(99))
PICTURES = [jpeg(0), jpeg(200), jpeg(90, progressive=True), WITH_THUMBNAIL, noisy()]


def shades(pieces: list[Any]) -> list[int]:
    return [round(float(piece.mean())) for piece in pieces if not isinstance(piece, InputError)]


def pieces(*chunks: bytes) -> list[Any]:
    cutter = Pictures()
    return [piece for chunk in chunks for piece in cutter.feed(chunk)]


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 16])
def test_pictures_come_through_whatever_the_chunks(size: int) -> None:
    body = b"".join(PICTURES)
    found = pieces(*(body[at : at + size] for at in range(0, len(body), size)))
    assert all(not isinstance(piece, InputError) for piece in found)
    expected = [round(float(np.asarray(Image.open(io.BytesIO(picture))).mean())) for picture in PICTURES]
    assert shades(found) == expected


def test_restart_markers_are_no_end() -> None:
    picture = jpeg(50, restart_marker_blocks=1)
    assert b"\xff\xd0" in picture
    assert shades(pieces(picture)) == [50]


def test_a_picture_that_was_cut_off_is_lost_alone() -> None:
    found = pieces(jpeg(10) + noisy()[:2000] + jpeg(30))
    assert shades(found) == [10, 30]
    assert any(isinstance(piece, InputError) for piece in found)


def test_what_lies_between_pictures_is_told() -> None:
    found = pieces(b"--boundary\r\n" + jpeg(10) + b"\r\n--boundary\r\n" + jpeg(20))
    assert shades(found) == [10, 20]
    assert next(str(piece) for piece in found if isinstance(piece, InputError)).count("12 bytes that are none") == 1


def test_a_picture_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mjpeg, "MAX_PICTURE_BYTES", 50_000)
    start = noisy()[: noisy().index(b"\xff\xda") + 14]
    cutter = Pictures()
    found = [piece for chunk in [start, *[bytes(10_000)] * 19] for piece in cutter.feed(chunk)]
    assert "without an end" in str(found[0])
    assert len(cutter._buffer) < 60_000
    assert shades(list(cutter.feed(jpeg(70)))) == [70]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([*PICTURES[:3], b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xda\0\x02"]) | st.binary(max_size=40))
)
def test_no_bytes_raise_anything(chunks: list[bytes]) -> None:
    for piece in pieces(*chunks):
        assert isinstance(piece, np.ndarray | InputError)
