"""Data on disk, declared pre-processing, declared post-processing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.flow.dataset import open_dataset
from edge_agent.flow.labelled import checked
from edge_agent.flow.postprocess import Postprocessor
from edge_agent.flow.preprocess import Preprocessor
from firmware_profiles.errors import InputError
from firmware_profiles.manifest import InputSpec, OutputSpec, Tensor
from firmware_profiles.results import Classification, Regression
from tests.edge_agent.support import images, model

RGB = np.random.default_rng(2).integers(0, 256, (4, 5, 3), np.uint8)


def preprocessed(raw: Any, shape: tuple[int, ...], **spec: Any) -> Any:
    return Preprocessor(InputSpec(**spec), Tensor("x", [1, *shape], "float32"))(raw)


def post(output: Any, **changes: Any) -> Any:
    """The result of one output tensor of the small model."""
    return Postprocessor(model(**changes))([np.array([output], np.float32)], np.zeros((1, 6, 6, 1)), (6, 6))


def test_scale_mean_and_std_apply_in_that_order_per_channel() -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    tensor = preprocessed(RGB, (4, 5, 3), kind="image", height=4, width=5, scale=1 / 255, mean=mean, std=std)
    expected = (RGB / 255 - np.array(mean)) / np.array(std)
    # One float32 multiplication and addition instead of three float64 operations.
    np.testing.assert_allclose(tensor[0], expected, atol=1e-5)
    assert tensor.dtype == np.float32


def test_layout_and_colour() -> None:
    bgr = preprocessed(RGB, (3, 4, 5), kind="image", height=4, width=5, colour="bgr", layout="nchw")
    np.testing.assert_array_equal(bgr[0], RGB[:, :, ::-1].transpose(2, 0, 1))


def test_gray_is_pillows_gray() -> None:
    gray = preprocessed(RGB, (4, 5, 1), kind="image", height=4, width=5, colour="gray")
    # Pillow computes in integers and rounds down by at most one step.
    np.testing.assert_allclose(gray[0, :, :, 0], np.asarray(Image.fromarray(RGB).convert("L")), atol=1)


def test_gray_images_become_three_equal_channels() -> None:
    tensor = preprocessed(RGB[:, :, 0], (4, 5, 3), kind="image", height=4, width=5)
    np.testing.assert_array_equal(tensor[0], np.repeat(RGB[:, :, :1], 3, axis=2))


@pytest.mark.parametrize("resize", ["bilinear", "nearest", "bicubic", "area"])
def test_other_sizes_are_resized(resize: str) -> None:
    flat = np.full((20, 30, 3), 77, np.uint8)
    tensor = preprocessed(flat, (8, 8, 3), kind="image", height=8, width=8, resize=resize)
    np.testing.assert_array_equal(tensor, np.full((1, 8, 8, 3), 77))


@pytest.mark.parametrize(
    "raw",
    [
        np.zeros((4, 5, 3), np.float32),
        np.zeros((4, 5, 2), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((1, 4, 5, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_an_input_error(raw: Any) -> None:
    with pytest.raises(InputError, match="uint8"):
        preprocessed(raw, (4, 5, 3), kind="image", height=4, width=5)


@pytest.mark.parametrize("raw", [np.zeros(4), np.array(["a", "b", "c"]), np.array([0, np.nan, 1])])
def test_tensors_keep_their_shape_and_are_finite_numbers(raw: Any) -> None:
    np.testing.assert_array_equal(preprocessed(np.arange(3), (3,), kind="tensor", scale=2), [[0, 2, 4]])
    with pytest.raises(InputError):
        preprocessed(raw, (3,), kind="tensor")


def test_classification_is_the_best_classes_first() -> None:
    result = post([1.0, 3.0, 2.0], post=OutputSpec("softmax", 2))
    assert isinstance(result, Classification)
    assert [score.label for score in result.top] == ["bee", "cat"]
    expected = np.exp([3.0, 2.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    np.testing.assert_allclose([score.score for score in result.top], expected, rtol=1e-6)


def test_softmax_does_not_overflow() -> None:
    result = post([0.0, 1e4, 0.0], post=OutputSpec("softmax", 1))
    assert isinstance(result, Classification)
    assert result.top[0].score == 1.0


def test_regression_is_the_values_in_c_order() -> None:
    result = post([[0.0, 1.0], [2.0, 3.0]], task="regression")
    assert result == Regression([0.0, 1.0, 2.0, 3.0])


def test_an_answer_that_is_not_finite_is_no_answer() -> None:
    with pytest.raises(InputError, match="NaN"):
        post([0.1, np.nan, 0.2])


def test_npz_items_and_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=images(5), y=np.array([0, 1, 2, 0, 1]))
    labelled = checked(open_dataset(tmp_path / "d.npz"), model())
    np.testing.assert_array_equal(labelled.data[4], images(5)[4])
    assert labelled.targets is not None
    assert labelled.targets.tolist() == [0, 1, 2, 0, 1]


def test_class_folders_of_images_are_matched_by_label_name(tmp_path: Path) -> None:
    for name, shade in (("cat", 9), ("ant", 200)):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((6, 6), shade, np.uint8)).save(tmp_path / name / "1.png")
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"half written")
    labelled = checked(open_dataset(tmp_path), model())
    assert labelled.targets is not None
    assert list(zip(labelled.data.names, labelled.targets.tolist(), strict=True)) == [
        ("ant/1.png", 0),
        ("cat/1.png", 2),
    ]
    assert labelled.data[0].tolist() == np.full((6, 6), 200).tolist()


def test_csv_columns_and_label_names(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,label,b\n1,bee,2.5\n3,ant,4\n")
    of = model(inputs=[Tensor("x", [1, 2], "float32")], pre=InputSpec(kind="tensor"))
    labelled = checked(open_dataset(tmp_path / "d.csv"), of)
    assert [item.tolist() for item in labelled.data] == [[1.0, 2.5], [3.0, 4.0]]
    assert labelled.targets is not None
    assert labelled.targets.tolist() == [1, 0]


def test_spread_takes_from_the_whole_set(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.arange(100).reshape(100, 1), y=np.arange(100))
    few = open_dataset(tmp_path / "d.npz").spread(5)
    assert few.targets is not None
    assert [int(item[0]) for item in few] == few.targets.tolist() == [0, 25, 50, 74, 99]


def write_odd_data(folder: Path, name: str) -> Path:
    """Data that is wrong in one way."""
    path = folder / "d.npz"
    arrays: dict[str, Any] = {
        "labels out of range": {"x": images(3), "y": np.array([0, 1, 3])},
        "negative labels": {"x": images(3), "y": np.array([0, -1, 1])},
        "labels that are no numbers": {"x": images(3), "y": np.array([0.5, 1.0, 2.0])},
        "fewer labels": {"x": images(3), "y": np.array([0, 1])},
        "float images": {"x": images(3).astype(np.float32)},
        "one axis too few": {"x": images(3)[:, 0]},
        "no items": {"x": images(0)},
        "no x": {"images": images(3)},
        "objects": {"x": np.array([{}, {}], dtype=object)},
    }
    if name in arrays:
        np.savez(path, **arrays[name])
    elif name == "truncated":
        np.savez(path, x=images(3))
        path.write_bytes(path.read_bytes()[:-30])
    elif name == "another format":
        path.write_text("hello")
    return path


@pytest.mark.parametrize(
    "name",
    [
        "labels out of range",
        "negative labels",
        "labels that are no numbers",
        "fewer labels",
        "float images",
        "one axis too few",
        "no items",
        "no x",
        "objects",
        "truncated",
        "another format",
        "missing",
    ],
)
def test_wrong_data_is_an_input_error_that_names_the_file(name: str, tmp_path: Path) -> None:
    path = write_odd_data(tmp_path, name)
    with pytest.raises(InputError, match=r"d\.npz"):
        checked(open_dataset(path), model())


def test_several_problems_are_told_together(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=images(3).astype(np.float32), y=np.array([0, 1, 7]))
    with pytest.raises(InputError) as caught:
        checked(open_dataset(tmp_path / "d.npz"), model())
    assert len(caught.value.problems) == 2
