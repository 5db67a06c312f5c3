"""Rewrite the int8 operators that XNNPACK leaves behind, so that one delegate takes the whole model.

Every operator left behind runs in a slow kernel and cuts the delegate in two. Of int8 models from
TensorFlow's converter there are two: a global average pooling (XNNPACK averages int8 only as MEAN), and
the softmax before the last DEQUANTIZE (XNNPACK's is float only; in float it also keeps the probabilities
that 1/256 steps round away). Both are shorter to write the other way round. Of models from PyTorch there
are slices with steps (see `strided`), and a TRANSPOSE before a MEAN that could as well do without. Functions that
XNNPACK has in float only are computed so (see `in_float`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes.in_float import in_float
from converter.passes.sharing import packed
from converter.passes.strided import strided_as_slice
from converter.passes.tflite_graph import (
    Passed,
    TooLargeError,
    code,
    constant,
    is_inner,
    makers,
    opcode,
    read,
    values,
)

_Operator = schema.BuiltinOperator
_INT8_MEAN_VERSION = 2


def rewritten(content: bytes) -> Passed:
    """The model with those operators replaced."""
    try:
        model = read(content)
    except TooLargeError:
        return Passed(content, [])
    said = []
    for graph in model.subgraphs:
        done = {
            "SOFTMAX in float, after DEQUANTIZE": _softmax_in_float(model, graph),
            "AVERAGE_POOL_2D over all places as MEAN": pooling_as_mean(model, graph, schema.TensorType.INT8),
            "TRANSPOSE before MEAN left out": _mean_where_it_is(model, graph),
            "STRIDED_SLICE as SLICE of rows": strided_as_slice(model, graph),
        }
        said += [*(text for text, changed in done.items() if changed), *in_float(model, graph)]
    return Passed(packed(model), [f"for XNNPACK: {text}" for text in said]) if said else Passed(content, [])


def _softmax_in_float(model: Any, graph: Any) -> bool:
    """int8 SOFTMAX, DEQUANTIZE becomes DEQUANTIZE, float SOFTMAX."""
    changed = False
    for softmax, dequantize in zip(graph.operators, graph.operators[1:], strict=False):
        middle = softmax.outputs[0]
        if (
            code(model, softmax) != _Operator.SOFTMAX
            or code(model, dequantize) != _Operator.DEQUANTIZE
            or list(dequantize.inputs) != [middle]
            or graph.tensors[middle].type != schema.TensorType.INT8
            or not is_inner(graph, middle)
        ):
            continue
        tensor = graph.tensors[middle]
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
        options = (softmax.builtinOptionsType, softmax.builtinOptions)
        softmax.opcodeIndex, dequantize.opcodeIndex = dequantize.opcodeIndex, opcode(model, _Operator.SOFTMAX, 1)
        softmax.builtinOptionsType, softmax.builtinOptions = dequantize.builtinOptionsType, dequantize.builtinOptions
        dequantize.builtinOptionsType, dequantize.builtinOptions = options
        changed = True
    return changed


def pooling_as_mean(model: Any, graph: Any, kind: int) -> bool:
    """An AVERAGE_POOL_2D of that type over all of height and width becomes MEAN."""
    changed = False
    for pooling in graph.operators:
        if code(model, pooling) != _Operator.AVERAGE_POOL_2D:
            continue
        tensor, options = graph.tensors[pooling.inputs[0]], pooling.builtinOptions
        whole = [options.filterHeight, options.filterWidth] == [int(size) for size in tensor.shape[1:3]]
        single = list(graph.tensors[pooling.outputs[0]].shape[1:3]) == [1, 1]
        activated = options.fusedActivationFunction != schema.ActivationFunctionType.NONE
        if tensor.type != kind or not whole or not single or activated:
            continue
        pooling.inputs = np.array([pooling.inputs[0], constant(model, graph, [1, 2])], np.int32)
        pooling.opcodeIndex = opcode(model, _Operator.MEAN, _INT8_MEAN_VERSION if kind == schema.TensorType.INT8 else 1)
        pooling.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
        pooling.builtinOptions = schema.ReducerOptionsT(keepDims=True)
        changed = True
    return changed


def _mean_where_it_is(model: Any, graph: Any) -> bool:
    """TRANSPOSE, MEAN becomes MEAN over the axes as they were before; converters from channels-first leave it."""
    by_output, dropped = makers(graph), []
    for mean in graph.operators:
        if code(model, mean) != _Operator.MEAN:
            continue
        moved = int(mean.inputs[0])
        transpose = by_output.get(moved)
        if transpose is None or code(model, transpose) != _Operator.TRANSPOSE or not is_inner(graph, moved):
            continue
        order, axes = values(model, graph, int(transpose.inputs[1])), values(model, graph, int(mean.inputs[1]))
        if order is None or axes is None:
            continue
        gone = {int(axis) % len(order) for axis in axes.flat}
        kept = [int(axis) for place, axis in enumerate(order) if place not in gone]
        if mean.builtinOptions.keepDims or kept != sorted(kept):
            continue
        axes_before = sorted(int(order[place]) for place in gone)
        mean.inputs = np.array([transpose.inputs[0], constant(model, graph, axes_before)], np.int32)
        dropped.append(transpose)
    graph.operators = [operator for operator in graph.operators if operator not in dropped]
    return bool(dropped)
