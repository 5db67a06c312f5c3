"""A model whose answers are not the golden ones is never run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_agent.runtimes.base import Opening
from edge_agent.runtimes.litert import load
from firmware_profiles import bundle
from firmware_profiles.bundle import Bundle
from firmware_profiles.manifest import RuntimeClaim
from tests.edge_agent.support import MODELS, agent, manifest, model, write_bundle

FLOAT = (MODELS / "tiny-float32.tflite").read_bytes()


def corrupted(content: bytes, factor: float = -1) -> bytes:
    """The model with the weights of its convolution multiplied; still a valid model."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    tensors = [entry["index"] for entry in interpreter.get_tensor_details() if tuple(entry["shape"]) == (4, 3, 3, 1)]
    weights = interpreter.get_tensor(tensors[0])
    assert content.count(weights.tobytes()) == 1
    return content.replace(weights.tobytes(), (weights * np.float32(factor)).tobytes())


def test_the_corrupted_model_still_loads(tmp_path: Path) -> None:
    file = tmp_path / "m.tflite"
    file.write_bytes(corrupted(FLOAT))
    load(file, "xnnpack", Opening()).run([np.zeros((1, 6, 6, 1), np.float32)])


def test_selftest_passes_a_whole_bundle(tmp_path: Path) -> None:
    done = agent("selftest", write_bundle(tmp_path / "b.godwit"))
    assert done.returncode == 0, done.stderr
    assert "litert/xnnpack" in done.stdout


@pytest.mark.parametrize("command", [["selftest"], ["predict"]])
def test_a_repacked_model_with_right_hashes_and_wrong_weights_is_refused(command: list[str], tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "b.godwit", content=corrupted(FLOAT), golden_from=FLOAT)
    inputs = [] if command == ["selftest"] else [tmp_path / "x.npy"]
    np.save(tmp_path / "x.npy", np.zeros((6, 6), np.uint8))
    done = agent(*command, path, *inputs)
    assert done.returncode == 5
    assert "golden input 0" in done.stderr
    assert done.stdout == ""


def test_answers_a_little_off_with_the_same_class_are_refused_too(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "b.godwit", content=corrupted(FLOAT, 1.01), golden_from=FLOAT)
    done = agent("selftest", path)
    assert done.returncode == 5
    assert "off by 0.00" in done.stderr


def test_the_tolerance_is_what_decides(tmp_path: Path) -> None:
    tolerant = model(runtimes=[RuntimeClaim("litert", "xnnpack", "2.1.0", 1.0)])
    path = write_bundle(tmp_path / "b.godwit", tolerant, corrupted(FLOAT), golden_from=FLOAT)
    assert agent("selftest", path).returncode == 0


def test_a_bundle_without_golden_vectors_is_not_run(tmp_path: Path) -> None:
    done = agent("selftest", write_bundle(tmp_path / "b.godwit", model(golden="")))
    assert done.returncode == 2
    assert "golden vectors" in done.stderr


def test_a_newer_runtime_than_installed_is_asked_for(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "b.godwit")
    with Bundle(path) as whole:
        members = {name: whole.read(name) for name in whole.manifest.files}
    future = model(runtimes=[RuntimeClaim("litert", "xnnpack", "99.0", 1e-4)])
    bundle.write(path, manifest(future), members)
    done = agent("selftest", path)
    assert done.returncode == 4
    assert "version 99.0 or newer" in done.stderr
