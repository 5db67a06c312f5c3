"""Float 1 × 1 convolutions full of zeros, written so that XNNPACK computes them by its sparse kernels.

It looks for them (see sparse_rules) where some weights are stored as sparse, which TFLite does by a DENSIFY before
their reader. On x86 with AVX it never does (src/xnnpack/hardware-config.h, xnn_is_chw_compatible_config).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes import symmetric
from converter.passes.same_answers import distance
from converter.passes.sharing import packed
from converter.passes.sparse_rules import is_pointwise, is_pooling, odd
from converter.passes.tflite_graph import (
    Array,
    Passed,
    TooLargeError,
    code,
    constant,
    drop_unused,
    is_inner,
    like,
    makers,
    opcode,
    read,
    values,
)
from converter.passes.whole_delegate import pooling_as_mean

_OP = schema.BuiltinOperator
_LAYERS = (_OP.CONV_2D, _OP.DEPTHWISE_CONV_2D, _OP.FULLY_CONNECTED)
_FLOAT = schema.TensorType.FLOAT32
_MOST_APART = 1e-4
_MOST_WORK = 0.6
"""Of the dense model's multiply-adds: a sparse one takes longer than a dense one, and even padding costs some more."""


def sparse(content: bytes, items: Array) -> Passed:
    """The float model with its zeros written as such, or as it was where XNNPACK would not gain by it.

    Args:
        items: float32 [n, …], on which both must give the same answers but for rounding.
    """
    try:
        model = read(content)
    except TooLargeError:
        return Passed(content, ["not stored sparse: too large for one FlatBuffer"])
    graph = model.subgraphs[0]
    dense = _work(model, graph, zeros_too=True)
    said = symmetric.rewritten(model, graph)
    pooling_as_mean(model, graph, _FLOAT)
    _flatten(model, graph)
    if reason := next(odd(model, graph), ""):
        return Passed(content, [f"not stored sparse, XNNPACK would not compute it so: {reason}"])
    if (share := _work(model, graph, zeros_too=False) / dense) > _MOST_WORK:
        return Passed(content, [f"not stored sparse: with even padding {share:.0%} of the multiply-adds would be left"])
    stored = [operator for operator in list(graph.operators) if _store(model, graph, operator)]
    drop_unused(model)
    made = packed(model)
    if (apart := distance(content, made, items)) > _MOST_APART:
        return Passed(content, [f"not stored sparse: its answers would be {apart:.1g} of the largest apart"])
    told = f"{len(stored)} layers of 1 × 1 stored sparse, {len(content) - len(made):,} bytes less"
    return Passed(made, [*said, f"{told}; answers at most {apart:.1g} of the largest apart"])


def _flatten(model: Any, graph: Any) -> None:
    """A 1 × 1 convolution of the one place that an average leaves becomes a dense layer, and the average a row.

    XNNPACK would take the convolution into the stretch, and then fails to run it.
    """
    for pooling in graph.operators:
        if not is_pooling(model, graph, pooling):
            continue
        row = int(pooling.outputs[0])
        reader = next((each for each in graph.operators if row in each.inputs), None)
        if reader is None or not is_inner(graph, row) or not is_pointwise(model, graph, reader):
            continue
        kernel = values(model, graph, int(reader.inputs[1]), "<f4")
        after = int(reader.outputs[0])
        behind = [each for each in graph.operators if after in each.inputs]
        if kernel is None or not is_inner(graph, after) or code(model, behind[0]) != _OP.RESHAPE:
            continue
        pooling.builtinOptions.keepDims = False
        for tensor in (row, after):
            graph.tensors[tensor].shape = graph.tensors[tensor].shape[[0, 3]]
            graph.tensors[tensor].shapeSignature = None
        flat = constant(model, graph, kernel.reshape(len(kernel), -1))
        reader.inputs = np.array([row, flat, *reader.inputs[2:]], np.int32)
        reader.opcodeIndex = opcode(model, _OP.FULLY_CONNECTED, 1)
        activation = reader.builtinOptions.fusedActivationFunction
        reader.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        reader.builtinOptions = schema.FullyConnectedOptionsT(fusedActivationFunction=activation)


def _work(model: Any, graph: Any, *, zeros_too: bool) -> int:
    """Multiply-adds of the layers, without those of zeros in 1 × 1 where they are not counted."""
    total = 0
    for operator in graph.operators:
        kernel = values(model, graph, int(operator.inputs[1]), "<f4") if code(model, operator) in _LAYERS else None
        if kernel is not None:
            skipped = 0 if zeros_too or not is_pointwise(model, graph, operator) else int((kernel == 0).sum())
            total += math.prod(graph.tensors[operator.outputs[0]].shape[1:-1]) * (kernel.size - skipped)
    return max(1, int(total))


def _store(model: Any, graph: Any, operator: Any) -> bool:
    """Store the kernel of a 1 × 1 convolution by its places where that is shorter."""
    if not is_pointwise(model, graph, operator):
        return False
    place = int(operator.inputs[1])
    kernel = values(model, graph, place, "<f4")
    if kernel is None or place in makers(graph):
        return False
    rows, columns = np.nonzero(kernel.reshape(len(kernel), -1))
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(kernel)))])
    if (kernel.itemsize + _vector(columns)[1].itemsize) * len(rows) + ends.nbytes >= kernel.nbytes:
        return False
    dense = like(graph, place, kernel.shape)
    tensor = graph.tensors[place]
    tensor.sparsity = _places(kernel.shape, ends, columns)
    model.buffers.append(schema.BufferT(data=np.frombuffer(kernel[kernel != 0].astype("<f4").tobytes(), np.uint8)))
    tensor.buffer = len(model.buffers) - 1
    densify = schema.OperatorT(opcodeIndex=opcode(model, _OP.DENSIFY, 1))
    densify.inputs, densify.outputs = np.array([place], np.int32), np.array([dense], np.int32)
    graph.operators.insert(graph.operators.index(operator), densify)
    operator.inputs = np.array([operator.inputs[0], dense, *operator.inputs[2:]], np.int32)
    return True


def _places(shape: tuple[int, ...], ends: Array, columns: Array) -> Any:
    """Rows of output channels, and in each the places of what is not zero (TFLite's schema, SparsityParameters)."""
    dimensions = [schema.DimensionMetadataT(denseSize=int(size)) for size in shape]
    last = dimensions[-1]
    last.format, last.denseSize = schema.DimensionType.SPARSE_CSR, 0
    last.arraySegmentsType, values_of = _vector(ends)
    last.arraySegments = _table(last.arraySegmentsType, values_of)
    last.arrayIndicesType, values_of = _vector(columns)
    last.arrayIndices = _table(last.arrayIndicesType, values_of)
    order = np.arange(len(shape), dtype=np.int32)
    return schema.SparsityParametersT(traversalOrder=order, dimMetadata=dimensions)


def _vector(numbers: Array) -> tuple[int, Array]:
    """The shortest kind of vector that holds them."""
    kinds = schema.SparseIndexVector
    most = int(numbers.max(initial=0))
    for kind, dtype in ((kinds.Uint8Vector, np.uint8), (kinds.Uint16Vector, np.uint16)):
        if most <= np.iinfo(dtype).max:
            return kind, numbers.astype(dtype)
    return kinds.Int32Vector, numbers.astype(np.int32)


def _table(kind: int, numbers: Array) -> Any:
    kinds = schema.SparseIndexVector
    made = {kinds.Uint8Vector: schema.Uint8VectorT, kinds.Uint16Vector: schema.Uint16VectorT}
    return made.get(kind, schema.Int32VectorT)(values=numbers)
