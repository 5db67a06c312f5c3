"""The accuracy that is promised on published models: at most one point lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converter.report import Report
from tests.converter.conftest import DATA, Godwit, report, tiny_project

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real models and data are not beside the checkout"),
]

CIFAR = DATA / "cifar10"
RESNET8 = CIFAR / "models" / "resnet8_mlperf_keras.h5"
PIXELS = {"kind": "image", "colour": "rgb", "scale": 1.0}
IMAGENET = {"layout": "nchw", "scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
IMAGES = {
    "calibration": str(CIFAR / "data" / "calib_train_2000.npz"),
    "evaluation": str(CIFAR / "data" / "test_1000.npz"),
}


def converted(godwit: Godwit, project: Path, *more: str) -> Report:
    code, out, err = godwit("convert", project, "--json", *more)
    assert code == 0, err
    return report(out)


def check(result: Report, float_accuracy: float, *recipes: str) -> None:
    """The published accuracy to one item in a thousand; each recipe at most one point below it."""
    reference = result.candidate(result.reference)
    halves = [each for each in (reference.chosen_on, reference.confirmed_on) if each]
    right = sum((each.score or 0) * each.items for each in halves)
    assert sum(each.items for each in halves) == result.items
    assert right / result.items == pytest.approx(float_accuracy, abs=0.0011)
    for recipe in recipes:
        candidate = result.candidate(recipe)
        assert candidate.outcome == "measured", candidate.reason
        assert candidate.told is not None
        assert candidate.told.drop_points <= 1.0, recipe


def test_resnet8_on_cifar10(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, RESNET8, input=PIXELS, data=IMAGES, goal={"max_drop_points": 1.0})
    result = converted(godwit, project)
    check(result, 0.881, "tflite-int8", "onnx-float32", "onnx-int8")
    int8 = result.candidate("tflite-int8")
    assert int8.size_bytes <= 90_384, "the smallest that other tools make of it"
    assert int8.left_nodes == [], "XNNPACK takes all of it, the pooling and the softmax too"


def test_ds_cnn_on_keywords(tmp_path: Path, godwit: Godwit) -> None:
    with np.load(DATA / "kws" / "data" / "kws_mfcc_1000.npz") as arrays:
        x, y = arrays["x"], arrays["y"]
    tensor = {"kind": "tensor", "colour": None, "scale": 1.0}
    source = DATA / "kws" / "models" / "kws_ref_model"
    project = tiny_project(tmp_path, source, input=tensor, goal={"max_drop_points": 1.0})
    np.savez(tmp_path / "calibration.npz", x=x[:200], y=y[:200])
    np.savez(tmp_path / "evaluation.npz", x=x, y=y)
    result = converted(godwit, project)
    check(result, 0.914, "tflite-int8", "onnx-float32", "onnx-int8")
    int8 = result.candidate("tflite-int8")
    assert int8.size_bytes <= 46_000, "other tools make one of 45,232 bytes, three times slower than float"
    assert int8.left_nodes == []


def test_alibabas_net_on_cifar10(tmp_path: Path, godwit: Godwit) -> None:
    source = CIFAR / "models" / "mobilenetlike_alibaba_ic.onnx"
    project = tiny_project(
        tmp_path, source, input={**IMAGENET, "colour": "rgb"}, data=IMAGES, goal={"max_drop_points": 1.0}
    )
    result = converted(godwit, project)
    check(result, 0.827, "onnx-int8")
    assert result.candidate("onnx-int8").size_bytes <= 225_000, "the smallest that other tools make of it has 225,248"


@pytest.mark.parametrize("recipe", ["tflite-int8", "onnx-int8"])
def test_two_clean_runs_of_a_keras_model_give_the_same_bytes(tmp_path: Path, godwit: Godwit, recipe: str) -> None:
    found = set()
    for run in ("first", "second"):
        project = tiny_project(tmp_path / run, RESNET8, input=PIXELS, data=IMAGES)
        found.add(converted(godwit, project, "--recipe", recipe, "--no-cache").profiles[0].bundle_sha256)
    assert len(found) == 1
