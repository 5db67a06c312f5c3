"""Each runtime runs a real model, counts what its delegate took, and refuses what it cannot do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_agent.runtimes.base import open_runtime
from firmware_profiles.errors import UnavailableError
from tests.edge_agent.support import MODELS, model, write_bundle

FLOAT = MODELS / "tiny-float32.tflite"
IMAGE = np.random.default_rng(5).random((1, 6, 6, 1), np.float32)
TFLITE_PYTHON = Path(__file__).parents[2] / "build" / "tflite-venv" / "bin" / "python"


def test_xnnpack_takes_every_node_of_a_float_model() -> None:
    with_delegate = open_runtime("litert", "xnnpack", FLOAT, 1)
    without = open_runtime("litert", "none", FLOAT, 1)
    assert with_delegate.nodes[:2] == (5, 5)
    assert without.nodes[:2] == (0, 5)
    # Two sets of float kernels: sums of 64 products in another order.
    np.testing.assert_allclose(with_delegate.run([IMAGE])[0], without.run([IMAGE])[0], atol=1e-5)


def test_integer_inputs_and_outputs_are_quantized_by_the_runtime() -> None:
    (quantized,) = open_runtime("litert", "none", MODELS / "tiny-int8.tflite", 1).run([IMAGE])
    (real,) = open_runtime("litert", "none", FLOAT, 1).run([IMAGE])
    assert quantized.dtype == np.float32
    # The output's step is 1/256; static int8 of three layers moves a probability by a few of them.
    np.testing.assert_allclose(quantized, real, atol=5 / 256)


def test_onnx_agrees_with_litert_on_the_same_weights() -> None:
    (ours,) = open_runtime("onnx", "cpu", MODELS / "tiny-float32.onnx", 1).run([IMAGE])
    (theirs,) = open_runtime("litert", "none", FLOAT, 1).run([IMAGE])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_result_survives_the_next_inference() -> None:
    runtime = open_runtime("litert", "none", FLOAT, 1)
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
        ("null", "none", "tiny-float32.tflite"),
    ],
)
def test_what_cannot_be_loaded_is_unavailable_and_says_so(runtime: str, delegate: str, file: str) -> None:
    with pytest.raises(UnavailableError, match=f"{runtime}/{delegate}"):
        open_runtime(runtime, delegate, MODELS / file, 1)


def test_null_answers_zeros(tmp_path: Path) -> None:
    file = tmp_path / "null.json"
    file.write_text('{"outputs": [[1, 3], [1, 2, 2]]}')
    outputs = open_runtime("null", "none", file, 1).run([IMAGE])
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
