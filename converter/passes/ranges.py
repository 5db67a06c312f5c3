"""Ranges of a TFLite model's activations, seen on calibration data.

ai-edge-quantizer's own calibration averages the extremes of the items it sees, and so clips: on a Conv1D
net for accelerometers (HAR) it loses 9 points where the extremes themselves lose none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from converter.passes import seen
from converter.recipes import Calibration

Array = npt.NDArray[Any]
Ranges = dict[str, dict[str, Array]]
"""Tensor's name → min and max, float32 scalars: what ai-edge-quantizer calls the result of a calibration."""


def observed(content: bytes, items: Array, calibration: Calibration) -> Ranges:
    """The range of every float activation over `items` [n, …] (float32, without the batch axis).

    Args:
        content: a float .tflite file with one input, whose tensors have names that differ.
        calibration: see `seen.ranges`.
    """
    return {
        name: {"min": np.array(low, np.float32), "max": np.array(high, np.float32)}
        for name, (low, high) in seen.ranges(Run(content), items, calibration).items()
    }


class Run:
    """See `seen.Watched`."""

    def __init__(self, content: bytes) -> None:
        # With every tensor kept, XNNPACK takes each operator alone, so nothing is fused away.
        self._interpreter: Any = Interpreter(
            model_content=content, num_threads=1, experimental_preserve_all_tensors=True
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._interpreter.set_tensor(self._input["index"], np.zeros(self._input["shape"], np.float32))
        self._interpreter.invoke()
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        self.activations = {
            index: tensor.name.decode()
            for index, tensor in enumerate(model.subgraphs[0].tensors)
            if tensor.type == schema.TensorType.FLOAT32
            and model.buffers[tensor.buffer].data is None
            and self._is_kept(index)
        }

    @property
    def names(self) -> list[str]:
        """See `seen.Watched`."""
        return list(self.activations.values())

    @property
    def values(self) -> int:
        """See `seen.Watched`."""
        entries = self._interpreter.get_tensor_details()
        return sum(int(np.prod(entry["shape"])) for entry in entries if entry["index"] in self.activations)

    def _is_kept(self, index: int) -> bool:
        """What a loop works with is not there after the run."""
        try:
            return bool(self._interpreter.get_tensor(index).size)
        except ValueError:
            return False

    def __call__(self, item: Array) -> Iterator[Array]:
        self._interpreter.set_tensor(self._input["index"], item[np.newaxis])
        self._interpreter.invoke()
        for index in self.activations:
            yield self._interpreter.get_tensor(index)
