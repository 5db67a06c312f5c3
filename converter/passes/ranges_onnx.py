"""Ranges of an ONNX model's activations, seen on calibration data.

ONNX Runtime's own calibrators see every tensor once for each recipe, and hold the activations of many items
in memory; here each tensor's extremes and histogram are all that is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from converter.passes import seen
from converter.recipes import Calibration

Array = npt.NDArray[Any]

_ERRORS_ONLY = 3


def observed(model: onnx.ModelProto, items: Array, calibration: Calibration) -> dict[str, seen.Range]:
    """The range of every float activation of the main graph over `items` [n, …] (float32, without the batch axis).

    Args:
        model: with one input, all sizes known; what it was run on must know its operators.
        calibration: see `seen.ranges`.
    """
    return seen.ranges(Run(model), items, calibration)


class Run:
    """See `seen.Watched`."""

    def __init__(self, model: onnx.ModelProto) -> None:
        told = onnx.ModelProto()
        told.CopyFrom(model)
        own = {value.name for value in told.graph.output}
        made = dict.fromkeys(name for node in told.graph.node for name in node.output if name and name not in own)
        told.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
        options = onnxruntime.SessionOptions()
        # Nothing is fused away.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = _ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(
            told.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0]
        floats = [entry.name for entry in self._session.get_outputs() if entry.type == "tensor(float)"]
        first = self._session.run(floats, {self._input.name: np.zeros(self._input.shape, np.float32)})
        self._sizes = {name: int(values.size) for name, values in zip(floats, first, strict=True) if values.size}

    @property
    def names(self) -> list[str]:
        """See `seen.Watched`; the input comes first."""
        return [self._input.name, *self._sizes]

    @property
    def values(self) -> int:
        """See `seen.Watched`."""
        return int(math.prod(self._input.shape)) + sum(self._sizes.values())

    def __call__(self, item: Array) -> Iterator[Array]:
        yield item
        yield from self._session.run(list(self._sizes), {self._input.name: item[np.newaxis]})
