"""A model that was trained as int8 becomes an int8 TFLite file with exactly the ranges that it learned.

TensorFlow's own converter reads the fake quantization in the graph and takes its ends as they are; nothing is
calibrated (docs/adr/0014-learned-ranges.md). Weights are rounded there as they were in training.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from converter.formats.keras import of_model
from converter.passes import slim_tflite, whole_delegate
from converter.training.data import Array

_SHOWN = 16


def write(model: Any, original: Any, target: str, seen: Array) -> str:
    """Write `target`.tflite and give its path.

    Args:
        model: from `qat.prepared`.
        original: whose names inputs and outputs get.
        seen: float32 [n, …], on some of which a smaller file must give the same bits.
    """
    content = whole_delegate.rewritten(tflite(model, original)).content
    try:
        content = slim_tflite.proven(content, seen[:_SHOWN])
    except slim_tflite.DeclinedError as error:
        print(f"{target} was not made smaller: {error}", file=sys.stderr)
    path = Path(f"{target}.tflite")
    path.write_bytes(content)
    return str(path)


def tflite(model: Any, original: Any) -> bytes:
    """The file as TensorFlow writes it; float32 inputs and outputs."""
    shape = [1, *(size or 1 for size in original.inputs[0].shape[1:])]
    return of_model(model, named_like=original).emulated_int8(shape)
