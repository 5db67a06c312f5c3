"""A .tflite file as objects that can be edited: what every pass over one needs. Written by `sharing.packed`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

Array = npt.NDArray[Any]

LARGEST_BYTES = (1 << 31) - 1
"""A FlatBuffer's own limit: weights of a larger file have to lie behind it."""


class Passed(NamedTuple):
    """What a pass makes of a file.

    Attributes:
        content: the same bytes where there was nothing to do.
        said: what was done, for people.
    """

    content: bytes
    said: list[str]


class TooLargeError(Exception):
    """The file does not fit into one FlatBuffer."""


def read(content: bytes) -> Any:
    """The `ModelT` of a file, with all weights inside it.

    ai-edge-quantizer puts the weights of larger models behind the FlatBuffer, at offsets that a new layout
    would break.

    Raises:
        TooLargeError: they do not fit inside.
    """
    if len(content) > LARGEST_BYTES:
        raise TooLargeError
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def code(model: Any, operator: Any) -> int:
    """What an operator is; files older than schema 3a have only the deprecated field."""
    entry = model.operatorCodes[operator.opcodeIndex]
    return int(max(entry.builtinCode, entry.deprecatedBuiltinCode))


def opcode(model: Any, operator: int, version: int) -> int:
    """Place of an operator's code, added if it is new."""
    for place, entry in enumerate(model.operatorCodes):
        if (entry.builtinCode, entry.version) == (operator, version):
            return place
    # Old readers know only the deprecated field, which holds codes below 127.
    entry = schema.OperatorCodeT(builtinCode=operator, deprecatedBuiltinCode=operator, version=version)
    model.operatorCodes.append(entry)
    return len(model.operatorCodes) - 1


def readers(graph: Any, tensor: int) -> int:
    """How many operators read a tensor."""
    return sum(operator.inputs is not None and tensor in operator.inputs for operator in graph.operators)


def makers(graph: Any) -> dict[int, Any]:
    """Tensor → the operator that writes it."""
    with_outputs = (operator for operator in graph.operators if operator.outputs is not None)
    return {int(output): operator for operator in with_outputs for output in operator.outputs}


def is_inner(graph: Any, tensor: int) -> bool:
    """One operator reads it, and nobody outside."""
    return readers(graph, tensor) == 1 and tensor not in graph.outputs


def values(model: Any, graph: Any, tensor: int, dtype: str = "<i4") -> Array | None:
    """What a constant holds, in its shape; None where the tensor is no plain constant."""
    entry = graph.tensors[tensor]
    data = model.buffers[entry.buffer].data
    return (
        None if data is None or entry.sparsity is not None else np.asarray(data).view(dtype).reshape(tuple(entry.shape))
    )


def constant(model: Any, graph: Any, numbers: Array | Sequence[int]) -> int:
    """A new constant, float32 or int32; its place among the tensors."""
    array = np.asarray(numbers)
    dtype, kind = ("<f4", schema.TensorType.FLOAT32) if array.dtype.kind == "f" else ("<i4", schema.TensorType.INT32)
    model.buffers.append(schema.BufferT(data=np.frombuffer(array.astype(dtype).tobytes(), np.uint8)))
    place, shape = len(graph.tensors), np.array(array.shape, np.int32)
    name = b"godwit_%d" % place
    graph.tensors.append(schema.TensorT(shape=shape, type=kind, buffer=len(model.buffers) - 1, name=name))
    return place


def like(graph: Any, tensor: int, shape: Sequence[int]) -> int:
    """A new activation of another shape, with a tensor's type and scale; its place among the tensors."""
    entry, place = graph.tensors[tensor], len(graph.tensors)
    graph.tensors.append(
        schema.TensorT(
            shape=np.array(shape, np.int32),
            type=entry.type,
            quantization=entry.quantization,
            name=b"godwit_%d" % place,
        )
    )
    return place


def drop_unused(model: Any) -> None:
    """Leave out tensors that nothing reads or writes any more, with what they hold."""
    for number, graph in enumerate(model.subgraphs):
        used = {int(index) for index in (*graph.inputs, *graph.outputs)}
        for operator in graph.operators:
            used |= {int(index) for side in _sides(operator) for index in getattr(operator, side)} - {-1}
        places = {old: new for new, old in enumerate(sorted(used))} | {-1: -1}
        for operator in graph.operators:
            for side in _sides(operator):
                setattr(operator, side, _moved(getattr(operator, side), places))
        graph.inputs, graph.outputs = _moved(graph.inputs, places), _moved(graph.outputs, places)
        graph.tensors = [graph.tensors[index] for index in sorted(used)]
        for signature in model.signatureDefs or ():
            for entry in (*signature.inputs, *signature.outputs) if signature.subgraphIndex == number else ():
                entry.tensorIndex = places[entry.tensorIndex]
    held = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    held |= {entry.buffer for entry in model.metadata or ()}
    for place, buffer in enumerate(model.buffers):
        if place not in held:
            buffer.data = None


def _sides(operator: Any) -> list[str]:
    return [side for side in ("inputs", "outputs", "intermediates") if getattr(operator, side) is not None]


def _moved(indices: Any, places: dict[int, int]) -> Array:
    return np.array([places[int(index)] for index in indices], np.int32)
