"""Strided convolutions with as much padding on one side as on the other, which XNNPACK's sparse mode asks for.

TensorFlow pads an even image only at its far end before a stride of 2. The same numbers come from

- depthwise: the 3 × 3 kernel in the far corner of a 5 × 5 one of zeros, with 2 on each side;
- the first layer, of 3 colours: a convolution that only copies what each place sees into 27 channels, a depthwise one
  that moves them to their place, and the kernel as a 1 × 1 convolution over all 27.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes.tflite_graph import Array, code, constant, is_inner, like, makers, opcode, values

_OP = schema.BuiltinOperator
_SAME = schema.Padding.SAME
_COLOURS, _TAPS = 3, 3
_FAR = ((0, 1), (0, 1))
_EVEN = ((1, 1), (1, 1))

Sides = tuple[tuple[int, int], tuple[int, int]]
"""Padding before and after, of height and width."""


def padding(model: Any, graph: Any, operator: Any) -> Sides | None:
    """Of a convolution, with a PAD before it; None where that pads anything else than height and width."""
    before = _pad(model, graph, operator)
    if before is not None:
        told = values(model, graph, int(before.inputs[1]))
        if told is None or told[[0, 3]].any():
            return None
        return (int(told[1, 0]), int(told[1, 1])), (int(told[2, 0]), int(told[2, 1]))
    options = operator.builtinOptions
    if options.padding != _SAME:
        return (0, 0), (0, 0)
    sizes, kernel = graph.tensors[operator.inputs[0]].shape[1:3], graph.tensors[operator.inputs[1]].shape[1:3]
    height, width = (
        _same(int(size), int(taps), stride)
        for size, taps, stride in zip(sizes, kernel, (options.strideH, options.strideW), strict=True)
    )
    return height, width


def rewritten(model: Any, graph: Any) -> list[str]:
    """Change the graph; what was done, for people."""
    said = []
    for operator in list(graph.operators):
        if code(model, operator) not in (_OP.CONV_2D, _OP.DEPTHWISE_CONV_2D) or not _is_strided(graph, operator):
            continue
        kernel = values(model, graph, int(operator.inputs[1]), "<f4")
        if kernel is None:
            continue
        sides, is_depthwise = padding(model, graph, operator), code(model, operator) == _OP.DEPTHWISE_CONV_2D
        if sides == _EVEN and operator.builtinOptions.padding == _SAME:
            padded(model, graph, operator, _source(model, graph, operator), 1)
        elif sides == _FAR and is_depthwise and _halves(graph, operator):
            _widened(model, graph, operator, kernel)
            said.append("a depthwise layer of stride 2: 5 × 5 with padding on all sides, for the same answers")
        elif sides == _FAR and not is_depthwise and _halves(graph, operator) and _colours(graph, operator):
            _copied(model, graph, operator, kernel)
            said.append("the first layer: colours of 9 places as 27 channels, then 1 × 1, for the same answers")
    return said


def _same(size: int, taps: int, stride: int) -> tuple[int, int]:
    whole = max((-(-size // stride) - 1) * stride + taps - size, 0)
    return whole // 2, whole - whole // 2


def _pad(model: Any, graph: Any, operator: Any) -> Any:
    read = int(operator.inputs[0])
    before = makers(graph).get(read)
    if before is None or code(model, before) != _OP.PAD or operator.builtinOptions.padding == _SAME:
        return None
    return before if is_inner(graph, read) else None


def _source(model: Any, graph: Any, operator: Any) -> int:
    """What it reads, before any padding."""
    before = _pad(model, graph, operator)
    return int((before or operator).inputs[0])


def _is_strided(graph: Any, operator: Any) -> bool:
    """3 × 3 with a stride of 2."""
    options = operator.builtinOptions
    taps = graph.tensors[operator.inputs[1]].shape[1:3].tolist()
    return taps == [_TAPS, _TAPS] and (options.strideH, options.strideW) == (2, 2) and not _is_dilated(options)


def _is_dilated(options: Any) -> bool:
    return (options.dilationHFactor, options.dilationWFactor) != (1, 1)


def _halves(graph: Any, operator: Any) -> bool:
    sizes = [graph.tensors[index].shape[1:3] for index in (operator.inputs[0], operator.outputs[0])]
    return bool(((sizes[0] + (operator.builtinOptions.padding == _SAME)) // 2 == sizes[1]).all())


def _colours(graph: Any, operator: Any) -> bool:
    return int(graph.tensors[operator.inputs[1]].shape[-1]) == _COLOURS


def padded(model: Any, graph: Any, operator: Any, source: int, by: int) -> None:
    """The operator reads `source` with as many zeros on each side, by a PAD of its own."""
    sizes = [int(size) for size in graph.tensors[source].shape]
    target = like(graph, source, [sizes[0], sizes[1] + 2 * by, sizes[2] + 2 * by, sizes[3]])
    amounts = constant(model, graph, np.array([[0, 0], [by, by], [by, by], [0, 0]], np.int32))
    pad = schema.OperatorT(opcodeIndex=opcode(model, _OP.PAD, 1))
    pad.inputs, pad.outputs = np.array([source, amounts], np.int32), np.array([target], np.int32)
    pad.builtinOptionsType, pad.builtinOptions = schema.BuiltinOptions.PadOptions, schema.PadOptionsT()
    before = _pad(model, graph, operator)
    graph.operators.insert(graph.operators.index(operator), pad)
    if before is not None:
        graph.operators.remove(before)
    operator.inputs = np.array([target, *operator.inputs[1:]], np.int32)
    operator.builtinOptions.padding = schema.Padding.VALID


def _widened(model: Any, graph: Any, operator: Any, kernel: Array) -> None:
    wide = np.zeros((1, 5, 5, kernel.shape[-1]), np.float32)
    wide[:, 2:, 2:] = kernel
    operator.inputs = np.array([operator.inputs[0], constant(model, graph, wide), *operator.inputs[2:]], np.int32)
    padded(model, graph, operator, _source(model, graph, operator), 2)


def _copied(model: Any, graph: Any, operator: Any, kernel: Array) -> None:
    """Place 2i + t is seen by window i at 1 + t for t = 0, 1, and by window i + 1 at 1 for t = 2."""
    count = _TAPS * _TAPS * _COLOURS
    copies, moves = np.zeros((count, _TAPS, _TAPS, _COLOURS), np.float32), np.zeros((1, 3, 3, count), np.float32)
    for channel, (row, column, colour) in enumerate(np.ndindex(_TAPS, _TAPS, _COLOURS)):
        seen = [1 if tap == 2 else 1 + tap for tap in (row, column)]
        copies[channel, seen[0], seen[1], colour] = 1
        moves[0, 1 + (row == 2), 1 + (column == 2), channel] = 1
    place = graph.operators.index(operator)
    shape = [*(int(size) for size in graph.tensors[operator.outputs[0]].shape[:3]), count]
    nothing = constant(model, graph, np.zeros(count, np.float32))
    copied, moved = (like(graph, int(operator.outputs[0]), shape) for _ in range(2))
    copy = _layer(model, _OP.CONV_2D, [int(operator.inputs[0]), constant(model, graph, copies), nothing], copied)
    copy.builtinOptions.strideH = copy.builtinOptions.strideW = 2
    move = _layer(model, _OP.DEPTHWISE_CONV_2D, [copied, constant(model, graph, moves), nothing], moved)
    last = _layer(model, _OP.CONV_2D, [moved, constant(model, graph, kernel.reshape(len(kernel), 1, 1, count))], 0)
    last.inputs, last.outputs = np.array([*last.inputs, *operator.inputs[2:]], np.int32), operator.outputs
    last.builtinOptions.fusedActivationFunction = operator.builtinOptions.fusedActivationFunction
    copy.builtinOptions.padding = operator.builtinOptions.padding
    graph.operators[place : place + 1] = [copy, move, last]
    padded(model, graph, copy, _source(model, graph, copy), 1)


def _layer(model: Any, kind: int, inputs: list[int], output: int) -> Any:
    """A convolution of stride 1 with "same" padding, without activation."""
    is_depthwise = kind == _OP.DEPTHWISE_CONV_2D
    options = schema.DepthwiseConv2DOptionsT(depthMultiplier=1) if is_depthwise else schema.Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    options.padding = _SAME
    types = schema.BuiltinOptions
    return schema.OperatorT(
        opcodeIndex=opcode(model, kind, 1),
        inputs=np.array(inputs, np.int32),
        outputs=np.array([output], np.int32),
        builtinOptionsType=types.DepthwiseConv2DOptions if is_depthwise else types.Conv2DOptions,
        builtinOptions=options,
    )
