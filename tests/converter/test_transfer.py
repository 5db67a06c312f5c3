"""Transfer size is that of a Zstandard frame."""

from __future__ import annotations

import zlib

from converter import transfer
from tests.converter.conftest import MODELS


def test_an_int8_model_travels_smaller_than_by_zlib() -> None:
    content = (MODELS / "tiny-int8.tflite").read_bytes()
    assert transfer.size_bytes(content) < len(zlib.compress(content, zlib.Z_BEST_COMPRESSION)) < len(content)


def test_what_repeats_is_not_sent_twice() -> None:
    content = (MODELS / "tiny-float32.tflite").read_bytes()  # 20 kB, within any window
    assert transfer.size_bytes(content * 2) < 1.1 * transfer.size_bytes(content)
