"""Name and order an ONNX graph's own tensors by their first use.

tf2onnx numbers the names it makes up in the order of a Python set, so two runs of it differ; the
names before its `__` are the model's own and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import onnx

_MADE_UP = re.compile(r"__\d+(?=$|:)")


def applied(source: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the names that tf2onnx made up replaced; another exporter's is left as it is."""
    if source.producer_name != "tf2onnx":
        return source
    model = onnx.ModelProto()
    model.CopyFrom(source)
    renamed: dict[str, str] = {}
    fixed = {value.name for value in (*model.graph.input, *model.graph.output)}
    for node in _nodes(model.graph):
        for name in (node.name, *node.input, *node.output):
            if _MADE_UP.search(name) and name not in fixed and name not in renamed:
                renamed[name] = _MADE_UP.sub(f"__{len(renamed)}", name)
    _rename(model.graph, renamed)
    return model


def _rename(graph: Any, renamed: dict[str, str]) -> None:
    for inner in _graphs(graph):
        for node in inner.node:
            node.name = renamed.get(node.name, node.name)
            node.input[:] = [renamed.get(name, name) for name in node.input]
            node.output[:] = [renamed.get(name, name) for name in node.output]
        for named in (*inner.initializer, *inner.input, *inner.output):
            named.name = renamed.get(named.name, named.name)
        ordered = sorted(inner.initializer, key=lambda tensor: str(tensor.name))
        del inner.initializer[:]
        inner.initializer.extend(ordered)
        del inner.value_info[:]


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and all that its nodes hold (If, Loop)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _nodes(graph: Any) -> Iterator[Any]:
    """Every node, those of nested graphs (If, Loop) right after the node that holds them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)
