"""An ONNX file whose weights lie in another beside it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.converter.conftest import MODELS, Godwit, report, tiny_project


def saved(model: onnx.ModelProto, path: Path) -> Path:
    """With weights.bin beside it, written anew."""
    path.with_name("weights.bin").unlink(missing_ok=True)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return saved(onnx.load(MODELS / "tiny-float32.onnx"), tmp_path / "model.onnx")


def test_other_weights_are_another_model(source: Path, tmp_path: Path, godwit: Godwit) -> None:
    graph, found = source.read_bytes(), []
    for factor in (1, 1, 2):
        model = onnx.load(source)
        weights = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [64, 3])
        weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(factor), weights.name))
        saved(model, source)
        assert source.read_bytes() == graph
        code, out, err = godwit("convert", tiny_project(tmp_path, source), "--recipe", "onnx-float32", "--json")
        assert code == 0, err
        found.append(report(out).profiles[0].bundle_sha256)
    assert found[0] == found[1] != found[2]


def test_its_size_is_theirs(source: Path, tmp_path: Path, godwit: Godwit) -> None:
    os.truncate(source.with_name("weights.bin"), 4 << 30)
    code, _, err = godwit("convert", tiny_project(tmp_path, source), "--dry-run")
    assert code == 2
    assert "fits into 500 MB" in err
    assert "found 4,096 MB" in err


def test_missing_weights_are_named(source: Path, tmp_path: Path, godwit: Godwit) -> None:
    source.with_name("weights.bin").unlink()
    code, _, err = godwit("convert", tiny_project(tmp_path, source), "--recipe", "onnx-float32")
    assert code == 2
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "expected a whole ONNX file" in errors[0]
    assert "weights.bin" in errors[0]
