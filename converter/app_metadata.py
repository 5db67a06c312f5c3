"""Standard TFLite metadata inside of a model for apps: what its tensors are, how inputs are prepared, its labels.

The format is Google's: tflite-support, metadata_schema.fbs 1.5.0, whose tables and field numbers are below; the
labels follow the model as a ZIP, with offsets from the model's begin, as its MetadataPopulator writes them. Written
here since tflite-support was last released in 2023 and MediaPipe, which took it over, is 100 MB.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes import sharing, tflite_graph
from firmware_profiles.manifest import InputSpec, Model

LABELS = "labels.txt"
_NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.0.0"
_FEATURES, _IMAGE = 1, 2  # union ContentProperties
_NORMALIZATION = 1  # union ProcessUnitOptions
_AXIS_LABELS, _VALUE_LABELS = 2, 3  # enum AssociatedFileType
_COLOURS = {"rgb": 1, "gray": 2}  # enum ColorSpaceType
_MEMBER_DATE = (1980, 1, 1, 0, 0, 0)


def added(content: bytes, model: Model, version: str) -> bytes:
    """The .tflite file `content` with metadata; the same bytes for the same model."""
    graph = tflite_graph.read(content)
    place = len(graph.buffers)
    graph.buffers.append(schema.BufferT(data=np.frombuffer(_Writer().metadata(model, version), np.uint8)))
    graph.metadata = [*(graph.metadata or []), schema.MetadataT(name=_NAME, buffer=place)]
    return _with_labels(sharing.packed(graph), model.labels)


def _with_labels(content: bytes, labels: Sequence[str]) -> bytes:
    if not labels:
        return content
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS, _MEMBER_DATE), "".join(f"{label}\n" for label in labels))
    return whole.getvalue()


class _Writer:
    """Builds the tables, leaves first, as a FlatBuffer wants them."""

    def __init__(self) -> None:
        self._to = flatbuffers.Builder(1024)

    def metadata(self, model: Model, version: str) -> bytes:
        inputs = [self._input(tensor.name, model.pre) for tensor in model.inputs]
        outputs = [self._output(tensor.name, index, model) for index, tensor in enumerate(model.outputs)]
        graph = self._table(10, {0: self._text(model.name), 2: self._vector(inputs), 3: self._vector(outputs)})
        fields = {
            0: self._text(model.name),
            1: self._text(f"{model.task}, by Godwit; what it was proved on is in the bundle's manifest.json"),
            2: self._text(version),
            3: self._vector([graph]),
            7: self._text(_PARSER_VERSION),
        }
        self._to.Finish(self._table(8, fields), _IDENTIFIER)
        return bytes(self._to.Output())

    def _input(self, name: str, pre: InputSpec) -> int:
        fields = {0: self._text(name), 1: self._text(_prepared(pre)), 3: self._content(pre)}
        if not pre.standardise and not pre.statistics and pre.audio is None:
            # Here (raw * scale - mean) / std; there (raw - mean) / std.
            channels = max(len(pre.mean), len(pre.std), 1)
            mean = [each / pre.scale for each in pre.mean or [0.0] * channels]
            std = [each / pre.scale for each in pre.std or [1.0] * channels]
            options = self._table(2, {0: self._floats(mean), 1: self._floats(std)})
            fields[4] = self._vector([self._table(2, {1: options}, {0: _NORMALIZATION})])
        return self._table(7, fields)

    def _content(self, pre: InputSpec) -> int:
        if pre.kind != "image":
            return self._table(3, {1: self._table(0, {})}, {0: _FEATURES})
        self._to.StartObject(2)
        self._to.PrependUint32Slot(0, pre.width, 0)
        self._to.PrependUint32Slot(1, pre.height, 0)
        size = self._to.EndObject()
        image = self._table(2, {1: size}, {0: _COLOURS.get(pre.colour, 0)})
        return self._table(3, {1: image}, {0: _IMAGE})

    def _output(self, name: str, index: int, model: Model) -> int:
        fields = {0: self._text(name), 3: self._table(3, {1: self._table(0, {})}, {0: _FEATURES})}
        if kind := _labelled(model, index):
            labels = {0: self._text(LABELS), 1: self._text("one class a line")}
            fields[6] = self._vector([self._table(5, labels, {2: kind})])
        return self._table(7, fields)

    def _table(self, fields: int, offsets: dict[int, int], numbers: dict[int, int] | None = None) -> int:
        """A table of that many fields; `numbers` are of one byte."""
        self._to.StartObject(fields)
        for slot, value in offsets.items():
            self._to.PrependUOffsetTRelativeSlot(slot, value, 0)
        for slot, value in (numbers or {}).items():
            self._to.PrependUint8Slot(slot, value, 0)
        return int(self._to.EndObject())

    def _vector(self, tables: Sequence[int]) -> int:
        self._to.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            self._to.PrependUOffsetTRelative(table)
        return int(self._to.EndVector())

    def _floats(self, values: Sequence[float]) -> int:
        self._to.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._to.PrependFloat32(value)
        return int(self._to.EndVector())

    def _text(self, value: str) -> int:
        return int(self._to.CreateString(value))


def _labelled(model: Model, index: int) -> int:
    """How the labels belong to that output; 0 if they do not."""
    if not model.labels:
        return 0
    if model.task == "classification":
        return _AXIS_LABELS if index == 0 else 0
    detection = model.post.detection
    if detection and detection.decoder == "boxes_scores_classes":
        roles = detection.tensors or ["boxes", "classes", "scores", "count"]
        return _VALUE_LABELS if roles[index : index + 1] == ["classes"] else 0
    return 0


def _prepared(pre: InputSpec) -> str:
    """What the format has no fields for, in words."""
    told = [f"kind {pre.kind}"]
    if pre.kind == "image":
        told += [f"colour {pre.colour}", f"layout {pre.layout}", f"resize {pre.resize}", f"fit {pre.fit}"]
    if pre.crop:
        told.append(f"crop {pre.crop}")
    if pre.standardise:
        told.append("standardised by the mean and deviation of each input")
    if pre.statistics:
        told.append(f"statistics {', '.join(pre.statistics)}")
    return "; ".join(told) + "; all of it is in the bundle's manifest.json"
