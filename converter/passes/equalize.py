"""Channels of an activation brought to equal range, so that one int8 scale suits all of them.

Old mobile nets, batch normalisation folded in, have channels whose ranges differ a hundredfold, and static
int8 gives them one scale. Scaling channel c of a layer's output by s and the next layer's weights for it by
1/s changes nothing in float (Nagel et al., "Data-free quantization through weight equalization and bias
correction", ICCV 2019, section 4.1). The weights have a scale per output channel here, which absorbs s in
the layer itself, and in a depthwise layer that follows: there channels are made equal. Any other layer's
rows of weights share a scale over the channels, so there s balances the two (the paper's equation 11).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from converter.passes.ranges import Run
from converter.passes.sharing import packed

Array = npt.NDArray[Any]

MOST = 1000.0
"""No channel is scaled by more: a dead one has no range to bring up."""

MAX_ITEMS = 200
_REACHED = 0.999
_OP = schema.BuiltinOperator
_PER_OUTPUT = (_OP.CONV_2D, _OP.FULLY_CONNECTED)
"""Weights [out, …, in]; those of a depthwise layer are [1, height, width, channels]."""

_CLIPS_AT = {schema.ActivationFunctionType.RELU6: 6.0}
_HOMOGENEOUS = (schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU, *_CLIPS_AT)


class _Pair(NamedTuple):
    """Two layers, the second of which alone reads the output of the first."""

    first: Any
    second: Any
    between: int


def equalized(content: bytes, items: Array) -> bytes:
    """The float model with channels between neighbouring layers equalized; the same bytes where there are none.

    Args:
        content: a float .tflite file with one input.
        items: float32 [n, …] without the batch axis; no channel that stays below 6 on them is clipped by ReLU6.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    pairs = list(_pairs(model))
    if not pairs:
        return content
    _separate(model)
    ranges = _channel_ranges(content, {pair.between for pair in pairs}, items[:: max(1, len(items) // MAX_ITEMS)])
    for pair in pairs:
        _scale(model, pair, _scales(model, pair, ranges[pair.between]))
    return packed(model)


def _pairs(model: Any) -> Iterator[_Pair]:
    graph = model.subgraphs[0]
    readers: dict[int, list[Any]] = {}
    for operator in graph.operators:
        for index in set(map(int, operator.inputs)):
            readers.setdefault(index, []).append(operator)
    for operator in graph.operators:
        between = int(operator.outputs[0])
        following = readers.get(between, [])
        if len(following) != 1 or between in graph.outputs or not _scalable(model, operator):
            continue
        second = following[0]
        suits = _code(model, second) in (*_PER_OUTPUT, _OP.DEPTHWISE_CONV_2D) and second.inputs[0] == between
        if suits and _constant_weights(model, second) and _width(model, operator) == _in_width(model, second):
            yield _Pair(operator, second, between)


def _scalable(model: Any, operator: Any) -> bool:
    if _code(model, operator) not in (*_PER_OUTPUT, _OP.DEPTHWISE_CONV_2D) or not _constant_weights(model, operator):
        return False
    return operator.builtinOptions.fusedActivationFunction in _HOMOGENEOUS


def _scales(model: Any, pair: _Pair, ranges: Array) -> Array:
    clip = _CLIPS_AT.get(pair.first.builtinOptions.fusedActivationFunction)
    target = clip or float(ranges.max())
    ranges = np.maximum(ranges, target / MOST)
    if _code(model, pair.second) == _OP.DEPTHWISE_CONV_2D and pair.second.builtinOptions.depthMultiplier == 1:
        scales = target / ranges
    else:
        scales = np.sqrt(np.maximum(_input_ranges(model, pair.second), 1e-12) / ranges)
        scales *= target / (scales * ranges).max()
    if clip:
        # What reaches the clip has to go on reaching it, and nothing else may.
        scales = np.where(ranges < clip * _REACHED, scales, 1.0)
    return np.asarray(np.clip(scales, 1 / MOST, MOST))


def _input_ranges(model: Any, operator: Any) -> Array:
    """Largest magnitude of the weights for each input channel, their last axis."""
    entry = model.subgraphs[0].tensors[operator.inputs[1]]
    values = model.buffers[entry.buffer].data.view(np.float32).reshape(-1, entry.shape[-1])
    return np.asarray(np.abs(values).max(axis=0))


def _scale(model: Any, pair: _Pair, scales: Array) -> None:
    axes = len(model.subgraphs[0].tensors[pair.first.inputs[1]].shape)
    is_depthwise = _code(model, pair.first) == _OP.DEPTHWISE_CONV_2D
    _multiply(model, pair.first, 1, scales if is_depthwise else scales.reshape(-1, *([1] * (axes - 1))))
    if len(pair.first.inputs) > 2 and pair.first.inputs[2] >= 0:
        _multiply(model, pair.first, 2, scales)
    _multiply(model, pair.second, 1, 1 / scales)


def _multiply(model: Any, operator: Any, place: int, factor: Array) -> None:
    """A constant input of one operator; equal constants of several may be one, and then it gets its own."""
    graph, index = model.subgraphs[0], int(operator.inputs[place])
    entry = graph.tensors[index]
    values = model.buffers[entry.buffer].data.view(np.float32).reshape(entry.shape)
    scaled = np.ascontiguousarray(values * factor, np.float32)
    if sum(tensor.buffer == entry.buffer for tensor in graph.tensors) > 1:
        model.buffers.append(schema.BufferT())
        entry.buffer = len(model.buffers) - 1
    model.buffers[entry.buffer].data = np.frombuffer(scaled.tobytes(), np.uint8)


def _channel_ranges(content: bytes, tensors: set[int], items: Array) -> dict[int, Array]:
    """Tensor → largest magnitude of each channel, the last axis."""
    run = Run(content)
    found: dict[int, Array] = {}
    for item in items:
        for index, values in zip(run.activations, run(item), strict=True):
            if index in tensors:
                largest = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
                found[index] = np.maximum(found.get(index, largest), largest)
    return found


def _separate(model: Any) -> None:
    """Each operator reads constants of its own; the buffers behind them may still be shared."""
    graph, seen = model.subgraphs[0], set()
    for operator in graph.operators:
        inputs = np.array(operator.inputs, np.int32)
        for place, index in enumerate(map(int, operator.inputs)):
            entry = graph.tensors[index]
            if index < 0 or model.buffers[entry.buffer].data is None:
                continue
            if index in seen:
                name = entry.name + b"/%d" % len(graph.tensors)
                again = schema.TensorT(shape=entry.shape, type=entry.type, buffer=entry.buffer, name=name)
                graph.tensors.append(again)
                inputs[place] = len(graph.tensors) - 1
            seen.add(index)
        operator.inputs = inputs


def _constant_weights(model: Any, operator: Any) -> bool:
    """Weights and bias are float constants."""
    tensors = [model.subgraphs[0].tensors[index] for index in operator.inputs[1:] if index >= 0]
    return all(
        tensor.type == schema.TensorType.FLOAT32 and model.buffers[tensor.buffer].data is not None for tensor in tensors
    )


def _width(model: Any, operator: Any) -> int:
    return int(model.subgraphs[0].tensors[operator.outputs[0]].shape[-1])


def _in_width(model: Any, operator: Any) -> int:
    """Channels by the last axis of the weights: of a layer after a flattening they are more than the channels."""
    return int(model.subgraphs[0].tensors[operator.inputs[1]].shape[-1])


def _code(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))
