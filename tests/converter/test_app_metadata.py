"""Metadata inside of a .tflite: the model stays what it was, and Google's own reader finds what was written."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from converter import app_metadata
from firmware_profiles.manifest import DetectionSpec, InputSpec, Model, OutputSpec, Tensor
from tests.edge_agent.support import MODELS, model

CONTENT = (MODELS / "tiny-float32.tflite").read_bytes()
PRE = InputSpec(kind="image", height=6, width=6, colour="gray", scale=1 / 255, mean=[0.5], std=[0.25])


def metadata(content: bytes) -> bytes:
    graph = schema.ModelT.InitFromPackedBuf(content, 0)
    place = next(each.buffer for each in graph.metadata if each.name == b"TFLITE_METADATA")
    return bytes(graph.buffers[place].data)


def answer(content: bytes) -> Any:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.full((1, 6, 6, 1), 0.3, np.float32))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_the_model_computes_the_same_and_carries_its_labels() -> None:
    of = model(pre=PRE, labels=["cat", "dog", "jay"])
    made = app_metadata.added(CONTENT, of, "1.2.3")
    assert app_metadata.added(CONTENT, of, "1.2.3") == made
    np.testing.assert_array_equal(answer(made), answer(CONTENT))
    assert metadata(made)[4:8] == b"M001"
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.read("labels.txt") == b"cat\ndog\njay\n"
        place = archive.infolist()[0].header_offset
    assert made[place : place + 4] == b"PK\3\4", "offsets count from the model's begin"


def test_without_labels_nothing_follows_the_model() -> None:
    assert not zipfile.is_zipfile(io.BytesIO(app_metadata.added(CONTENT, model(labels=[]), "1")))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """tflite-support's, of which only the generated code is loaded."""
    folder = tmp_path_factory.mktemp("tflite-support")
    line = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder]
    line += ["--python-version", "3.11", "--platform", "manylinux2014_x86_64", "tflite-support==0.4.4"]
    if subprocess.run(list(map(str, line)), capture_output=True, check=False).returncode != 0:
        pytest.skip("tflite-support cannot be had here: no network")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        path = Path(wheel.extract("tensorflow_lite_support/metadata/metadata_schema_py_generated.py", folder))
    spec = importlib.util.spec_from_file_location("metadata_schema", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(reader: ModuleType, of: Model) -> Any:
    raw = metadata(app_metadata.added(CONTENT, of, "1.2.3"))
    return reader.ModelMetadataT.InitFromObj(reader.ModelMetadata.GetRootAsModelMetadata(raw, 0))


@pytest.mark.system
def test_googles_reader_finds_what_was_written(reader: ModuleType) -> None:
    found = read(reader, model(pre=PRE, labels=["cat", "dog", "jay"]))
    assert (found.name, found.version, found.minParserVersion) == (b"tiny", b"1.2.3", b"1.0.0")
    given, told = found.subgraphMetadata[0].inputTensorMetadata[0], found.subgraphMetadata[0].outputTensorMetadata[0]
    assert given.content.contentPropertiesType == reader.ContentProperties.ImageProperties
    assert given.content.contentProperties.colorSpace == reader.ColorSpaceType.GRAYSCALE
    assert given.content.contentProperties.defaultSize.width == 6
    options = given.processUnits[0].options
    assert (list(options.mean), list(options.std)) == ([127.5], [63.75])
    assert told.name == b"classes"
    assert told.associatedFiles[0].type == reader.AssociatedFileType.TENSOR_AXIS_LABELS


@pytest.mark.system
def test_labels_of_detections_belong_to_their_classes(reader: ModuleType) -> None:
    names = ("boxes", "classes", "scores", "count")
    found = read(
        reader,
        model(
            task="detection",
            labels=["cat"],
            outputs=[Tensor(name, [1, 3], "float32") for name in names],
            post=OutputSpec(detection=DetectionSpec("boxes_scores_classes")),
        ),
    )
    tensors = found.subgraphMetadata[0].outputTensorMetadata
    assert [bool(each.associatedFiles) for each in tensors] == [False, True, False, False]
    assert tensors[1].associatedFiles[0].type == reader.AssociatedFileType.TENSOR_VALUE_LABELS


@pytest.mark.system
def test_what_the_format_cannot_say_is_said_in_words(reader: ModuleType) -> None:
    found = read(reader, model(pre=InputSpec(kind="tensor", standardise=True)))
    given = found.subgraphMetadata[0].inputTensorMetadata[0]
    assert given.processUnits is None
    assert b"standardised" in given.description
