"""Slim .tflite files: smaller, the same bits, and refused where that cannot be shown."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from converter.passes import slim_tflite, whole_delegate
from converter.passes.same_answers import difference
from converter.passes.sharing import packed
from tests.converter.conftest import MODELS

ITEMS = np.random.default_rng(3).random((20, 6, 6, 1)).astype(np.float32)
INT8_ITEMS = np.round(ITEMS * 255 - 128)


def items_for(name: str) -> Any:
    return INT8_ITEMS if name == "tiny-int8" else ITEMS


def read(content: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(content, 0)


@pytest.mark.parametrize("name", ["tiny-float32", "tiny-int8", "tiny-dynamic"])
def test_it_is_smaller_and_gives_the_same_bits(name: str) -> None:
    content = (MODELS / f"{name}.tflite").read_bytes()
    slim = slim_tflite.proven(content, items_for(name))
    assert len(slim) < len(content) - 500
    assert difference(content, slim, items_for(name)) == ""
    before, after = Interpreter(model_content=content), Interpreter(model_content=slim)
    assert after.get_signature_list() == before.get_signature_list()
    for details in ("get_input_details", "get_output_details"):
        assert [entry["name"] for entry in getattr(after, details)()] == [
            entry["name"] for entry in getattr(before, details)()
        ]


def test_a_slim_file_stays_as_it_is() -> None:
    slim = slim_tflite.slimmed((MODELS / "tiny-float32.tflite").read_bytes())
    with pytest.raises(slim_tflite.DeclinedError, match="no less"):
        slim_tflite.proven(slim, ITEMS)


def test_weights_are_aligned_as_the_schema_says() -> None:
    slim = slim_tflite.slimmed((MODELS / "tiny-float32.tflite").read_bytes())
    start = np.frombuffer(slim, np.uint8).ctypes.data
    places = [buffer.data.ctypes.data - start for buffer in read(slim).buffers if buffer.data is not None]
    assert places
    assert all(place % 16 == 0 for place in places)


@pytest.mark.parametrize("kernels", ["XNNPACK", "LiteRT's own kernels"])
def test_another_answer_is_noticed_on_each_set_of_kernels(monkeypatch: pytest.MonkeyPatch, kernels: str) -> None:
    from converter.passes import same_answers

    monkeypatch.setattr(same_answers, "_KERNELS", {kernels: same_answers._KERNELS[kernels]})
    content = (MODELS / "tiny-float32.tflite").read_bytes()
    model = read(content)
    weights = max((buffer for buffer in model.buffers if buffer.data is not None), key=lambda each: len(each.data))
    weights.data = weights.data.copy()
    weights.data.view(np.float32)[:] *= np.float32(1 + 1e-6)
    assert difference(content, packed(model), ITEMS) == f"{kernels} would give other answers"


def test_other_nodes_are_noticed() -> None:
    content = (MODELS / "tiny-float32.tflite").read_bytes()
    model = read(content)
    model.subgraphs[0].operators[-1].outputs = np.array([len(model.subgraphs[0].tensors)], np.int32)
    model.subgraphs[0].tensors.append(model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]])
    model.subgraphs[0].outputs = np.array([len(model.subgraphs[0].tensors) - 1], np.int32)
    model.signatureDefs = None
    assert "would take other nodes" in difference(content, packed(model), ITEMS)


def test_equal_bytes_of_other_scale_stay_apart() -> None:
    """XNNPACK's cache of packed weights knows them by their address."""
    model = read((MODELS / "tiny-int8.tflite").read_bytes())
    graph = model.subgraphs[0]
    weights = [tensor for tensor in graph.tensors if model.buffers[tensor.buffer].data is not None]
    constant = [tensor for tensor in weights if tensor.type == schema.TensorType.INT8][:2]
    for tensor in constant:
        model.buffers[tensor.buffer].data = np.ones(64, np.uint8)
    assert not np.array_equal(constant[0].quantization.scale, constant[1].quantization.scale)
    after = read(slim_tflite.slimmed(packed(model))).subgraphs[0]
    first, second = (graph.tensors.index(tensor) for tensor in constant)
    assert after.tensors[first].buffer != after.tensors[second].buffer


def test_metadata_is_kept_but_for_the_converters_log() -> None:
    model = read((MODELS / "tiny-float32.tflite").read_bytes())
    model.buffers.append(schema.BufferT(data=np.frombuffer(b"for an app", np.uint8)))
    model.metadata.append(schema.MetadataT(name=b"TFLITE_METADATA", buffer=len(model.buffers) - 1))
    before = {entry.name for entry in model.metadata}
    after = read(slim_tflite.slimmed(packed(model)))
    assert before - {entry.name for entry in after.metadata} == {b"CONVERSION_METADATA"}
    kept = next(entry for entry in after.metadata if entry.name == b"TFLITE_METADATA")
    assert after.buffers[kept.buffer].data.tobytes() == b"for an app"


def test_attached_files_are_not_lost() -> None:
    attached = io.BytesIO()
    with zipfile.ZipFile(attached, "w") as archive:
        archive.writestr("labels.txt", "a\nb\nc\n")
    content = (MODELS / "tiny-float32.tflite").read_bytes() + attached.getvalue()
    with pytest.raises(slim_tflite.DeclinedError, match="files are attached"):
        slim_tflite.proven(content, ITEMS)


def test_what_needs_no_rewriting_is_left_alone() -> None:
    content = Path(MODELS / "tiny-float32.tflite").read_bytes()
    assert whole_delegate.rewritten(content).content is content


def test_weights_behind_the_flatbuffer_come_inside() -> None:
    """Where ai-edge-quantizer puts those of larger models."""
    content = (MODELS / "tiny-float32.tflite").read_bytes()
    outside = with_weights_outside(content)
    assert difference(content, outside, ITEMS) == ""
    slim = slim_tflite.proven(outside, ITEMS)
    assert len(slim) == len(slim_tflite.slimmed(content))
    assert all(buffer.offset == 0 for buffer in read(slim).buffers)


def with_weights_outside(content: bytes) -> bytes:
    model = read(content)
    places = [place for place, buffer in enumerate(model.buffers) if buffer.data is not None and len(buffer.data) > 200]
    behind = [model.buffers[place].data.tobytes() for place in places]
    size = 0
    for _ in range(2):  # first for the FlatBuffer's own size
        offset = -(-size // 16) * 16
        for place, data in zip(places, behind, strict=True):
            model.buffers[place] = schema.BufferT(offset=offset or 16, size=len(data))
            offset += -(-len(data) // 16) * 16
        flat = packed(model)
        size = len(flat)
    padded = [flat, *behind]
    return b"".join(part + bytes(-len(part) % 16) for part in padded)
