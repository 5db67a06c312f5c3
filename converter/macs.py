"""Multiply-adds of one inference, counted from the exported file: convolutions and matrix products.

Other operators are not counted: they move or add what these multiply, and cost little beside them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any


def of_tflite(path: Path) -> int:
    """Multiply-adds of a .tflite file with fixed shapes."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph, total = model.subgraphs[0], 0
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]  # old files carry the deprecated code only
        shapes = [[] if index < 0 else _sizes(graph.tensors[index].shape) for index in operator.inputs]
        total += _tflite_operator(name, shapes, _sizes(graph.tensors[operator.outputs[0]].shape))
    return total


def _tflite_operator(name: str, inputs: list[list[int]], output: list[int]) -> int:
    """Weights are [out, height, width, in], depthwise [1, height, width, channels], dense [out, in]."""
    if name == "CONV_2D":
        return math.prod(output) * math.prod(inputs[1][1:])
    if name == "DEPTHWISE_CONV_2D":
        return math.prod(output) * math.prod(inputs[1][1:3])
    if name == "TRANSPOSE_CONV":
        return math.prod(inputs[2]) * math.prod(inputs[1][:3])
    if name in ("FULLY_CONNECTED", "BATCH_MATMUL"):
        return math.prod(output) * inputs[0][-1] if name == "BATCH_MATMUL" else math.prod(output) * inputs[1][-1]
    return 0


def of_onnx(path: Path) -> int:
    """Multiply-adds of an .onnx file with fixed shapes."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        shapes[value.name] = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
    return sum(_onnx_node(node, [shapes.get(name, []) for name in node.input], shapes) for node in graph.node)


def _onnx_node(node: Any, inputs: list[list[int]], shapes: dict[str, list[int]]) -> int:
    """Weights are [out, in / groups, …], for a transposed convolution [in, out / groups, …]."""
    output = shapes.get(node.output[0], [])
    if node.op_type in ("Conv", "ConvInteger", "QLinearConv"):
        weights = inputs[3 if node.op_type == "QLinearConv" else 1]
        return math.prod(output) * math.prod(weights[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(inputs[0]) * math.prod(inputs[1][1:])
    if node.op_type in ("MatMul", "MatMulInteger", "QLinearMatMul"):
        return math.prod(output) * inputs[0][-1] if inputs[0] else 0
    if node.op_type == "MatMulNBits":  # ONNX Runtime's own: [.., K] by [N, K] in blocks
        sizes = {attribute.name: attribute.i for attribute in node.attribute}
        return int(math.prod(inputs[0][:-1]) * sizes["K"] * sizes["N"])
    if node.op_type == "Gemm":
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return math.prod(output) * inputs[0][0 if transposed else 1]
    return 0


def _sizes(shape: Any) -> list[int]:
    return [] if shape is None else [int(size) for size in shape]
