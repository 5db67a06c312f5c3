"""Float32 inputs and outputs for a .tflite file whose own are quantized: a QUANTIZE before, a DEQUANTIZE behind."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes.sharing import packed
from converter.passes.tflite_graph import opcode, read

_Operator = schema.BuiltinOperator
_INT8_DEQUANTIZE_VERSION = 2


def given(content: bytes) -> bytes:
    """The same computation between float32 ends; the same bytes where they are float already."""
    model = read(content)
    moved: dict[tuple[int, int], int] = {}
    for number, graph in enumerate(model.subgraphs):
        for place in [int(each) for each in graph.inputs if _is_quantized(graph, each)]:
            moved[number, place] = end = _float_like(graph, place)
            graph.operators.insert(0, _between(model, end, place, _Operator.QUANTIZE, 1))
        for place in [int(each) for each in graph.outputs if _is_quantized(graph, each)]:
            moved[number, place] = end = _float_like(graph, place)
            graph.operators.append(_between(model, place, end, _Operator.DEQUANTIZE, _INT8_DEQUANTIZE_VERSION))
        for side in ("inputs", "outputs"):
            ends = [moved.get((number, int(each)), int(each)) for each in getattr(graph, side)]
            setattr(graph, side, np.array(ends, np.int32))
    for signature in model.signatureDefs or ():
        for entry in (*signature.inputs, *signature.outputs):
            key = (signature.subgraphIndex, entry.tensorIndex)
            entry.tensorIndex = moved.get(key, entry.tensorIndex)
    return packed(model) if moved else content


def _is_quantized(graph: Any, tensor: int) -> bool:
    return bool(graph.tensors[tensor].type == schema.TensorType.INT8)


def _float_like(graph: Any, tensor: int) -> int:
    """A float32 tensor of that shape, which takes over the name."""
    entry, place = graph.tensors[tensor], len(graph.tensors)
    graph.tensors.append(schema.TensorT(shape=entry.shape, type=schema.TensorType.FLOAT32, name=entry.name))
    entry.name = b"%s_int8" % entry.name
    return place


def _between(model: Any, source: int, target: int, operator: int, version: int) -> Any:
    return schema.OperatorT(
        opcodeIndex=opcode(model, operator, version),
        inputs=np.array([source], np.int32),
        outputs=np.array([target], np.int32),
    )
