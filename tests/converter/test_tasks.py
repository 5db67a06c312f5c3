"""Detection, segmentation, anomaly and embedding from the project file to the bundle's answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter import project
from tests.converter.conftest import Godwit, report, tiny_project
from tests.converter.make_tasks import autoencoder, detector, segmenter

GRAY: dict[str, Any] = {"kind": "image", "colour": "gray", "layout": "nchw", "scale": 1 / 255}
TENSOR: dict[str, Any] = {"kind": "tensor", "colour": None, "scale": None}
CHOSEN: dict[str, Any] = {"detection": {"decoder": "boxes_scores_classes"}, "threshold": 0.5}


def pictures(count: int = 120) -> Any:
    """uint8 [n, 8, 8]: each quarter is dark or bright."""
    bright = np.random.default_rng(9).random((count, 2, 2)) < 0.5
    return np.kron(np.where(bright, 220, 20), np.ones((4, 4))).astype(np.uint8)


def converted(folder: Path, godwit: Godwit, y: Any, **tables: Any) -> Any:
    """The report of one recipe; x is `pictures`, or of 16 numbers, alike or not."""
    path = tiny_project(folder, **tables)
    x = pictures()
    if tables["input"]["kind"] == "tensor":
        alike = np.random.default_rng(2).normal(0, 3, (120, 1)) + np.zeros(16)
        alike[1::2] += np.random.default_rng(3).normal(0, 1, (60, 16))
        x = alike.astype(np.float32)
    np.savez(folder / "calibration.npz", x=x)
    np.savez(folder / "evaluation.npz", x=x, **({} if y is None else {"y": y}))
    code, out, err = godwit("convert", path, "--recipe", "onnx-float32", "--out", folder / "out", "--json")
    assert code == 0, err
    return report(out)


def predicted(folder: Path, item: Any) -> Any:
    """What the bundle says about one raw input."""
    np.save(folder / "one.npy", item)
    (bundle,) = (folder / "out").glob("*.godwit")
    command = [sys.executable, "-m", "edge_agent", "predict", bundle, folder / "one.npy", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["result"]


def objects(items: Any) -> Any:
    """The bright quarters [n, 4, 5]: class, left, top, right, bottom in pixels; class -1 where one is dark."""
    boxes = np.array([[0, 0, 0, 4, 4], [1, 4, 0, 8, 4], [1, 0, 4, 4, 8], [0, 4, 4, 8, 8]], np.float32)
    rows = np.repeat(boxes[np.newaxis], len(items), axis=0)
    rows[items[:, ::4, ::4].reshape(-1, 4) < 128, 0] = -1
    return rows


def test_detections_are_judged_by_their_mean_average_precision(tmp_path: Path, godwit: Godwit) -> None:
    y = objects(pictures())
    y[:60, :, 0] = -1  # in half of the images every detection is one too many
    model = {"task": "detection", "source": str(detector(tmp_path / "d.onnx")), "labels": ["even", "odd"]}
    found = converted(tmp_path, godwit, y, model=model, input=GRAY, output=CHOSEN)
    assert (found.metric, found.yardstick) == ("map", "mean average precision, lost against float in percentage points")
    told = found.candidates[0].told
    assert told is not None
    assert 0.3 < told.score < 0.7
    first = predicted(tmp_path, pictures()[0])["objects"][0]
    row = objects(pictures()[:1])[0, {"even": 0, "odd": 1}[first["label"]]]
    assert first["score"] == pytest.approx(220 / 255, abs=1e-3)
    assert {"left", "top", "right", "bottom"} == set(first["box"])
    assert row.shape == (5,)


def test_without_labels_float_is_right(tmp_path: Path, godwit: Godwit) -> None:
    model = {"task": "detection", "source": str(detector(tmp_path / "d.onnx"))}
    found = converted(tmp_path, godwit, None, model=model, input=GRAY, output=CHOSEN)
    assert (found.metric, found.candidates[0].told.drop_points) == ("none", 0)
    assert found.yardstick == "mean average precision, lost in points, where float is right (the data has no labels)"


def test_segmentations_are_judged_by_their_intersection_over_union(tmp_path: Path, godwit: Godwit) -> None:
    y = (pictures() > 128).astype(np.uint8)
    y[:, 0] = 255  # the first row has no label
    model = {"task": "segmentation", "source": str(segmenter(tmp_path / "s.onnx")), "labels": ["dark", "bright"]}
    found = converted(tmp_path, godwit, y, model=model, input=GRAY)
    assert (found.metric, found.candidates[0].told.score) == ("miou", 1.0)
    share = float(np.mean(pictures()[0] > 128))
    shares = {each["label"]: each["share"] for each in predicted(tmp_path, pictures()[0])["classes"]}
    assert shares.get("bright", 0) == share


def test_anomalies_are_judged_by_the_area_under_their_curve(tmp_path: Path, godwit: Godwit) -> None:
    model = {"task": "anomaly", "source": str(autoencoder(tmp_path / "a.onnx"))}
    y = np.arange(120) % 2
    found = converted(tmp_path, godwit, y, model=model, input=TENSOR, output={"threshold": 0.1})
    assert (found.metric, found.candidates[0].told.score) == ("auc", 1.0)
    assert predicted(tmp_path, np.full(16, 2, np.float32)) == {"task": "anomaly", "score": 0.0, "is_anomaly": False}
    assert predicted(tmp_path, np.arange(16, dtype=np.float32))["is_anomaly"] is True


def test_embeddings_are_compared_with_floats_whatever_the_labels(tmp_path: Path, godwit: Godwit) -> None:
    model = {"task": "embedding", "source": str(autoencoder(tmp_path / "a.onnx"))}
    found = converted(tmp_path, godwit, np.arange(120), model=model, input=TENSOR, output={"normalise": True})
    assert (found.metric, found.candidates[0].told.drop_points) == ("none", 0)
    assert predicted(tmp_path, np.full(16, 2, np.float32))["vector"] == pytest.approx([0.25] * 16)


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (np.zeros((120, 4)), "finite numbers [n, objects, 5], found float64 of shape (120, 4)"),
        (np.full((120, 1, 5), 2.0), "classes from 0 to 1, found 2 to 2"),
        (np.tile([0, 4, 0, 4, 1], (120, 1, 1)), "left before right"),
        (np.full((120, 1, 5), -1), "at least one object, for the metric map, found none"),
    ],
)
def test_labels_of_detections_that_cannot_be(tmp_path: Path, godwit: Godwit, y: Any, told: str) -> None:
    model = {"task": "detection", "source": str(detector(tmp_path / "d.onnx")), "labels": ["even", "odd"]}
    path = tiny_project(tmp_path, model=model, input=GRAY, output=CHOSEN)
    np.savez(tmp_path / "calibration.npz", x=pictures())
    np.savez(tmp_path / "evaluation.npz", x=pictures(), y=y)
    code, _, err = godwit("convert", path, "--recipe", "onnx-float32")
    assert (code, told in err) == (2, True), err


@pytest.mark.parametrize(
    ("make", "task", "told"),
    [
        (detector, "detection", 'decoder = "boxes_scores_classes"'),
        (segmenter, "segmentation", "activation"),
        (autoencoder, "anomaly", "threshold"),
    ],
)
def test_init_guesses_the_task(tmp_path: Path, godwit: Godwit, make: Any, task: str, told: str) -> None:
    x = pictures() if make is not autoencoder else np.zeros((20, 16), np.float32)
    np.savez(tmp_path / "d.npz", x=x)
    source = make(tmp_path / "m.onnx")
    code, _, err = godwit("init", source, "--data", tmp_path / "d.npz", "--output", tmp_path / "godwit.toml")
    assert code == 0, err
    text = (tmp_path / "godwit.toml").read_text()
    assert f'task = "{task}"' in text
    assert told in text.partition("[output]")[2].partition("[data]")[0]
    assert project.load(tmp_path).file.model.task == task
