"""Erfc, which ONNX has not, as 1 - Erf, which it has. TensorFlow writes the exact GELU with it: x/2 · erfc(-x/√2)."""

from __future__ import annotations

import onnx

_APART = "2e-7"
"""At most, of ONNX Runtime's float32 from the true erfc; of a GELU half of it times x (a test measures it)."""


def without_erfc(source: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """A copy of operators that ONNX knows, and what was done, for people; the model itself where there is no Erfc."""
    found = [node for node in source.graph.node if node.op_type == "Erfc"]
    if not found:
        return source, []
    model = onnx.ModelProto()
    model.CopyFrom(source)
    one = onnx.helper.make_tensor("erfc_one", onnx.TensorProto.FLOAT, [], [1.0])
    model.graph.initializer.append(one)
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        between = f"{node.output[0]}_erf"
        nodes.append(onnx.helper.make_node("Erf", node.input, [between], between))
        nodes.append(onnx.helper.make_node("Sub", [one.name, between], node.output, f"{node.output[0]}_erfc"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model, [f"{len(found)} Erfc, of exact GELUs, as 1 - Erf, at most {_APART} apart"]
