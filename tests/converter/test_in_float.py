"""int8 functions that XNNPACK has in float only: one delegate takes them, and the error told is the true one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from converter.passes import whole_delegate
from converter.passes.sharing import packed
from converter.passes.tflite_graph import read
from tests.converter.one_graph import OneGraph

_OP = schema.BuiltinOperator
_ALL = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16, 1)
_RANGES = ((0.05, 3), (0.03, -100), (0.02, 7))
"""Scale and zero point, of one tensor after the other."""


def between_layers(function: int, options: Any) -> bytes:
    """int8: x → MAX_POOL_2D of one place → function → MAX_POOL_2D of one place."""
    graph = OneGraph()
    tensors = [graph.tensor(list(_ALL.shape)) for _ in range(4)]
    pool = schema.Pool2DOptionsT(filterHeight=1, filterWidth=1, strideH=1, strideW=1)
    graph.operator(_OP.MAX_POOL_2D, tensors[:1], tensors[1:2], pool)
    graph.operator(function, tensors[1:2], tensors[2:3], options)
    graph.operator(_OP.MAX_POOL_2D, tensors[2:3], tensors[3:], pool)
    model = read(graph.content(tensors[:1], tensors[3:]))
    for entry in model.operatorCodes:
        entry.version = 2 if entry.builtinCode == _OP.MAX_POOL_2D else 1
    for tensor, (scale, zero) in zip(model.subgraphs[0].tensors, (_RANGES[0], *_RANGES[:2], _RANGES[1]), strict=True):
        tensor.type = schema.TensorType.INT8
        tensor.quantization = schema.QuantizationParametersT(
            scale=np.array([scale], np.float32), zeroPoint=np.array([zero], np.int64)
        )
    return packed(model)


def ran(content: bytes, resolver: Any) -> tuple[Any, int]:
    """The answers to all numbers, and how many delegates took part."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], _ALL)
    interpreter.invoke()
    nodes = [entry["op_name"] for entry in interpreter._get_ops_details()]
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).astype(int), nodes.count("DELEGATE")


@pytest.mark.parametrize(
    ("function", "options"), [(_OP.HARD_SWISH, None), (_OP.GELU, schema.GeluOptionsT(approximate=False))]
)
def test_one_delegate_takes_it_and_the_error_is_told(function: int, options: Any) -> None:
    before = between_layers(function, options)
    after = whole_delegate.rewritten(before)
    expected, cut = ran(before, OpResolverType.AUTO)
    found, whole = ran(after.content, OpResolverType.AUTO)
    alone, _ = ran(after.content, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    assert (cut, whole) == (2, 1)
    told = re.search(r"1 int8 (HARD_SWISH|GELU) in float, at most (\d) steps", after.said[0])
    assert told
    assert np.abs(alone - expected).max() == int(told[2]) <= 1
    assert np.abs(found - expected).max() <= int(told[2]) + 1  # XNNPACK's own rounding
