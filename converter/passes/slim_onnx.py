"""A smaller .onnx file that computes the same, bit by bit.

A quantized model of some hundred kilobytes is to a fifth names, zero points that are all 0, and shapes that
any reader infers. Left out are the names of nodes, shapes of inner tensors, documentation, metadata, unused
operator sets, zero points of biases, and attributes that say what the operator does anyway; names of inner
tensors become short, and equal constants are written once. Only int8 weights and their zero points are not:
where a CPU has no VNNI, ONNX Runtime replaces each by its uint8 form at load, and cannot replace one twice.

It is shown, not believed: see `proven`.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from converter.passes import same_onnx

_STANDARD = ("", "ai.onnx")
_WITH_ZERO_POINT = 3
_LETTERS = string.ascii_letters + string.digits


class DeclinedError(Exception):
    """The file cannot be made smaller without changing it; the text is the reason."""


def proven(model: onnx.ModelProto, items: npt.NDArray[Any]) -> onnx.ModelProto:
    """The slim form of a model with one input, shown equal on `items` [n, …] (float32, without the batch axis).

    Raises:
        DeclinedError: it is not smaller, or something that it computes, or how, would change.
    """
    slim = slimmed(model)
    if slim.ByteSize() >= model.ByteSize():
        raise DeclinedError(f"{slim.ByteSize()} bytes are no less than {model.ByteSize()}")
    if reason := same_onnx.difference(model.SerializeToString(), slim.SerializeToString(), items):
        raise DeclinedError(reason)
    return slim


def slimmed(source: onnx.ModelProto) -> onnx.ModelProto:
    """The model without what no kernel reads.

    Raises:
        DeclinedError: it holds what this pass cannot carry over.
    """
    if source.functions or source.training_info or source.graph.sparse_initializer:
        raise DeclinedError("it has functions, training information or sparse weights of its own")
    model = onnx.ModelProto()
    model.CopyFrom(source)
    _clear(model, "metadata_props", "doc_string")
    used = {node.domain for node in _nodes(model.graph)}
    kept = [entry for entry in model.opset_import if entry.domain in used or entry.domain in _STANDARD]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    _drop_zero_points(model.graph)
    merged = _merge_constants(model.graph)
    short = _short_names(model.graph, merged)
    opset = next(entry.version for entry in kept if entry.domain in _STANDARD)
    for graph in _graphs(model.graph):
        _strip(graph, short, opset)
    return model


def _drop_zero_points(graph: Any) -> None:
    """A bias's, which are all 0: what absent ones mean. ONNX Runtime fuses no node that lacks a weight's."""
    biases = {
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.INT32 and not numpy_helper.to_array(tensor).any()
    }
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) == _WITH_ZERO_POINT and node.input[2] in biases:
            node.input.pop()


def _merge_constants(graph: Any) -> dict[str, str]:
    """One constant for equal content, all as raw bytes; name → that of the one that stays."""
    found: dict[Any, str] = {}
    renamed = {}
    single = {value.name for value in graph.output}
    single |= {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    kept = []
    for tensor in graph.initializer:
        if not tensor.raw_data and tensor.data_type != onnx.TensorProto.STRING:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
        key = (tensor.data_type, tuple(tensor.dims), tensor.raw_data, tuple(tensor.string_data))
        if tensor.name in single or key not in found:
            found.setdefault(key, tensor.name)
            kept.append(tensor)
        renamed[tensor.name] = tensor.name if tensor.name in single else found[key]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return renamed


def _short_names(graph: Any, merged: dict[str, str]) -> dict[str, str]:
    """Name → new name, in the order of first use; equal in all subgraphs, so that they stay connected."""
    fixed = {value.name for value in (*graph.input, *graph.output)}
    fresh = (name for name in _names() if name not in fixed)
    short = {name: name for name in (*fixed, "")}
    for node in _nodes(graph):
        for name in (*node.input, *node.output):
            name = merged.get(name, name)
            if name not in short:
                short[name] = next(fresh)
    for inner in itertools.islice(_graphs(graph), 1, None):
        for value in (*inner.input, *inner.output, *inner.initializer):
            if value.name not in short:
                short[value.name] = next(fresh)
    return short | {name: short[kept] for name, kept in merged.items() if kept in short}


def _strip(graph: Any, short: dict[str, str], opset: int) -> None:
    # Shape inference knows the standard's operators only.
    unknown = {name for node in graph.node if node.domain not in _STANDARD for name in node.output}
    told = [value for value in graph.value_info if value.name in unknown]
    _clear(graph, "value_info", "quantization_annotation", "metadata_props", "doc_string")
    graph.value_info.extend(told)
    used = [tensor for tensor in graph.initializer if tensor.name in short]
    del graph.initializer[:]
    graph.initializer.extend(used)
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = short[value.name]
        _clear(value, "doc_string")
    for node in graph.node:
        _clear(node, "name", "doc_string", "metadata_props")
        node.input[:] = [short[name] for name in node.input]
        node.output[:] = [short[name] for name in node.output]
        attributes = [attribute for attribute in node.attribute if not _is_default(node, attribute, opset)]
        del node.attribute[:]
        node.attribute.extend(attributes)
        for attribute in node.attribute:
            _clear(attribute, "doc_string")


def _clear(message: Any, *fields: str) -> None:
    for field in fields:
        message.ClearField(field)


def _is_default(node: Any, attribute: Any, opset: int) -> bool:
    """The operator does that anyway."""
    if node.domain not in _STANDARD or not onnx.defs.has(node.op_type, opset, ""):
        return False
    known = onnx.defs.get_schema(node.op_type, opset, "").attributes.get(attribute.name)
    if known is None or not known.default_value.type:
        return False
    return bool(helper.get_attribute_value(known.default_value) == helper.get_attribute_value(attribute))


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph, then those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _nodes(graph: Any) -> Iterator[Any]:
    for each in _graphs(graph):
        yield from each.node


def _names() -> Iterator[str]:
    """a, b, … 9, aa, ab, …"""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(_LETTERS, repeat=length))
