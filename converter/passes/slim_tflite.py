"""A smaller .tflite file that computes the same, bit by bit.

Half of what TensorFlow's converter writes around the weights of a small model is names, and zero points
that are all 0. Left out are tensor names but those of inputs and outputs, ranges that calibration left
beside scales, empty and equal buffers, and the converter's log; what is equal is written once.

Nothing that a kernel reads changes, so the file runs wherever it ran before. It is shown, not believed:
see `proven`.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from converter.passes.same_answers import difference
from converter.passes.sharing import packed
from converter.passes.tflite_graph import TooLargeError, read

_LOG = b"CONVERSION_METADATA"
"""How TensorFlow's converter was called; all other metadata is kept."""


class DeclinedError(Exception):
    """The file cannot be made smaller without changing it; the text is the reason."""


def proven(content: bytes, items: npt.NDArray[Any]) -> bytes:
    """The slim form of a .tflite file with one input, shown equal on `items` [n, …].

    Raises:
        DeclinedError: it is not smaller, or something that it computes, or where, would change.
    """
    slim = slimmed(content)
    if len(slim) >= len(content):
        raise DeclinedError(f"{len(slim)} bytes are no less than {len(content)}")
    if reason := difference(content, slim, items):
        raise DeclinedError(reason)
    return slim


def slimmed(content: bytes) -> bytes:
    """The file without what no kernel reads.

    Raises:
        DeclinedError: it holds what this pass cannot carry over.
    """
    if zipfile.is_zipfile(io.BytesIO(content)):
        raise DeclinedError("files are attached to it")
    try:
        model = read(content)
    except TooLargeError:
        raise DeclinedError("its weights do not fit into one FlatBuffer") from None
    if model.externalBuffers:
        raise DeclinedError("its weights lie in other files")
    model.metadata = [entry for entry in model.metadata or () if entry.name != _LOG]
    for graph in model.subgraphs:
        named = {int(index) for index in (*graph.inputs, *graph.outputs)}
        for index, tensor in enumerate(graph.tensors):
            _strip(tensor, keep_name=index in named)
    _merge_buffers(model)
    return packed(model)


def _strip(tensor: Any, *, keep_name: bool) -> None:
    if not keep_name:
        tensor.name = None
    quantization = tensor.quantization
    if quantization is None:
        return
    quantization.min = quantization.max = None
    if quantization.scale is None and quantization.zeroPoint is None and quantization.details is None:
        tensor.quantization = None


def _merge_buffers(model: Any) -> None:
    """One buffer for equal content; buffer 0 is the empty one, by TFLite's convention.

    Weights that differ in scale stay apart even where their bytes are equal: XNNPACK's cache of packed
    weights knows them by their address.
    """
    places: dict[Any, int] = {}
    buffers = [schema.BufferT()]

    def placed(index: int, meaning: Any) -> int:
        data = model.buffers[index].data
        if data is None or len(data) == 0:
            return 0
        key = (meaning, data.tobytes())
        if key not in places:
            places[key] = len(buffers)
            buffers.append(model.buffers[index])
        return places[key]

    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = placed(tensor.buffer, _meaning(tensor))
    for entry in model.metadata:
        entry.buffer = placed(entry.buffer, "metadata")
    model.buffers = buffers
    model.metadataBuffer = None


def _meaning(tensor: Any) -> tuple[Any, ...]:
    """Equal for tensors whose equal bytes mean equal numbers."""
    quantization = tensor.quantization
    scale = quantization.scale if quantization else None
    return (tensor.type, None if scale is None else np.asarray(scale).tobytes())
