"""Bytes that somebody sent: an array, or an error that says why not."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from edge_agent.flow import payload
from edge_agent.flow.payload import PayloadKind, decode
from firmware_profiles.errors import InputError
from firmware_profiles.manifest import InputSpec

KINDS: list[PayloadKind] = ["json", "csv", "raw", "image", "npy"]
FLOATS = st.floats(-1e6, 1e6)


def png(image: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


SEEDS = [png(np.zeros((4, 4, 3), np.uint8)), npy(np.zeros((2, 3))), b"[[1, 2], [3, 4]]", b'{"a": 1}', b"a,b\n1,2\n"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Random bytes, or something right with a few bytes changed."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200))
    body = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))])


@pytest.mark.filterwarnings("ignore::UserWarning")  # numpy's, for headers that Python 2 wrote
@given(damaged(), st.sampled_from(KINDS), st.sampled_from([(), ("a",)]))
def test_no_bytes_raise_anything_but_input_error(body: bytes, kind: PayloadKind, fields: tuple[str, ...]) -> None:
    with contextlib.suppress(InputError):
        decode(body, kind, shape=(2, 2), fields=fields)


@given(arrays.arrays(np.float64, arrays.array_shapes(max_dims=4, max_side=4), elements=FLOATS))
def test_json_csv_and_npy_keep_numbers(values: Any) -> None:
    np.testing.assert_array_equal(decode(json.dumps(values.tolist()).encode(), "json"), values)
    np.testing.assert_array_equal(decode(npy(values), "npy"), values)
    rows = values.reshape(len(values), -1)
    text = "\r\n".join(";".join(map(repr, row)) for row in rows.tolist()).encode()
    np.testing.assert_array_equal(decode(text, "csv", separator=";"), rows[0] if len(rows) == 1 else rows)


def test_json_objects_give_their_fields_in_the_declared_order() -> None:
    one = b'{"y": 2, "x": 1.5, "unit": "g"}'
    assert decode(one, "json", fields=("x", "y")).tolist() == [1.5, 2]
    assert decode(b"[" + one + b"," + one + b"]", "json", fields=("y",)).tolist() == [[2], [2]]


def test_csv_leaves_out_names_and_labels() -> None:
    labelled = b"\xef\xbb\xbfx,Y,z\n1,7,2\n"
    assert decode(labelled, "csv").tolist() == decode(labelled, "csv", columns=2).tolist() == [1, 2]
    assert decode(labelled, "csv", columns=3).tolist() == [1, 7, 2]  # all of them are declared


def test_raw_is_little_endian_and_of_just_its_shape() -> None:
    body = struct.pack("<6h", *range(6))
    np.testing.assert_array_equal(decode(body, "raw", dtype="int16", shape=(2, 3)), np.arange(6).reshape(2, 3))
    with pytest.raises(InputError, match=r"expected 12 bytes .* found 11"):
        decode(body[:-1], "raw", dtype="int16", shape=(2, 3))


def test_images_are_rgb_or_gray() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (3, 4, 3), np.uint8)
    np.testing.assert_array_equal(decode(png(rgb), "image"), rgb)
    np.testing.assert_array_equal(decode(png(rgb[:, :, 0]), "image"), rgb[:, :, 0])


def bomb() -> bytes:
    """A small PNG that says it is 40000 × 40000."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def hostile_npy(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 16


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"[" * 100_000, "json", "nested too deep"),
        (b"[[[[[[[[[1]]]]]]]]]", "json", "at most 8 axes"),
        (b"[1, 2" + b" " * payload.MAX_TEXT_BYTES, "json", "at most 4 MiB"),
        (b"[1e400]", "json", "out of range"),
        (b"[1, null]", "json", "finite numbers"),
        (b'["1", "2"]', "json", "a list of numbers"),
        (b"[[1], [2, 3]]", "json", "lists of equal length"),
        (b"{}", "json", "a list of numbers"),
        (b"1,2\n3,inf\n", "csv", "in row 2"),
        (b"1,2\n3\n", "csv", "expected 2 columns, found 1 in row 2"),
        (b"1,2\n3,1_0\n", "csv", "in row 2"),
        (b"", "csv", "found none"),
        (bomb(), "image", "Image size|at most 64 million pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image", "no PNG, JPEG, BMP or WebP"),
        (hostile_npy("(100000000000,)"), "npy", "bytes after the header"),
        (hostile_npy("(-2, -1)"), "npy", "bytes after the header"),
        (npy(np.array([{}], dtype=object)), "npy", "expected numbers"),
        (npy(np.array(["text"])), "npy", "expected numbers"),
    ],
)
def test_what_is_hostile_is_refused_with_a_reason(body: bytes, kind: PayloadKind, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        decode(body, kind)
    assert len(str(caught.value)) < 600


def test_a_line_of_json_is_what_a_model_of_tensors_takes() -> None:
    from edge_agent.flow.preprocess import Preprocessor
    from firmware_profiles.manifest import Tensor

    preprocess = Preprocessor(InputSpec(kind="tensor"), Tensor("x", [1, 3], "float32"))
    assert preprocess(decode(b"[1, 2, 3]", "json")).tolist() == [[1, 2, 3]]
