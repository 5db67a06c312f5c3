"""Keras and SavedModel sources: exports that answer as the model does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.exporting import Session
from converter.formats import base
from converter.passes.session_onnx import session
from converter.processes import Processes
from converter.progress import Progress
from converter.protocol import Export, Exported
from converter.recipes import BY_NAME, RECIPES
from converter.routes import Routes
from converter.source import SourceTable, find
from firmware_profiles.errors import InputError

FORMATS = {"keras": "model.keras", "h5": "model.h5", "savedmodel": "saved_model"}
TOLERANCE = {"float32": 1e-5, "float16": 2e-3, "int8": 4 / 255, "int16": 4 / 255, "int4": 0.1}
"""Of a softmax, against Keras: float32 by the order of sums, the others by their own steps."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras")
    maker = Path(__file__).with_name("make_keras.py")
    subprocess.run([sys.executable, str(maker), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as started:
        yield started


@pytest.mark.parametrize("source_format", FORMATS)
def test_every_export_answers_as_keras_does(
    models: Path, tmp_path: Path, processes: Processes, source_format: str
) -> None:
    source = models / FORMATS[source_format]
    assert base.detect(source) == source_format
    routes = Routes(processes, tmp_path, Progress(), find(tmp_path, SourceTable("", str(source))))
    described = routes.describe()
    assert described.inputs[0].shape == [0, 8, 8, 3]
    assert described.outputs[0].shape == [0, 4]
    with np.load(models / "answers.npz") as arrays:
        x, expected = arrays["t0"], arrays["y0"]
    # Of three channels a first layer in float gains nothing, and that recipe is declined.
    for recipe in (each for each in RECIPES if not each.float_stem):
        target = tmp_path / recipe.file
        reply = routes.export(Export(recipe, [1, 8, 8, 3], str(models / "answers.npz"), str(target)))
        assert isinstance(reply, Exported), (recipe.name, reply)
        assert reply.multiply_adds == 64 * 8 * 27 + 8 * 4
        assert reply.inputs[0].shape == [1, 8, 8, 3]
        answers = _answers(target, x)
        assert np.abs(answers - expected).max() < TOLERANCE[recipe.precision], recipe.name


def _answers(file: Path, x: Any) -> Any:
    if file.suffix == ".onnx":
        opened = session(str(file))
        name = opened.get_inputs()[0].name
        return np.concatenate([opened.run(None, {name: item[np.newaxis]})[0] for item in x])
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    answers = []
    for item in x:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], item[np.newaxis])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(answers)


def test_an_rnn_has_a_batch_of_1(tmp_path: Path, processes: Processes) -> None:
    maker = (
        "import sys, keras; layers = keras.layers;"
        "keras.Sequential([layers.Input((10, 4)), layers.LSTM(8), layers.Dense(3)]).save(sys.argv[1])"
    )
    source = tmp_path / "lstm.h5"
    subprocess.run([sys.executable, "-c", maker, str(source)], check=True, capture_output=True)
    items = np.random.default_rng(0).normal(size=(200, 10, 4)).astype(np.float32)
    np.savez(tmp_path / "calibration.npz", t0=items)
    routes = Routes(processes, tmp_path, Progress(), find(tmp_path, SourceTable("", str(source))))
    routes.describe()

    def export(recipe: str) -> Any:
        file = str(tmp_path / BY_NAME[recipe].file)
        return routes.export(Export(BY_NAME[recipe], [1, 10, 4], str(tmp_path / "calibration.npz"), file))

    reply = export("tflite-float32")
    assert isinstance(reply, Exported), reply
    assert reply.inputs[0].shape == [1, 10, 4]
    # TensorFlow's own converter segfaults on this one.
    reply = export("tflite-int8")
    assert isinstance(reply, Exported), reply
    float32, int8 = (_answers(tmp_path / f"tflite-{name}.tflite", items) for name in ("float32", "int8"))
    assert np.abs(int8 - float32).max() < 0.1 * np.abs(float32).max()
    # The loop comes out as one LSTM operator.
    reply = export("onnx-float32")
    assert isinstance(reply, Exported), reply
    assert np.abs(_answers(tmp_path / "onnx-float32.onnx", items) - float32).max() < 1e-5


@pytest.mark.parametrize("source_format", FORMATS)
def test_a_damaged_model_is_the_users_to_mend(
    models: Path, tmp_path: Path, processes: Processes, source_format: str
) -> None:
    source = tmp_path / FORMATS[source_format]
    if source_format == "savedmodel":
        shutil.copytree(models / "saved_model", source)
        (source / "variables" / "variables.index").unlink()
    else:
        content = (models / source.name).read_bytes()
        source.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError) as caught:
        Session(processes, source, base.detect(source)).describe()
    assert str(source) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
