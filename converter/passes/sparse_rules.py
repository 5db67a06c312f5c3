"""What XNNPACK computes by its sparse kernels.

It goes over to channels-first for a whole stretch of a model or not at all (src/subgraph.c,
xnn_check_nchw_compatibility and xnn_subgraph_rewrite_for_nchw). The stretch begins with a 3 × 3 convolution of 3
channels, stride 2 and padding 1 on each side, ends with an average over height and width, and holds nothing but 1 × 1
convolutions, depthwise 3 × 3 and 5 × 5 ones with even padding, additions, products and functions of one value; more
than two thirds of all its 1 × 1 weights are zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes import symmetric
from converter.passes.tflite_graph import Array, code, values

_OP = schema.BuiltinOperator
_HANDED_ON = {
    *(_OP.ADD, _OP.MUL, _OP.RELU, _OP.RELU6, _OP.RELU_N1_TO_1, _OP.HARD_SWISH, _OP.LOGISTIC),
    *(_OP.ABS, _OP.NEG, _OP.SQUARE, _OP.ELU, _OP.LEAKY_RELU),
}
_FLOAT = schema.TensorType.FLOAT32
_LEAST = 2 / 3


def odd(model: Any, graph: Any) -> Iterator[str]:
    """Why XNNPACK would not go over to its sparse kernels."""
    kernels: list[Array] = []
    first = graph.operators[0]
    inner = [operator for operator in graph.operators if code(model, operator) != _OP.PAD]
    last = next((place for place, operator in enumerate(inner) if is_pooling(model, graph, operator)), None)
    if last is None:
        yield "no average over height and width ends it"
        return
    if not _is_left(model, graph, inner[last]):
        yield "what follows the average over height and width is no dense layer"
    for operator in inner[:last]:
        kind, name = code(model, operator), _name(graph, operator)
        if kind in _HANDED_ON:
            continue
        if kind not in (_OP.CONV_2D, _OP.DEPTHWISE_CONV_2D) or graph.tensors[operator.inputs[1]].type != _FLOAT:
            yield f"{name} is none of the operators that it has"
        elif is_pointwise(model, graph, operator):
            kernels.append(_kernel(model, graph, operator))
        elif not _has_even_padding(model, graph, operator):
            yield f"{name} has more padding on one side, or other sizes than it has"
        elif kind == _OP.CONV_2D and operator is not inner[0]:
            yield f"{name} is no 1 × 1 convolution"
    if code(model, inner[0]) != _OP.CONV_2D or is_pointwise(model, graph, inner[0]):
        yield f"it begins with {_name(graph, first)}, not with a 3 × 3 convolution of stride 2"
    weights = sum(each.size for each in kernels)
    zeros = sum(int((each == 0).sum()) for each in kernels)
    if zeros <= _LEAST * weights:
        yield f"{zeros / max(1, weights):.0%} of the weights of 1 × 1 are zero, and it takes more than 67 %"


def _has_even_padding(model: Any, graph: Any, operator: Any) -> bool:
    """As XNNPACK's kernels want a first layer (3 channels, stride 2) or a depthwise one."""
    options = operator.builtinOptions
    height, width, channels = (int(size) for size in graph.tensors[operator.inputs[1]].shape[1:])
    strides, sides = (options.strideH, options.strideW), symmetric.padding(model, graph, operator)
    if height != width or sides is None or (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        return False
    even = sides == ((height // 2, height // 2),) * 2
    if code(model, operator) == _OP.CONV_2D:
        return even and height == 3 and channels == 3 and strides == (2, 2)
    # Only with a stride of 1 XNNPACK writes "same" out as numbers.
    written = options.padding != schema.Padding.SAME or strides == (1, 1)
    return even and written and height in (3, 5) and strides in ((1, 1), (2, 2)) and options.depthMultiplier == 1


def is_pointwise(model: Any, graph: Any, operator: Any) -> bool:
    if code(model, operator) != _OP.CONV_2D:
        return False
    options, sizes = operator.builtinOptions, graph.tensors[operator.inputs[1]].shape[1:3].tolist()
    return sizes == [1, 1] and (options.strideH, options.strideW) == (1, 1)


def _is_left(model: Any, graph: Any, pooling: Any) -> bool:
    """All that read the average read it as a row."""
    answer = int(pooling.outputs[0])
    flat = len(graph.tensors[answer].shape) == 2
    readers = [code(model, each) for each in graph.operators if answer in each.inputs]
    return all(flat or each in (_OP.RESHAPE, _OP.SQUEEZE) for each in readers)


def is_pooling(model: Any, graph: Any, operator: Any) -> bool:
    if code(model, operator) != _OP.MEAN or len(graph.tensors[operator.inputs[0]].shape) != 4:
        return False
    axes = values(model, graph, int(operator.inputs[1]))
    return axes is not None and sorted(int(axis) % 4 for axis in axes.flat) == [1, 2]


def _kernel(model: Any, graph: Any, operator: Any) -> Array:
    kernel = values(model, graph, int(operator.inputs[1]), "<f4")
    return np.ones(1, np.float32) if kernel is None else kernel


def _name(graph: Any, operator: Any) -> str:
    return (graph.tensors[operator.outputs[0]].name or b"an operator").decode(errors="replace").rpartition(";")[2]
