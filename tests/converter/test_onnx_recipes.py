"""Every ONNX recipe, on nets new and old: it works, or is declined with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from converter import macs
from converter.formats import base
from converter.formats.onnx import tensors
from converter.passes import int4_onnx
from converter.passes.noise import exactly
from converter.passes.quantize_onnx import OnnxQuantizer, layers
from converter.passes.session_onnx import session
from converter.protocol import Export, Rank
from converter.recipes import BY_NAME, RECIPES, Recipe, Scope
from tests.converter import old_onnx
from tests.converter.conftest import MODELS, Godwit, images, tiny_project

NAMES = [str(recipe.name) for recipe in RECIPES if recipe.format == "onnx"]
TINY = MODELS / "tiny-float32.onnx"
LARGEST_ERROR = {"onnx-float32": 1e-5, "onnx-float16": 0.01, "onnx-int4-weights": 0.2, "onnx-int8-entropy": 0.2}
"""Root mean square, as a share of the answers' spread: rounding, or so many bits in nets of random weights;
entropy also clips, more where it saw few values."""
INT8_ERROR = 0.1


def items_for(shape: list[int]) -> Any:
    """100 items of the shape, without its batch axis."""
    if shape[1:] == [6, 6, 1]:
        return (images(100)[..., np.newaxis] / 255).astype(np.float32)
    return np.random.default_rng(0).normal(0, 1, (100, *shape[1:])).astype(np.float32)


def exported(source: Path, folder: Path, *recipes: Recipe) -> dict[str, Path]:
    """Files by the recipes, of one loaded model."""
    model = base.load(source, "onnx")
    shape = [1, *model.describe().inputs[0].shape[1:]]
    np.savez(folder / "calibration.npz", t0=items_for(shape))
    files = {}
    for recipe in recipes:
        files[recipe.name] = folder / recipe.file
        model.export(Export(recipe, shape, str(folder / "calibration.npz"), str(files[recipe.name])))
    return files


def answers(file: Path, items: Any) -> Any:
    opened = session(str(file))
    name = opened.get_inputs()[0].name
    return np.concatenate([opened.run(None, {name: item[np.newaxis]})[0] for item in items])


def kinds(file: Path) -> set[str]:
    return {node.op_type for node in onnx.load(file).graph.node}


def zero_points(file: Path) -> list[Any]:
    """Of every quantized tensor but biases, which have none."""
    graph = onnx.load(file).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    found = [constants[node.input[2]] for node in nodes if len(node.input) == 3]
    assert found
    return found


def relu_only(path: Path) -> Path:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", ports[:1], ports[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("source", ["tiny", "convnet 7", "convnet 8", "convnet 12", "recurrent 8"])
def test_every_recipe_works(tmp_path: Path, source: str) -> None:
    make, _, opset = source.partition(" ")
    path = getattr(old_onnx, make)(tmp_path / "source.onnx", int(opset)) if opset else TINY
    files = exported(path, tmp_path, *(BY_NAME[name] for name in NAMES))
    items = items_for(list(tensors(files["onnx-float32"])[0][0].shape))
    expected = answers(path, items)
    for name, file in files.items():
        onnx.checker.check_model(onnx.load(file), full_check=True)
        (input_,), (output,) = tensors(file)
        assert (input_.dtype, output.dtype) == ("float32", "float32")
        assert macs.of_onnx(file) == macs.of_onnx(files["onnx-float32"])
        error = float(np.sqrt(np.mean((answers(file, items) - expected) ** 2)) / expected.std())
        assert error < LARGEST_ERROR.get(name, INT8_ERROR), name


def test_what_the_names_promise(tmp_path: Path) -> None:
    names = ["onnx-float32", "onnx-float16", "onnx-int8", "onnx-int8-symmetric", "onnx-int8-dynamic", "onnx-a16w8"]
    files = exported(old_onnx.convnet(tmp_path / "old.onnx", 8), tmp_path, *(BY_NAME[name] for name in names))
    assert "QuantizeLinear" not in kinds(files["onnx-float32"])
    half = onnx.load(files["onnx-float16"]).graph
    assert {tensor.data_type for tensor in half.initializer if tensor.dims} <= {TensorProto.FLOAT16, TensorProto.INT64}
    assert {"int8", "uint8"} <= {each.dtype.name for each in zero_points(files["onnx-int8"])}
    symmetric = zero_points(files["onnx-int8-symmetric"])
    assert not any(
        tensor.data_type == TensorProto.INT32 for tensor in onnx.load(files["onnx-int8-symmetric"]).graph.initializer
    )
    assert {each.dtype.name for each in symmetric} == {"int8"}
    assert not any(each.any() for each in symmetric)
    assert "uint16" in {each.dtype.name for each in zero_points(files["onnx-a16w8"])}
    assert {"ConvInteger", "MatMulInteger"} <= kinds(files["onnx-int8-dynamic"])


@pytest.mark.parametrize("name", [name for name in NAMES if BY_NAME[name].weights in ("int8", "int4")])
def test_a_model_that_nothing_applies_to_is_declined(tmp_path: Path, name: str) -> None:
    with pytest.raises(base.NoRouteError, match="none of its operators has a form with"):
        exported(relu_only(tmp_path / "relu.onnx"), tmp_path, BY_NAME[name])


@pytest.mark.parametrize("name", ["onnx-int8", "onnx-int8-dynamic", "onnx-int4-weights", "onnx-float16"])
def test_a_scope_leaves_a_layer_as_it_is(tmp_path: Path, name: str) -> None:
    source = onnx.load(TINY)
    *_, second, last = layers(OnnxQuantizer(source).model)
    recipe = msgspec.structs.replace(BY_NAME[name], scopes=(Scope(exactly(last), "onnx-float32"),))
    whole = exported(TINY, tmp_path, BY_NAME[name])[name]
    file = exported(TINY, tmp_path, msgspec.structs.replace(recipe, name=f"{name}-last"))[f"{name}-last"]

    def floats(path: Path) -> set[tuple[int, ...]]:
        """Shapes of the float32 matrices."""
        constants = onnx.load(path).graph.initializer
        return {tuple(each.dims) for each in constants if each.data_type == TensorProto.FLOAT and len(each.dims) == 2}

    assert second != last
    assert floats(whole) == set()
    assert floats(file) == {(64, 3)}


def test_a_model_is_simplified(tmp_path: Path) -> None:
    source = old_onnx.convnet(tmp_path / "old.onnx", 8)
    file = exported(source, tmp_path, BY_NAME["onnx-float32"])["onnx-float32"]
    assert kinds(source) - kinds(file) == {"BatchNormalization", "Dropout", "Pad", "Reshape"}
    assert file.stat().st_size < source.stat().st_size * 0.97


def test_a_form_that_answers_otherwise_is_not_used(tmp_path: Path) -> None:
    """onnx's version converter turns Hardmax, which took whole rows up to opset 12, into one of single axes."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4, 8)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Hardmax", ["x"], ["y"], axis=1)], "g", ports[:1], ports[1:])
    source = tmp_path / "source.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3), source)
    items = items_for([1, 4, 8])
    file = exported(source, tmp_path, BY_NAME["onnx-float32"])["onnx-float32"]
    assert np.array_equal(answers(file, items), answers(source, items))
    with pytest.raises(base.NoRouteError, match="needs opset 13, in which"):
        exported(source, tmp_path, BY_NAME["onnx-int8"])


def test_layers_are_compared_and_ranked(tmp_path: Path) -> None:
    """The second convolution has one channel a thousand times as large as the others: its activations suffer most."""
    model = onnx.load(old_onnx.convnet(tmp_path / "old.onnx", 12))
    scale = next(tensor for tensor in model.graph.initializer if tensor.name == "two_scale")
    scale.CopyFrom(numpy_helper.from_array(np.array([1000, *[1] * 7], np.float32), scale.name))
    onnx.save(model, tmp_path / "wild.onnx")
    loaded = base.load(tmp_path / "wild.onnx", "onnx")
    np.savez(tmp_path / "calibration.npz", t0=items_for([1, 1, 8, 8]))
    recipe, calibration = BY_NAME["onnx-int8"], str(tmp_path / "calibration.npz")
    told = loaded.export(Export(recipe, [1, 1, 8, 8], calibration, str(tmp_path / "int8.onnx")))
    found = {layer.name: layer.snr_db for layer in told.layers}
    assert {"one_clip", "two_norm", "total", "pooled", "scores"} <= set(found)
    assert all(10 < snr_db < 60 for snr_db in found.values()), found
    assert isinstance(loaded, base.Quantizable)
    ranked = loaded.rank(Rank(recipe, [1, 1, 8, 8], calibration))
    assert ranked == sorted(ranked, key=lambda layer: layer.snr_db)
    assert ranked[0].name == "two_norm"
    assert {layer.name for layer in ranked} == {"one_norm", "two_norm", "hidden", "scores"}
    assert {layer.pattern for layer in ranked} == {exactly(layer.name) for layer in ranked}


def test_ranges_differ_by_calibration(tmp_path: Path) -> None:
    names = ["onnx-int8", "onnx-int8-minmax", "onnx-int8-entropy", "onnx-int8-mse"]
    files = exported(old_onnx.convnet(tmp_path / "old.onnx", 8), tmp_path, *(BY_NAME[name] for name in names))
    assert len({file.read_bytes() for file in files.values()}) == len(names)


def test_weights_beside_the_file_are_taken_along(tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    path = old_onnx.convnet(apart / "source.onnx", 11)
    expected = answers(path, items_for([1, 1, 8, 8]))
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    files = exported(path, tmp_path, BY_NAME["onnx-float32"], BY_NAME["onnx-int8"])
    quantized = onnx.load(files["onnx-int8"])
    onnx.save(quantized, apart / "int8.onnx", save_as_external_data=True, location="int8.bin", size_threshold=0)
    (tmp_path / "again").mkdir()
    passed_on = exported(apart / "int8.onnx", tmp_path / "again", BY_NAME["onnx-int8"])["onnx-int8"]
    before = answers(files["onnx-int8"], items_for([1, 1, 8, 8]))
    for file in apart.iterdir():
        file.unlink()
    np.testing.assert_allclose(answers(files["onnx-float32"], items_for([1, 1, 8, 8])), expected, atol=1e-5)
    assert np.array_equal(answers(passed_on, items_for([1, 1, 8, 8])), before)


@given(arrays(np.float32, st.tuples(st.integers(1, 70), st.integers(1, 5)), elements=st.floats(-100, 100, width=32)))
def test_int4_rounds_to_the_nearest_level(weights: Any) -> None:
    packed, scales = int4_onnx.blocks(weights)
    levels = np.stack([packed & 15, packed >> 4], -1).reshape(*packed.shape[:2], -1).astype(np.float32) - 8
    back = (levels * scales[..., np.newaxis]).reshape(weights.shape[1], -1)[:, : len(weights)].T
    # Half a level, but at the end that has no level of its own a whole one; and float32's rounding.
    largest = np.repeat(np.abs(scales), int4_onnx.BLOCK, axis=1)[:, : len(weights)].T
    assert (np.abs(back - weights) <= largest * 1.0001 + 1e-30).all()
    inner = np.abs(weights) <= 7 * largest
    assert (np.abs(back - weights)[inner] <= (largest * 0.5001 + 1e-30)[inner]).all()


def test_a_scope_of_another_recipe_is_refused(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path)
    scope = '{layers = "dense", recipe = "onnx-int4-weights"}'
    recipe = f'[[recipe]]\nname = "onnx-mine"\nbase = "onnx-int8"\nscope = [{scope}]'
    project.write_text(f"{project.read_text()}\n{recipe}\n")
    code, _, err = godwit("convert", project, "--dry-run")
    assert code == 2
    assert "expected onnx-float32, all that ONNX scopes know, found onnx-int4-weights" in err
