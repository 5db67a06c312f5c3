"""Old ONNX files made new: weights that are no inputs, and operators that quantization knows.

Below IR version 4 every initializer is listed among the inputs, as the default of one that callers may
give; nobody may here, so they become constants, which everything that folds or quantizes weights needs.
"""

from __future__ import annotations

import contextlib

import onnx

OLDEST_OPSET = 13
"""The first whose QuantizeLinear has an axis: per-channel QDQ below it writes a file that does not load."""

_RAISED_OPSET = 17
_IR_OF_CONSTANTS = 4


def modernised(source: onnx.ModelProto, least_opset: int = OLDEST_OPSET) -> onnx.ModelProto:
    """A copy that computes the same.

    Args:
        least_opset: an older one is raised, to 17 or to this, unless an operator has no newer form.
    """
    model = onnx.ModelProto()
    model.CopyFrom(source)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, _IR_OF_CONSTANTS)
    if opset(model) < least_opset:
        with contextlib.suppress(onnx.version_converter.ConvertError, RuntimeError):
            model = onnx.version_converter.convert_version(model, max(_RAISED_OPSET, least_opset))
    needed = onnx.helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True)
    model.ir_version = max(model.ir_version, needed)
    return model


def opset(model: onnx.ModelProto) -> int:
    """Of the standard operators."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))
