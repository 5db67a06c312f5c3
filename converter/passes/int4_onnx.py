"""Matrix products of an ONNX model with weights of four bits: com.microsoft.MatMulNBits.

By ONNX Runtime's contrib operator specification: each of a column's values is (q - 8) · scale, where 32
values of the column share a scale, two values are in a byte (the first in the low half), and a column is
padded to whole blocks. onnxruntime's own quantizer for it wants a package that nothing else here needs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]

BLOCK = 32
_DOMAIN = "com.microsoft"
_LEAST = -8


class _Product(NamedTuple):
    """A · weights + bias, weights float32 [k, n]; the bias is a tensor's name, or empty."""

    weights: Array
    bias: str


def quantized(model: onnx.ModelProto, kept: list[str]) -> onnx.ModelProto:
    """A copy with MatMulNBits in place of every MatMul and Gemm whose weights are constant.

    Args:
        kept: names of nodes that stay as they are.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        product = _product(node, weights) if node.name not in kept else None
        nodes += _replacing(graph, node, product) if product else [node]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    remaining = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(remaining)
    if not any(entry.domain == _DOMAIN for entry in copy.opset_import):
        copy.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    return copy


def blocks(weights: Array) -> tuple[Array, Array]:
    """Weights float32 [k, n] in blocks: uint8 [n, blocks, 16] and their scales float32 [n, blocks].

    The scale maps the value furthest from 0 to -8, the level of which there is no positive twin.
    """
    k, n = weights.shape
    count = -(-k // BLOCK)
    columns = np.zeros((n, count * BLOCK), np.float32)
    columns[:, :k] = weights.T
    columns = columns.reshape(n, count, BLOCK)
    furthest = np.take_along_axis(columns, np.abs(columns).argmax(2)[..., np.newaxis], 2)
    scales = (furthest / _LEAST).astype(np.float32)
    levels = np.round(np.divide(columns, scales, out=np.zeros_like(columns), where=scales != 0))
    stored = (np.clip(levels, _LEAST, -_LEAST - 1) - _LEAST).astype(np.uint8)
    return stored[..., 0::2] | stored[..., 1::2] << 4, scales[..., 0]


def _product(node: Any, weights: dict[str, Any]) -> _Product | None:
    if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in weights:
        return None
    values = numpy_helper.to_array(weights[node.input[1]])
    if values.ndim != 2 or values.dtype != np.float32:
        return None
    if node.op_type == "MatMul":
        return _Product(values, "")
    factors = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if factors.get("transA", 0) or (len(node.input) > 2 and factors.get("beta", 1.0) != 1.0):
        return None
    values = (values.T if factors.get("transB", 0) else values) * np.float32(factors.get("alpha", 1.0))
    return _Product(values, node.input[2] if len(node.input) > 2 else "")


def _replacing(graph: Any, node: Any, product: _Product) -> list[Any]:
    packed, scales = blocks(product.weights)
    names = [f"{node.name}_int4", f"{node.name}_scales"]
    graph.initializer.append(numpy_helper.from_array(packed, names[0]))
    graph.initializer.append(numpy_helper.from_array(scales.reshape(-1), names[1]))
    k, n = product.weights.shape
    output = f"{node.name}_product" if product.bias else node.output[0]
    multiply = helper.make_node(
        "MatMulNBits", [node.input[0], *names], [output], node.name, domain=_DOMAIN, K=k, N=n, bits=4, block_size=BLOCK
    )
    if not product.bias:
        return [multiply]
    for value in (*graph.value_info, *graph.output):
        if value.name == node.output[0]:  # shape inference does not know MatMulNBits
            graph.value_info.add().CopyFrom(value)
            graph.value_info[-1].name = output
            break
    return [multiply, helper.make_node("Add", [output, product.bias], list(node.output), f"{node.name}_bias")]
