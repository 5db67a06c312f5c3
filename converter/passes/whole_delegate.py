"""Rewrite the int8 operators that XNNPACK leaves behind, so that one delegate takes the whole model.

Every operator left behind runs in a slow kernel and cuts the delegate in two. Of int8 models from
TensorFlow's converter there are two: a global average pooling (XNNPACK averages int8 only as MEAN), and
the softmax before the last DEQUANTIZE (XNNPACK's is float only; in float it also keeps the probabilities
that 1/256 steps round away). Both are shorter to write the other way round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes.sharing import packed

_Operator = schema.BuiltinOperator
_INT8_MEAN_VERSION = 2


def rewritten(content: bytes) -> bytes:
    """The model with those operators replaced; the same bytes where there are none."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    changed = False
    for graph in model.subgraphs:
        changed |= _softmax_in_float(model, graph)
        changed |= _pooling_as_mean(model, graph)
    if not changed:
        return content
    return packed(model)


def _softmax_in_float(model: Any, graph: Any) -> bool:
    """int8 SOFTMAX, DEQUANTIZE becomes DEQUANTIZE, float SOFTMAX."""
    changed = False
    for softmax, dequantize in zip(graph.operators, graph.operators[1:], strict=False):
        middle = softmax.outputs[0]
        if (
            _code(model, softmax) != _Operator.SOFTMAX
            or _code(model, dequantize) != _Operator.DEQUANTIZE
            or list(dequantize.inputs) != [middle]
            or graph.tensors[middle].type != schema.TensorType.INT8
            or _readers(graph, middle) != 1
            or middle in graph.outputs
        ):
            continue
        tensor = graph.tensors[middle]
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
        options = (softmax.builtinOptionsType, softmax.builtinOptions)
        softmax.opcodeIndex, dequantize.opcodeIndex = dequantize.opcodeIndex, _opcode(model, _Operator.SOFTMAX, 1)
        softmax.builtinOptionsType, softmax.builtinOptions = dequantize.builtinOptionsType, dequantize.builtinOptions
        dequantize.builtinOptionsType, dequantize.builtinOptions = options
        changed = True
    return changed


def _pooling_as_mean(model: Any, graph: Any) -> bool:
    """An int8 AVERAGE_POOL_2D over all of height and width becomes MEAN."""
    changed = False
    for pooling in graph.operators:
        if _code(model, pooling) != _Operator.AVERAGE_POOL_2D:
            continue
        tensor, options = graph.tensors[pooling.inputs[0]], pooling.builtinOptions
        whole = [options.filterHeight, options.filterWidth] == [int(size) for size in tensor.shape[1:3]]
        single = list(graph.tensors[pooling.outputs[0]].shape[1:3]) == [1, 1]
        activated = options.fusedActivationFunction != schema.ActivationFunctionType.NONE
        if tensor.type != schema.TensorType.INT8 or not whole or not single or activated:
            continue
        pooling.inputs = np.array([pooling.inputs[0], _height_and_width(model, graph)], np.int32)
        pooling.opcodeIndex = _opcode(model, _Operator.MEAN, _INT8_MEAN_VERSION)
        pooling.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
        pooling.builtinOptions = schema.ReducerOptionsT(keepDims=True)
        changed = True
    return changed


def _height_and_width(model: Any, graph: Any) -> int:
    """A new constant with the axes 1 and 2."""
    axes = np.array([1, 2], "<i4")
    model.buffers.append(schema.BufferT(data=np.frombuffer(axes.tobytes(), np.uint8)))
    shape = np.array(axes.shape, np.int32)
    place = len(model.buffers) - 1
    graph.tensors.append(schema.TensorT(shape=shape, type=schema.TensorType.INT32, buffer=place, name=b"axes"))
    return len(graph.tensors) - 1


def _opcode(model: Any, operator: int, version: int) -> int:
    """Place of an operator's code, added if it is new."""
    for place, code in enumerate(model.operatorCodes):
        if (code.builtinCode, code.version) == (operator, version):
            return place
    # Old readers know only the deprecated field, which holds codes below 127.
    code = schema.OperatorCodeT(builtinCode=operator, deprecatedBuiltinCode=operator, version=version)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _code(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _readers(graph: Any, tensor: int) -> int:
    return sum(tensor in operator.inputs for operator in graph.operators)
