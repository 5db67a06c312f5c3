"""Each runtime runs a real model, counts what its delegate took, and refuses what it cannot do."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_agent.runtimes.base import Opening, open_runtime
from firmware_profiles.errors import UnavailableError
from tests.edge_agent.support import MODELS, model, write_bundle

FLOAT = MODELS / "tiny-float32.tflite"
IMAGE = np.random.default_rng(5).random((1, 6, 6, 1), np.float32)
TFLITE_PYTHON = Path(__file__).parents[2] / "build" / "tflite-venv" / "bin" / "python"


def test_xnnpack_takes_every_node_of_a_float_model() -> None:
    with_delegate = open_runtime("litert", "xnnpack", FLOAT, Opening())
    without = open_runtime("litert", "none", FLOAT, Opening())
    assert with_delegate.nodes[:2] == (5, 5)
    assert without.nodes[:2] == (0, 5)
    # Two sets of float kernels: sums of 64 products in another order.
    np.testing.assert_allclose(with_delegate.run([IMAGE])[0], without.run([IMAGE])[0], atol=1e-5)


def test_integer_inputs_and_outputs_are_quantized_by_the_runtime() -> None:
    (quantized,) = open_runtime("litert", "none", MODELS / "tiny-int8.tflite", Opening()).run([IMAGE])
    (real,) = open_runtime("litert", "none", FLOAT, Opening()).run([IMAGE])
    assert quantized.dtype == np.float32
    # The output's step is 1/256; static int8 of three layers moves a probability by a few of them.
    np.testing.assert_allclose(quantized, real, atol=5 / 256)


def test_onnx_agrees_with_litert_on_the_same_weights() -> None:
    (ours,) = open_runtime("onnx", "cpu", MODELS / "tiny-float32.onnx", Opening()).run([IMAGE])
    (theirs,) = open_runtime("litert", "none", FLOAT, Opening()).run([IMAGE])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_onnx_tells_how_many_nodes_its_provider_took() -> None:
    delegated, total, left = open_runtime("onnx", "cpu", MODELS / "tiny-float32.onnx", Opening()).nodes
    if total is None:
        pytest.skip("ONNX Runtime tells it from 1.24 on, which Python 3.10 does not have")
    assert (delegated, left) == (total, ())
    assert total > 4


def test_inputs_that_are_not_contiguous_and_not_float32_are_taken() -> None:
    runtime = open_runtime("litert", "xnnpack", FLOAT, Opening())
    turned = IMAGE.astype(np.float64)[:, ::-1]
    expected = runtime.run([np.ascontiguousarray(turned, np.float32)])
    np.testing.assert_array_equal(runtime.run([turned])[0], expected[0])


@pytest.mark.parametrize("delegate", ["none", "xnnpack"])
def test_an_input_that_is_quantized_already_is_taken_as_it_is(delegate: str) -> None:
    runtime = open_runtime("litert", delegate, MODELS / "tiny-int8.tflite", Opening())
    quantized = runtime.quantize(IMAGE)
    assert quantized.dtype == np.int8
    np.testing.assert_array_equal(runtime.run([quantized])[0], runtime.run([IMAGE])[0])


def test_a_result_survives_the_next_inference() -> None:
    runtime = open_runtime("litert", "none", FLOAT, Opening())
    (first,) = runtime.run([IMAGE])
    kept = first.copy()
    runtime.run([np.zeros_like(IMAGE)])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("runtime", "delegate", "file"),
    [
        ("litert", "xnnpack", "tiny-float32.onnx"),
        ("litert", "cuda", "tiny-float32.tflite"),
        ("onnx", "cpu", "tiny-float32.tflite"),
        ("onnx", "tensorrt", "tiny-float32.onnx"),
        ("onnx", "openvino", "tiny-float32.onnx"),
        ("null", "none", "tiny-float32.tflite"),
    ],
)
def test_what_cannot_be_loaded_is_unavailable_and_says_so(runtime: str, delegate: str, file: str) -> None:
    with pytest.raises(UnavailableError, match=f"{runtime}/{delegate}"):
        open_runtime(runtime, delegate, MODELS / file, Opening())


def test_null_answers_zeros(tmp_path: Path) -> None:
    file = tmp_path / "null.json"
    file.write_text('{"outputs": [[1, 3], [1, 2, 2]]}')
    outputs = open_runtime("null", "none", file, Opening()).run([IMAGE])
    assert [output.shape for output in outputs] == [(1, 3), (1, 2, 2)]


def tflite(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """edge-agent in the environment that has tflite-runtime."""
    if not TFLITE_PYTHON.exists():
        pytest.skip("no environment with tflite-runtime (Python up to 3.11): make setup makes it")
    command = [str(TFLITE_PYTHON), "-m", "edge_agent", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)


def test_tflite_runtime_runs_a_static_int8_model(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b.godwit", model(precision="int8"), (MODELS / "tiny-int8.tflite").read_bytes())
    done = tflite("selftest", bundle, "--runtime", "tflite", "--delegate", "none")
    assert done.returncode == 0, done.stderr


def test_tflite_runtime_refuses_what_it_computes_wrongly(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b.godwit", model(), (MODELS / "tiny-dynamic.tflite").read_bytes())
    done = tflite("selftest", bundle, "--runtime", "tflite", "--delegate", "none")
    assert done.returncode == 4
    assert "FULLY_CONNECTED" in done.stderr


def test_the_version_is_that_of_the_package_and_comes_without_a_parser_of_mails() -> None:
    runtime = open_runtime("litert", "none", FLOAT, Opening())
    assert runtime.version == importlib.metadata.version("ai-edge-litert")
    program = (
        "import sys; from pathlib import Path; from edge_agent.runtimes.base import Opening, open_runtime;"
        f"open_runtime('litert', 'none', Path({str(FLOAT)!r}), Opening()); sys.exit('email' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
