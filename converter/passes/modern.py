"""Old .tflite files made readable for today's tools, without changing what they compute.

TOCO, TensorFlow's converter until 2019, wrote an operator's code only into the field that is now deprecated:
ai-edge-quantizer then sees operator 0 (ADD) everywhere and leaves the model unquantized without a word. And
it wrote no signature, without which the quantizer refuses a file.
"""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from converter.passes.sharing import packed

_SIGNATURE = b"serving_default"


def modernised(content: bytes) -> bytes:
    """The model with operator codes, a signature, and names that differ; the same bytes where it has them."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    changed = [_codes(model), _names(model), _signature(model)]
    return packed(model) if any(changed) else content


def _codes(model: Any) -> bool:
    """Schema version 3a: the code is the greater of the two fields."""
    old = [code for code in model.operatorCodes if code.builtinCode < code.deprecatedBuiltinCode]
    for code in old:
        code.builtinCode = code.deprecatedBuiltinCode
    return bool(old)


def _names(model: Any) -> bool:
    """The quantizer knows tensors by their names, and so confuses equal ones."""
    changed = False
    for graph in model.subgraphs:
        seen: set[bytes] = set()
        for index, tensor in enumerate(graph.tensors):
            if not tensor.name or tensor.name in seen:
                tensor.name = (tensor.name or b"tensor") + b"_%d" % index
                changed = True
            seen.add(tensor.name)
    return changed


def _signature(model: Any) -> bool:
    if model.signatureDefs:
        return False
    graph = model.subgraphs[0]
    signature = schema.SignatureDefT(signatureKey=_SIGNATURE, subgraphIndex=0)
    signature.inputs = [_entry(graph, index) for index in graph.inputs]
    signature.outputs = [_entry(graph, index) for index in graph.outputs]
    model.signatureDefs = [signature]
    return True


def _entry(graph: Any, index: int) -> Any:
    return schema.TensorMapT(name=graph.tensors[index].name, tensorIndex=int(index))
