"""int8 functions that XNNPACK has in float only, computed in float between int8 layers.

Left behind, each of them runs in a slow kernel and cuts the delegate in two. DEQUANTIZE, the function, QUANTIZE stay
in one delegate. LiteRT's own kernels look the answer up in a table of the same numbers, or compute it with integers;
how far apart the two are is measured over all 256 inputs, in output steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from converter.passes.sharing import packed
from converter.passes.tflite_graph import code, like, opcode

_OP = schema.BuiltinOperator
_FUNCTIONS = {_OP.GELU: "GELU", _OP.HARD_SWISH: "HARD_SWISH"}
_INT8 = schema.TensorType.INT8
_QUANTIZE_VERSION, _DEQUANTIZE_VERSION = 1, 2
_ALL = np.arange(-128, 128, dtype=np.int8)


def in_float(model: Any, graph: Any) -> list[str]:
    """Change the graph; what was done, for people."""
    apart: dict[str, list[int]] = {}
    operators = []
    for operator in graph.operators:
        name = _FUNCTIONS.get(code(model, operator), "")
        source, target = (int(side[0]) for side in (operator.inputs, operator.outputs))
        if not name or any(graph.tensors[index].type != _INT8 for index in (source, target)):
            operators.append(operator)
            continue
        three = _three(model, graph, operator)
        apart.setdefault(name, []).append(_apart(model, graph, [operator], three))
        operators += three
    graph.operators = operators
    return [
        f"{len(steps)} int8 {name} in float, at most {max(steps)} steps of the output apart"
        for name, steps in apart.items()
    ]


def _three(model: Any, graph: Any, operator: Any) -> list[Any]:
    """The same from and to the same tensors."""
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    read, answer = (_as_float(graph, index) for index in (source, target))
    function = schema.OperatorT(
        opcodeIndex=operator.opcodeIndex,
        builtinOptionsType=operator.builtinOptionsType,
        builtinOptions=operator.builtinOptions,
    )
    ends = [
        schema.OperatorT(opcodeIndex=opcode(model, _OP.DEQUANTIZE, _DEQUANTIZE_VERSION)),
        schema.OperatorT(opcodeIndex=opcode(model, _OP.QUANTIZE, _QUANTIZE_VERSION)),
    ]
    three = [ends[0], function, ends[1]]
    for each, start, end in zip(three, (source, read, answer), (read, answer, target), strict=True):
        each.inputs, each.outputs = np.array([start], np.int32), np.array([end], np.int32)
    return three


def _as_float(graph: Any, tensor: int) -> int:
    place = like(graph, tensor, graph.tensors[tensor].shape)
    graph.tensors[place].type, graph.tensors[place].quantization = schema.TensorType.FLOAT32, None
    return place


def _apart(model: Any, graph: Any, before: list[Any], after: list[Any]) -> int:
    """The largest difference over all inputs, in output steps."""
    answers = [_answers(model, graph, operators) for operators in (before, after)]
    return int(np.abs(answers[0] - answers[1]).max())


def _answers(model: Any, graph: Any, operators: list[Any]) -> Any:
    """To every int8 number, as LiteRT's own kernels compute them: int64 [256]."""
    alone = schema.ModelT(version=3, operatorCodes=model.operatorCodes, buffers=[schema.BufferT()])
    ends = [operators[0].inputs[0], operators[-1].outputs[0]]
    used = {int(each) for operator in operators for each in (*operator.inputs, *operator.outputs)}
    tensors = [
        schema.TensorT(
            shape=np.array([_ALL.size], np.int32),
            type=each.type,
            quantization=each.quantization if index in used else None,
        )
        for index, each in enumerate(graph.tensors)
    ]
    part = schema.SubGraphT(tensors=tensors, operators=operators, inputs=ends[:1], outputs=ends[1:])
    alone.subgraphs = [part]
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    run = Interpreter(model_content=packed(alone), experimental_op_resolver_type=resolver)
    run.allocate_tensors()
    run.set_tensor(run.get_input_details()[0]["index"], _ALL)
    run.invoke()
    return run.get_tensor(run.get_output_details()[0]["index"]).astype(np.int64)
