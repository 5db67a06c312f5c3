"""Static int8 for ONNX in the QDQ form.

The one choice, measured on ResNet8, DS-CNN and Alibaba's CIFAR-10 net (points lost): per-channel
int8 weights, uint8 activations, min-max ranges over 500 items: 0.4, -0.6, 0.2. Percentile 99.999
lost 0.3, -0.8, 0.6 and entropy gave min-max's ranges; both keep every activation in memory. uint8
rather than int8 activations: ONNX Runtime's x86 and ARM kernels are about twice as fast with them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process


def quantize(source: Path, calibration: Path, target: Path) -> None:
    """Quantize the float model in `source`, calibrated with `t0` of the .npz, into `target`."""
    with tempfile.TemporaryDirectory(prefix="godwit-qdq-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        # Folds batch normalisation into convolutions. Symbolic shapes are for models with open sizes: ours are fixed.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Items(prepared, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )


class _Items(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """The calibration items, one at a time."""

    def __init__(self, model: Path, calibration: Path) -> None:
        import onnx

        graph = onnx.load(model, load_external_data=False).graph
        weights = {tensor.name for tensor in graph.initializer}
        name = next(value.name for value in graph.input if value.name not in weights)
        self._items = ({name: item[np.newaxis]} for item in np.load(calibration)["t0"])

    def get_next(self) -> dict[str, Any] | None:
        """The next item; None after the last."""
        return next(self._items, None)
