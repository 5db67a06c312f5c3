"""How images are placed, and what becomes of windows, against independent computations."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edge_agent.flow.geometry import placed
from edge_agent.flow.preprocess import Preprocessor
from edge_agent.runtimes.base import Opening, open_runtime
from edge_agent.runtimes.quantized import Affine
from firmware_profiles.errors import BundleError, InputError
from firmware_profiles.manifest import InputSpec, Tensor
from tests.edge_agent.support import MODELS, images, model

PHOTO = np.random.default_rng(4).integers(0, 256, (48, 80, 3), np.uint8)
WINDOW = np.random.default_rng(6).normal(3, 2, (50, 3)).astype(np.float32)


def preprocessed(raw: Any, shape: tuple[int, ...], quantize: Any = None, **spec: Any) -> Any:
    return Preprocessor(InputSpec(**spec), Tensor("x", [1, *shape], "float32"), quantize)(raw)[0]


def test_a_crop_is_a_share_of_the_image() -> None:
    found = preprocessed(PHOTO, (24, 20, 3), kind="image", height=24, width=20, crop=[0.5, 0.25, 0.25, 0.5])
    np.testing.assert_array_equal(found, PHOTO[12:36, 40:60])


@pytest.mark.parametrize(("resize", "pillow"), [("bilinear", "BILINEAR"), ("bicubic", "BICUBIC"), ("area", "BOX")])
@pytest.mark.parametrize("photo", [PHOTO, PHOTO.transpose(1, 0, 2)])
def test_a_letterbox_is_pillows(photo: Any, resize: str, pillow: str) -> None:
    found = preprocessed(photo, (32, 32, 3), kind="image", height=32, width=32, fit="letterbox", resize=resize, pad=7)
    expected = ImageOps.pad(Image.fromarray(photo), (32, 32), Image.Resampling[pillow], color=(7, 7, 7))
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_a_cropped_centre_is_pillows() -> None:
    found = preprocessed(PHOTO, (24, 24, 3), kind="image", height=24, width=24, fit="crop")
    expected = Image.fromarray(PHOTO).crop((16, 0, 64, 48)).resize((24, 24), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found, np.asarray(expected))


SIZES = st.integers(1, 400)
SHARES = st.tuples(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.01, 1), st.floats(0.01, 1)).map(
    lambda box: [box[0], box[1], min(box[2], 1 - box[0]), min(box[3], 1 - box[1])]
)


@given(SIZES, SIZES, SIZES, SIZES, st.sampled_from(["stretch", "letterbox", "crop"]), st.just([]) | SHARES)
def test_corners_find_their_way_back(
    height: int, width: int, high: int, wide: int, fit: Any, crop: list[float]
) -> None:
    found = placed(InputSpec("image", high, wide, fit=fit, crop=crop), height, width)
    assert 0 <= found.left < found.left + found.width <= width
    assert 0 <= found.top < found.top + found.height <= height
    assert 0 <= found.pad_left <= found.pad_left + found.fitted_width <= wide
    assert 0 <= found.pad_top <= found.pad_top + found.fitted_height <= high
    x = np.array([found.pad_left, found.pad_left + found.fitted_width])
    y = np.array([found.pad_top, found.pad_top + found.fitted_height])
    back_x, back_y = found.back(x, y)
    np.testing.assert_allclose(back_x, [found.left, found.left + found.width], atol=1e-9)
    np.testing.assert_allclose(back_y, [found.top, found.top + found.height], atol=1e-9)
    image = np.zeros((height, width), np.uint8)
    spec = {"kind": "image", "height": high, "width": wide, "colour": "gray", "fit": fit, "crop": crop}
    assert preprocessed(image, (high, wide, 1), **spec).shape == (high, wide, 1)


@pytest.mark.parametrize(
    "spec",
    [
        {"scale": 1 / 255},
        {"scale": 1 / 127.5, "mean": [1.0]},
        {"scale": 1 / 255, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]},
        {"scale": 1 / 255, "mean": [0.4, 0.5, 0.6], "layout": "nchw"},
        {"colour": "bgr", "mean": [1.0, 2.0, 3.0]},
        {"standardise": True},
    ],
)
def test_integers_are_those_that_the_runtime_would_make(spec: dict[str, Any]) -> None:
    shape = (3, 48, 80) if "layout" in spec else (48, 80, 3)
    affine = Affine(0.0173, -7, np.dtype(np.int8))
    spec = {"kind": "image", "height": 48, "width": 80, **spec}
    found = affine.quantize(preprocessed(PHOTO, shape, affine.quantize, **spec))
    np.testing.assert_array_equal(found, affine.quantize(preprocessed(PHOTO, shape, **spec)))
    assert found.dtype == np.int8


def test_a_model_that_takes_bytes_gets_the_pixels_themselves() -> None:
    plain = Affine(0.0, 0, np.dtype(np.uint8))
    found = preprocessed(PHOTO, (48, 80, 3), plain.quantize, kind="image", height=48, width=80)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, PHOTO)


def test_an_int8_model_answers_the_same_by_either_way() -> None:
    of = model(inputs=[Tensor("image", [1, 6, 6, 1], "int8")])
    runtime = open_runtime("litert", "xnnpack", MODELS / "tiny-int8.tflite", Opening())
    looked_up, computed = (Preprocessor(of.pre, of.inputs[0], given) for given in (runtime.quantize, None))
    for raw in images(20):
        assert (looked_up(raw).dtype, computed(raw).dtype) == (np.int8, np.float32)
        np.testing.assert_array_equal(runtime.run([looked_up(raw)])[0], runtime.run([computed(raw)])[0])


def test_means_must_fit_the_channels() -> None:
    with pytest.raises(BundleError, match=r"input\.std: expected 3 numbers, one a channel, or one for all, found 2"):
        preprocessed(PHOTO, (48, 80, 3), kind="image", height=48, width=80, std=[1.0, 2.0])


def test_what_comes_in_is_not_changed() -> None:
    before = WINDOW.copy()
    preprocessed(WINDOW, (50, 3), kind="tensor", scale=2.0, mean=[1.0])
    np.testing.assert_array_equal(WINDOW, before)


def test_a_standardised_window() -> None:
    constant = np.column_stack([WINDOW, np.full(50, 0.1, np.float32)])
    found = preprocessed(constant, (50, 4), kind="tensor", standardise=True)
    for channel in range(3):
        values = WINDOW[:, channel].astype(float).tolist()
        mean, std = statistics.fmean(values), statistics.pstdev(values)
        np.testing.assert_allclose(found[:, channel], [(value - mean) / std for value in values], atol=1e-5)
    np.testing.assert_array_equal(found[:, 3], 0)


def test_statistics_channel_after_channel() -> None:
    names = ["rms", "mean", "std", "max", "min"]
    found = preprocessed(WINDOW, (15,), kind="tensor", statistics=names, mean=[0.0] * 15)
    expected = []
    for values in WINDOW.T.astype(float).tolist():
        rms = math.dist(values, [0.0] * 50) / math.sqrt(50)
        expected += [rms, statistics.fmean(values), statistics.pstdev(values), max(values), min(values)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("raw", [WINDOW[:, :2], WINDOW[:0], WINDOW[np.newaxis], WINDOW * np.nan, WINDOW.astype("U")])
def test_windows_that_give_no_statistics(raw: Any) -> None:
    with pytest.raises(InputError):
        preprocessed(raw, (6,), kind="tensor", statistics=["mean", "std"])
