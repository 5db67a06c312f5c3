"""What TensorFlow's converter folded and fused on its way from Keras, counted in the file that it wrote."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from converter.passes.tflite_graph import TooLargeError, code, read, values

_OP = schema.BuiltinOperator
_NONE = schema.ActivationFunctionType.NONE


def told(norms: int, content: bytes) -> list[str]:
    """For people.

    Args:
        norms: batch normalizations of the Keras model; one that is left is a product with a constant.
        content: the float file.
    """
    try:
        model = read(content)
    except TooLargeError:
        return []
    graph = model.subgraphs[0]
    left = sum(
        code(model, each) == _OP.MUL
        and any(values(model, graph, int(index), "<f4") is not None for index in each.inputs)
        for each in graph.operators
    )
    fused = sum(getattr(each.builtinOptions, "fusedActivationFunction", _NONE) != _NONE for each in graph.operators)
    gone = max(0, norms - left)
    return [
        *([f"{gone} of {norms} batch normalizations folded into the layers before them"] if norms else []),
        *([f"{fused} activations fused with the layers before them"] if fused else []),
    ]
