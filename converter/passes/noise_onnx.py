"""How far a quantized ONNX model is from the float one it was made of, in decibels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from converter.passes.noise import exactly, signal_to_noise_db
from converter.passes.ranges_onnx import Run
from converter.passes.session_onnx import session
from converter.protocol import Layer

Array = npt.NDArray[Any]

_DEQUANTIZED = "_DequantizeLinear_Output"
"""How onnxruntime's quantizer ends the name of a tensor that was quantized and is a number again."""


def of_layers(before: onnx.ModelProto, after: onnx.ModelProto, items: Array) -> list[Layer]:
    """Signal-to-noise of every operator's output in float and quantized, in the order they run.

    Args:
        before, after: models whose tensors have the same names.
        items: float32 [n, …] without the batch axis.
    """
    one, other = Run(before), Run(after)
    operators = {name: node.op_type for node in before.graph.node for name in node.output if node.op_type != "Constant"}
    places = {name: place for place, name in enumerate(other.names)}
    found = {name: places.get(name + _DEQUANTIZED, places.get(name)) for name in one.names if name in operators}
    signal, noise = dict.fromkeys(found, 0.0), dict.fromkeys(found, 0.0)
    for item in items:
        expected, answers = dict(zip(one.names, one(item), strict=True)), list(other(item))
        for name, place in found.items():
            if place is not None:
                signal[name] += float((expected[name].astype(np.float64) ** 2).sum())
                noise[name] += float(((answers[place].astype(np.float64) - expected[name]) ** 2).sum())
    return [
        Layer(name, operators[name], signal_to_noise_db(signal[name], noise[name]), exactly(name))
        for name, place in found.items()
        if place is not None
    ]


def answers(model: onnx.ModelProto, items: Array) -> Array:
    """All outputs of the model for the items, float32 [n, values]."""
    opened = session(model.SerializeToString())
    name = opened.get_inputs()[0].name
    rows = [np.concatenate([each.ravel() for each in opened.run(None, {name: item[np.newaxis]})]) for item in items]
    stacked: Array = np.stack(rows).astype(np.float32)
    return stacked
