"""Static int8 for ONNX in the QDQ form.

The one choice: per-channel int8 weights, uint8 activations, ranges that hold 99.99 % of the values
over 500 items. Points lost on ResNet8, DS-CNN and Alibaba's CIFAR-10 net, by calibration (100 to 2000
items): percentile 99.99: -0.5 to 0.0, -0.4 to 0.1, 0.5 to 0.8; min-max: 0.2 to 1.0, -0.8, 0.4 to
1.2; its moving average: 1.2 to 1.5, 0.3 to 1.1, -0.4 to 0.5. uint8 rather than int8 activations: ONNX
Runtime's kernels are about twice as fast with them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

MAX_ITEMS = 500
PERCENTILE = 99.99
_ITEMS_AT_ONCE = 20
"""The histograms are made of so many items at a time: their activations are all in memory."""


def quantize(source: Path, calibration: Path, target: Path) -> None:
    """Quantize the float model in `source`, calibrated with `t0` of the .npz, into `target`."""
    items = np.load(calibration)["t0"]
    items = items[np.linspace(0, len(items) - 1, min(len(items), MAX_ITEMS)).round().astype(int)]
    stride = min(len(items), _ITEMS_AT_ONCE)
    with tempfile.TemporaryDirectory(prefix="godwit-qdq-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        # Folds batch normalisation into convolutions. Symbolic shapes are for models with open sizes: ours are fixed.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Items(_input_name(prepared), items[: len(items) - len(items) % stride]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": PERCENTILE, "CalibStridedMinMax": stride},
        )


class _Items(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """The calibration items, one at a time, of the range that was set last."""

    def __init__(self, name: str, items: npt.NDArray[Any]) -> None:
        self._name = name
        self._all = items
        self._left = iter(items)

    def __len__(self) -> int:
        return len(self._all)

    def set_range(self, start_index: int, end_index: int) -> None:
        """From now on, give these."""
        self._left = iter(self._all[start_index:end_index])

    def get_next(self) -> dict[str, Any] | None:
        """The next item; None after the last."""
        item = next(self._left, None)
        return None if item is None else {self._name: item[np.newaxis]}


def _input_name(model: Path) -> str:
    graph = onnx.load(model, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return next(str(value.name) for value in graph.input if value.name not in weights)
