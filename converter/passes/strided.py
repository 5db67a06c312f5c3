"""STRIDED_SLICE with steps, written as operators that XNNPACK has.

XNNPACK takes slices of step 1 only. Every k-th of n elements is the first column of n/k rows of k, so
RESHAPE, SLICE, RESHAPE give the same bytes, whatever their type. ResNets with shortcuts without
parameters (He et al. 2015, option A) subsample so, and each of them cut the delegate in two.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes import tflite_graph
from converter.passes.tflite_graph import constant, like, opcode, values

_Operator = schema.BuiltinOperator
_MOST_AXES = 5
"""SLICE's own kernel, for runtimes without XNNPACK, has no more."""


def strided_as_slice(model: Any, graph: Any) -> bool:
    """Whether there was one to replace."""
    operators = []
    for operator in graph.operators:
        operators += _replaced(model, graph, operator) or [operator]
    changed = len(operators) > len(graph.operators)
    graph.operators = operators
    return changed


class _Cut(NamedTuple):
    """A slice of step 1, by axis.

    Attributes:
        sizes: of the axes that it is taken from.
    """

    sizes: list[int]
    begin: list[int]
    taken: list[int]


def _replaced(model: Any, graph: Any, operator: Any) -> list[Any]:
    """The three that do the same; none where it is no such slice."""
    if tflite_graph.code(model, operator) != _Operator.STRIDED_SLICE:
        return []
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    begin, steps = (values(model, graph, int(operator.inputs[place])) for place in (1, 3))
    if begin is None or steps is None or _is_masked(operator.builtinOptions):
        return []
    starts = [0 if operator.builtinOptions.beginMask >> axis & 1 else int(start) for axis, start in enumerate(begin)]
    cut = _cut(graph.tensors[source].shape.tolist(), graph.tensors[target].shape.tolist(), starts, steps.tolist())
    if cut is None or len(cut.sizes) > _MOST_AXES:
        return []
    rows, first = like(graph, source, cut.sizes), like(graph, source, cut.taken)
    return [
        _reshape(model, graph, source, rows),
        _slice(model, graph, (rows, first), cut),
        _reshape(model, graph, first, target),
    ]


def _cut(sizes: list[int], outs: list[int], starts: list[int], steps: list[int]) -> _Cut | None:
    """The cut through rows; None where the axes do not come out even, or no step is more than 1."""
    cut = _Cut([], [], [])
    for size, out, start, step in zip(sizes, outs, starts, steps, strict=True):
        if step == 1:
            parts = [(size, start + (size if start < 0 else 0), out)]
        elif 0 <= start < step and out * step == size:
            parts = [(out, 0, out), (step, start, 1)]
        else:
            return None
        for column, part in zip(cut, zip(*parts, strict=True), strict=True):
            column.extend(part)
    return _joined(cut) if any(step > 1 for step in steps) else None


def _joined(cut: _Cut) -> _Cut:
    """With one axis less: what is wholly taken, last, lies in one piece with the axis before it."""
    (*sizes, before, last), (*begins, begin, first), (*takens, taken, whole) = cut
    if (first, whole) != (0, last):
        return cut
    return _Cut([*sizes, before * last], [*begins, begin * last], [*takens, taken * last])


def _is_masked(options: Any) -> bool:
    """These masks change the number of axes."""
    return bool(options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask)


def _reshape(model: Any, graph: Any, source: int, target: int) -> Any:
    shape = graph.tensors[target].shape
    return schema.OperatorT(
        opcodeIndex=opcode(model, _Operator.RESHAPE, 1),
        inputs=np.array([source, constant(model, graph, shape.tolist())], np.int32),
        outputs=np.array([target], np.int32),
        builtinOptionsType=schema.BuiltinOptions.ReshapeOptions,
        builtinOptions=schema.ReshapeOptionsT(newShape=shape),
    )


def _slice(model: Any, graph: Any, ends: tuple[int, int], cut: _Cut) -> Any:
    source, target = ends
    return schema.OperatorT(
        # Version 2 has int8; 3 has more than four axes.
        opcodeIndex=opcode(model, _Operator.SLICE, 3 if len(cut.sizes) > 4 else 2),
        inputs=np.array([source, constant(model, graph, cut.begin), constant(model, graph, cut.taken)], np.int32),
        outputs=np.array([target], np.int32),
        builtinOptionsType=schema.BuiltinOptions.SliceOptions,
        builtinOptions=schema.SliceOptionsT(),
    )
