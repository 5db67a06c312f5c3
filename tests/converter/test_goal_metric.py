"""The metric that a goal names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.converter.conftest import MODELS, Godwit, images, report, tiny_project

TFLITE = MODELS / "tiny-float32.tflite"
OWN = """\
import numpy as np

def right(outputs, targets):
    print("a word that nobody may mistake for the number")
    return np.mean(outputs.argmax(axis=1) == targets) * 10

def broken(outputs, targets):
    return outputs["x"]

def nothing(outputs, targets):
    return float("nan")

def crash(outputs, targets):
    import os
    os.abort()
"""


def test_f1_decides_and_is_shown(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, TFLITE, goal={"metric": "f1", "max_drop_points": 100})
    code, out, err = godwit("convert", project, "--recipe", "tflite-int8", "--json")
    assert code == 0, err
    result = report(out)
    assert (result.metric, result.yardstick) == ("f1", "macro F1, lost against float in percentage points")
    found = result.candidate("tflite-int8").chosen_on
    assert found is not None
    assert found.drop_low_points is not None
    assert found.drop_low_points <= found.drop_points <= (found.drop_high_points or 0)


def test_a_metric_of_ones_own(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, TFLITE, goal={"metric": "mine:right", "max_drop_points": 100})
    (tmp_path / "mine.py").write_text(OWN)
    code, out, err = godwit("convert", project, "--recipe", "tflite-float32", "--json")
    assert code == 0, err
    own = report(out).candidates[0].chosen_on
    (tmp_path / "godwit.toml").write_text((tmp_path / "godwit.toml").read_text().replace("mine:right", "top1"))
    plain = report(godwit("convert", project, "--recipe", "tflite-float32", "--json")[1]).candidates[0].chosen_on
    assert own is not None
    assert plain is not None
    assert own.score == pytest.approx(10 * (plain.score or 0))
    assert own.drop_low_points is None


@pytest.mark.parametrize(
    ("metric", "told", "exit_code"),
    [
        ("mine:broken", "metric mine:broken: expected a function of outputs and targets, found IndexError", 2),
        ("mine:nothing", "expected a finite number, found nan", 2),
        ("mine:missing", "found AttributeError", 2),
        ("other:right", "found ModuleNotFoundError", 2),
        ("mine:crash", "a process that died of SIGABRT", 1),
        ("auc", "expected two classes, for the metric auc, found 3 classes", 2),
        ("mae", "expected a metric of the task classification: top1, top5, f1, auc", 2),
        ("top3", "did you mean 'top5'?", 2),
        ("mAP", "found 'mAP'; known: auc, f1, top1, top5", 2),
        ("map", "found 'map'; choose one of them, or correct model.task", 2),
    ],
)
def test_a_metric_that_cannot_be(tmp_path: Path, godwit: Godwit, metric: str, told: str, exit_code: int) -> None:
    project = tiny_project(tmp_path, TFLITE, goal={"metric": metric})
    (tmp_path / "mine.py").write_text(OWN)
    code, _, err = godwit("convert", project, "--recipe", "tflite-float32")
    assert code == exit_code, err
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert told in lines[0]
    assert not (tmp_path / "build").exists()


def test_a_metric_that_needs_labels(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, TFLITE, model={"task": "regression"}, goal={"metric": "rmse"})
    np.savez(tmp_path / "evaluation.npz", x=images(80, seed=2))
    code, _, err = godwit("convert", project, "--recipe", "tflite-float32")
    assert code == 2
    assert "expected labels, for the metric rmse, found none" in err
