"""onnxruntime.quantization with its own defaults: `python -m bench.peers.ort FOLDER`.

FOLDER holds float.onnx and calibration.npz (t0), and takes what is written.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quant_pre_process,
    quantize_dynamic,
    quantize_static,
)

from bench.peers.attempts import attempt


class _Items(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """The calibration items, one by one."""

    def __init__(self, name: str, items: Any) -> None:
        self._samples: Iterator[dict[str, Any]] = iter([{name: item[np.newaxis]} for item in items])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._samples, None)


def main() -> None:
    """Make all three, unless something made them before."""
    folder = Path(sys.argv[1])
    source, items = folder / "float.onnx", np.load(folder / "calibration.npz")["t0"]
    name = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"]).get_inputs()[0].name
    with tempfile.TemporaryDirectory() as work:
        prepared, target = Path(work) / "prepared.onnx", Path(work) / "quantized.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)  # that needs sympy

        def static(activations: QuantType) -> bytes:
            quantize_static(prepared, target, _Items(name, items), activation_type=activations)
            return target.read_bytes()

        def dynamic() -> bytes:
            quantize_dynamic(prepared, target)
            return target.read_bytes()

        attempt(
            folder,
            {
                "onnxruntime int8.onnx": lambda: static(QuantType.QInt8),
                "onnxruntime uint8.onnx": lambda: static(QuantType.QUInt8),
                "onnxruntime dynamic.onnx": dynamic,
            },
        )


if __name__ == "__main__":
    main()
