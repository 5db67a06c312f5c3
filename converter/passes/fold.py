"""Two layers with nothing between them but numbers folded into one, where that leaves less to multiply.

W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2). Mobile nets end their blocks in a layer without activation, and
where another layer alone reads it, and is wide, the two cost more than their product does. Quantized, the one
also rounds once instead of twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes.sharing import packed
from converter.passes.tflite_graph import (
    Array,
    Passed,
    TooLargeError,
    code,
    constant,
    drop_unused,
    is_inner,
    makers,
    read,
    values,
)

_OP = schema.BuiltinOperator
_ACTIVATION = schema.ActivationFunctionType


class _Layer(NamedTuple):
    """A layer that multiplies by constants.

    Attributes:
        weights: float32 [out, height, width, in]; height and width are 1 of a fully connected one.
        bias: float32 [out].
    """

    operator: Any
    weights: Array
    bias: Array

    @property
    def is_pointwise(self) -> bool:
        """Each place of its output follows from the same place of its input alone."""
        if self.weights.shape[1:3] != (1, 1):
            return False
        options = self.operator.builtinOptions
        return not self.is_convolution or (options.strideH, options.strideW) == (1, 1)

    @property
    def is_convolution(self) -> bool:
        """Otherwise it is fully connected."""
        return isinstance(self.operator.builtinOptions, schema.Conv2DOptionsT)


def folded(content: bytes) -> Passed:
    """The float model with such pairs folded."""
    try:
        model = read(content)
    except TooLargeError:
        return Passed(content, [])
    graph, said = model.subgraphs[0], list[str]()
    for operator in list(graph.operators):
        second = _layer(model, graph, operator)
        first = _layer(model, graph, makers(graph).get(int(operator.inputs[0]))) if second else None
        if first and second and _pays(graph, first, second):
            _fold(model, graph, first, second)
            said.append(_told(first, second))
    if not said:
        return Passed(content, said)
    drop_unused(model)
    return Passed(packed(model), said)


def _told(first: _Layer, second: _Layer) -> str:
    sizes = first.weights.size + second.weights.size, len(second.weights) * first.weights[0].size
    return f"two layers folded into one: {sizes[0]:,} weights were, {sizes[1]:,} are"


def _layer(model: Any, graph: Any, operator: Any) -> _Layer | None:
    if operator is None or code(model, operator) not in (_OP.CONV_2D, _OP.FULLY_CONNECTED):
        return None
    if any(graph.tensors[index].type != schema.TensorType.FLOAT32 for index in operator.inputs if index >= 0):
        return None
    weights = values(model, graph, int(operator.inputs[1]), "<f4")
    if weights is None:
        return None
    if code(model, operator) == _OP.FULLY_CONNECTED:
        if operator.builtinOptions.weightsFormat != schema.FullyConnectedOptionsWeightsFormat.DEFAULT:
            return None
        weights = weights[:, np.newaxis, np.newaxis, :]
    elif weights.shape[-1] != graph.tensors[operator.inputs[0]].shape[-1]:
        return None  # in groups
    bias: Array | None = np.zeros(len(weights), np.float32)
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        bias = values(model, graph, int(operator.inputs[2]), "<f4")
    return None if bias is None else _Layer(operator, weights, bias)


def _pays(graph: Any, first: _Layer, second: _Layer) -> bool:
    """They can be folded, and multiply less then."""
    between = int(first.operator.outputs[0])
    if first.operator.builtinOptions.fusedActivationFunction != _ACTIVATION.NONE or not is_inner(graph, between):
        return False
    # A fully connected layer may flatten what it reads, and then channels are not what it has one weight for.
    fits = graph.tensors[between].shape[-1] == second.weights.shape[-1] == len(first.weights)
    if not fits or not second.is_pointwise:
        return False
    # Of unlike layers only a pointwise convolution is a fully connected one at each place.
    if first.is_convolution != second.is_convolution and not (first.is_convolution and first.is_pointwise):
        return False
    product = len(second.weights) * first.weights[0].size
    return bool(product < first.weights.size + second.weights.size)


def _fold(model: Any, graph: Any, first: _Layer, second: _Layer) -> None:
    """The second takes both over where the first is pointwise; else the first, with the second's activation."""
    weights = np.einsum("om,mhwi->ohwi", second.weights[:, 0, 0], first.weights, dtype=np.float64)
    bias = second.weights[:, 0, 0].astype(np.float64) @ first.bias + second.bias
    kept, gone = (second.operator, first.operator) if first.is_pointwise else (first.operator, second.operator)
    source, target = first.operator.inputs[0], second.operator.outputs
    kept.builtinOptions.fusedActivationFunction = second.operator.builtinOptions.fusedActivationFunction
    if isinstance(kept.builtinOptions, schema.FullyConnectedOptionsT):
        weights = weights[:, 0, 0]
    kept.inputs = np.array([source, constant(model, graph, weights), constant(model, graph, bias)], np.int32)
    kept.outputs = target
    graph.operators.remove(gone)
