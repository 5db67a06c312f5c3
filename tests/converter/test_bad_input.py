"""Bad input to `convert` and `init`: one line an error, exit code 2, nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.converter.conftest import MODELS, Godwit, images, tiny_project


def refused(godwit: Godwit, project: Path, *more: str) -> list[str]:
    """The lines of the error."""
    before = sorted(project.parent.rglob("*"))
    code, out, err = godwit("convert", project, *more)
    lines = [line for line in err.splitlines() if not line.startswith("[")]
    assert code == 2, err
    assert out == ""
    assert all(line.startswith("error: ") and "expected" in line and "; " in line for line in lines), lines
    assert sorted(project.parent.rglob("*")) == before
    return lines


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": images(20)[:, :5, :4, None].repeat(2, axis=3)}, "evaluation.npz"),
        ({"x": images(20).astype(np.float64)}, "evaluation.npz"),
        ({"x": images(20), "y": np.arange(20)}, "labels from 0 to 2"),
        ({"x": images(20), "y": np.full(20, -1)}, "labels from 0 to 2"),
        ({"x": images(20), "y": np.arange(19) % 3}, "as many labels as items (20)"),
        ({"x": images(20), "y": np.linspace(0, 2, 20)}, "whole numbers"),
        ({"x": images(0)}, "at least one item"),
        ({"images": images(20)}, "an array x"),
    ],
)
def test_evaluation_data_that_does_not_fit(tmp_path: Path, godwit: Godwit, arrays: dict[str, Any], told: str) -> None:
    project = tiny_project(tmp_path)
    np.savez(tmp_path / "evaluation.npz", **arrays)
    lines = refused(godwit, project)
    assert len(lines) == 1
    assert "evaluation.npz" in lines[0]
    assert told in lines[0]


def test_both_data_sets_are_told_at_once(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path)
    np.savez(tmp_path / "evaluation.npz", x=images(0))
    (tmp_path / "calibration.npz").write_bytes(b"not an archive")
    lines = refused(godwit, project)
    assert len(lines) == 2
    assert "calibration.npz" in lines[0]
    assert "evaluation.npz" in lines[1]


def test_a_label_out_of_range_far_behind_is_found_too(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path)
    y = np.zeros(3000, np.int64)
    y[1237] = 3
    np.savez(tmp_path / "evaluation.npz", x=images(3000), y=y)
    assert "labels from 0 to 2" in refused(godwit, project)[0]


@pytest.mark.parametrize("name", ["tiny-float32.onnx", "tiny-float32.tflite"])
def test_a_truncated_model(tmp_path: Path, godwit: Godwit, name: str) -> None:
    source = tmp_path / name
    source.write_bytes((MODELS / name).read_bytes()[:3000])
    lines = refused(godwit, tiny_project(tmp_path, source))
    assert len(lines) == 1
    assert str(source) in lines[0]


def test_weights_that_are_no_numbers(tmp_path: Path, godwit: Godwit) -> None:
    model = onnx.load(MODELS / "tiny-float32.onnx")
    index = next(i for i, each in enumerate(model.graph.initializer) if each.data_type == onnx.TensorProto.FLOAT)
    weights = onnx.numpy_helper.to_array(model.graph.initializer[index]).copy()
    weights.flat[0] = np.nan
    name = model.graph.initializer[index].name
    model.graph.initializer[index].CopyFrom(onnx.numpy_helper.from_array(weights, name))
    onnx.save(model, tmp_path / "nan.onnx")
    lines = refused(godwit, tiny_project(tmp_path, tmp_path / "nan.onnx"))
    assert len(lines) == 1
    assert f"found NaN in {name};" in lines[0]


def test_an_open_axis_is_named_and_can_be_closed(tmp_path: Path, godwit: Godwit) -> None:
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", "time", 3]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Softmax", ["x"], ["y"])], "g", [x], [y])
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "open.onnx")
    tensor = {"kind": "tensor", "colour": None, "scale": 1.0}
    lines = refused(godwit, tiny_project(tmp_path, tmp_path / "open.onnx", input=tensor))
    assert len(lines) == 1
    assert "found ?×3, open at axis 1 (axis 0 is the batch); give model.input_shape, as in [16, 3]" in lines[0]
    project = tiny_project(tmp_path, tmp_path / "open.onnx", input=tensor, model={"input_shape": [5, 3]})
    assert "found ?×3, open" not in refused(godwit, project)[0]  # it is the images now that do not fit
    project = tiny_project(tmp_path, tmp_path / "open.onnx", input=tensor, model={"input_shape": [5, 4]})
    assert "expected the model's own ?×3, found [5, 4]" in refused(godwit, project)[0]


def test_a_model_too_large_for_a_profile_is_refused_before_it_is_loaded(tmp_path: Path, godwit: Godwit) -> None:
    source = tmp_path / "large.onnx"
    source.write_bytes((MODELS / "tiny-float32.onnx").read_bytes()[:64])  # it could not be loaded
    with source.open("ab") as stream:
        stream.truncate(1 << 30)
    project = tiny_project(tmp_path, source)
    line = refused(godwit, project, "--target", "raspberry-pi-5")[0]
    assert "fits into 128 MB on raspberry-pi-5, found 1,024 MB, at least 256 MB after conversion" in line


def test_a_model_of_another_format(tmp_path: Path, godwit: Godwit) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(b"\x80\x02}q\x00.")
    lines = refused(godwit, tiny_project(tmp_path, source))
    assert "found a Python pickle" in lines[0]


def test_declarations_that_contradict_the_model(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, model={"labels": ["ant", "bee"]}, input={"height": 8, "width": 8, "colour": "rgb"})
    lines = refused(godwit, project)
    assert [part in line for part, line in zip(("6×6", "1 channels", "3 labels"), lines, strict=True)] == [True] * 3


def test_unknown_profile_and_recipe(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path)
    assert "did you mean 'raspberry-pi-5'?" in refused(godwit, project, "--target", "rasberry-pi-5")[0]
    assert "did you mean 'onnx-int8'?" in refused(godwit, project, "--recipe", "onnx-imt8")[0]


def test_too_few_items_for_golden_inputs(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, golden={"inputs": "evaluation", "count": 16})
    np.savez(tmp_path / "evaluation.npz", x=images(15))
    assert "at least 16 items for golden inputs" in refused(godwit, project)[0]


def test_init_writes_a_project_that_loads_and_never_over_another(tmp_path: Path, godwit: Godwit) -> None:
    tiny_project(tmp_path)
    output = tmp_path / "first.toml"
    arguments = ("init", MODELS / "tiny-float32.onnx", "--data", tmp_path / "evaluation.npz", "--output", output)
    code, _, err = godwit(*arguments)
    assert code == 0, err
    text = output.read_text()
    assert 'kind = "image"' in text
    assert 'colour = "gray"' in text
    assert godwit("convert", output, "--dry-run")[0] == 0
    code, _, err = godwit(*arguments)
    assert code == 2
    assert "expected no such file yet" in err
    assert output.read_text() == text


def test_init_refuses_data_that_does_not_fit(tmp_path: Path, godwit: Godwit) -> None:
    np.savez(tmp_path / "odd.npz", x=np.zeros((4, 9), np.float32))
    output = tmp_path / "first.toml"
    code, _, err = godwit("init", MODELS / "tiny-float32.onnx", "--data", tmp_path / "odd.npz", "--output", output)
    assert code == 2
    assert "odd.npz" in err
    assert not output.exists()
