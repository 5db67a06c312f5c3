"""Routes through toolchains: what comes out answers as the source does, or one recipe fails with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

from converter.passes.session_onnx import session
from converter.processes import Processes
from converter.progress import Progress
from converter.protocol import Declined, Export, Exported, Failed
from converter.recipes import BY_NAME
from converter.routes import Routes
from converter.source import SourceTable, find
from tests.converter.conftest import DATA, MODELS

TINY = MODELS / "tiny-float32.onnx"
SHAPE = [1, 6, 6, 1]
Start = Callable[[Path], Routes]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(source)` → its routes."""
    (tmp_path / "work").mkdir()
    with Processes(tmp_path) as processes:
        yield lambda source: Routes(
            processes, tmp_path / "work", Progress(), find(tmp_path, SourceTable("", str(source)))
        )


def export(routes: Routes, recipe: str, shape: list[int], folder: Path) -> Exported | Declined | Failed:
    """To `folder/out`, calibrated with noise."""
    np.savez(folder / "calibration.npz", t0=np.random.default_rng(0).random((8, *shape[1:]), np.float32))
    request: Any = Export(BY_NAME[recipe], shape, str(folder / "calibration.npz"), str(folder / "out"))
    return routes.export(request)


def tflite_answer(file: Path, x: Any) -> Any:
    """First output for one input."""
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def onnx_answer(file: Path, x: Any) -> Any:
    """First output for one input."""
    opened = session(str(file))
    return opened.run(None, {opened.get_inputs()[0].name: x})[0]


def test_onnx_to_tflite(start: Start, made: Callable[[str], None], tmp_path: Path) -> None:
    made("onnx2tf")
    routes, before = start(TINY), TINY.read_bytes()
    assert routes.describe().inputs[0].shape[1:] == SHAPE[1:]
    reply = export(routes, "tflite-float32", SHAPE, tmp_path)
    assert isinstance(reply, Exported), reply
    assert reply.inputs[0].shape == SHAPE
    x = np.random.default_rng(1).random(SHAPE, np.float32)
    # Of a softmax; sums in another order.
    assert np.abs(tflite_answer(tmp_path / "out", x) - onnx_answer(TINY, x)).max() < 1e-5
    reply = export(routes, "tflite-int8", SHAPE, tmp_path)
    assert isinstance(reply, Exported), reply
    assert TINY.read_bytes() == before


def test_an_operator_that_onnx2tf_lacks_is_named(start: Start, made: Callable[[str], None], tmp_path: Path) -> None:
    made("onnx2tf")
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Binarizer", ["x"], ["y"], domain="ai.onnx.ml")], "g", [x], [y]
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    source = tmp_path / "odd.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), source)
    routes = start(source)
    routes.describe()
    reply = export(routes, "tflite-float32", [1, 4], tmp_path)
    assert isinstance(reply, Declined), reply
    assert reply.reason == "onnx2tf has no operator Binarizer; ONNX recipes do"


def test_a_toolchain_that_cannot_be_made_fails_its_recipes_only(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    routes = start(TINY)
    routes.describe()
    reply = export(routes, "tflite-float32", SHAPE, tmp_path)
    assert isinstance(reply, Failed)
    assert reply.reason.startswith("toolchain onnx2tf: ")
    assert "godwit toolchain prepare onnx2tf" in reply.reason
    assert isinstance(export(routes, "onnx-float32", SHAPE, tmp_path), Exported)


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real models and data are not beside the checkout")
def test_a_file_of_keras_2_that_keras_3_refuses(start: Start, made: Callable[[str], None], tmp_path: Path) -> None:
    made("tf-keras")
    folder = DATA / "conversion_only"
    routes = start(folder / "vww_96.h5")
    described = routes.describe()
    assert (described.inputs[0].shape, described.outputs[0].shape) == ([1, 96, 96, 3], [1, 2])
    reply = export(routes, "tflite-float32", [1, 96, 96, 3], tmp_path)
    assert isinstance(reply, Exported), reply
    x = np.random.default_rng(1).random([1, 96, 96, 3], np.float32)
    # Against the file that MLPerf converted from it; of a softmax.
    assert np.abs(tflite_answer(tmp_path / "out", x) - tflite_answer(folder / "vww_96_float.tflite", x)).max() < 1e-4
