"""The metrics against scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from converter.metrics import BY_NAME, Answers

PYCOCOTOOLS = {
    0: 0.31028460586847306,
    1: 0.29188007491225315,
    2: 0.31146372879280376,
    3: 0.3817268916997953,
    4: 0.3736916149328789,
    5: 0.3700702889587122,
}
"""What pycocotools 2.0.11 says of `detections(seed)`: the first of its twelve figures."""


def answers(classes: int, items: int = 200, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, items)
    outputs = random.normal(0, 1, (items, classes)) + 0.8 * np.eye(classes)[targets]
    return Answers(outputs.argmax(axis=1), outputs, targets)


def values(items: int = 50) -> Answers:
    random = np.random.default_rng(1)
    targets = random.normal(5, 2, (items, 1))
    return Answers(np.empty(0, int), targets + random.normal(0, 1, (items, 1)), targets)


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("top1", answers(4), lambda a: theirs.accuracy_score(a.targets, a.predicted)),
        ("top5", answers(9), lambda a: theirs.top_k_accuracy_score(a.targets, a.outputs, k=5)),
        ("f1", answers(4), lambda a: theirs.f1_score(a.targets, a.predicted, average="macro")),
        ("f1", answers(4, items=2, seed=2), lambda a: theirs.f1_score(a.targets, a.predicted, average="macro")),
        ("auc", answers(2), lambda a: theirs.roc_auc_score(a.targets, a.outputs[:, 1] - a.outputs[:, 0])),
        ("mae", values(), lambda a: theirs.mean_absolute_error(a.targets, a.outputs)),
        ("rmse", values(), lambda a: theirs.root_mean_squared_error(a.targets, a.outputs)),
        ("r2", values(), lambda a: theirs.r2_score(a.targets, a.outputs)),
    ],
)
def test_a_metric_is_what_scikit_learn_says(name: str, found: Answers, expected: Any) -> None:
    assert BY_NAME[name].value(found) == pytest.approx(expected(found), abs=1e-12)  # float64


@given(st.integers(0, 1000))
def test_the_area_under_the_curve_counts_ties_half(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, targets = random.integers(0, 4, (30, 1)) / 4, np.arange(30) % 2
    found = BY_NAME["auc"].value(Answers(np.empty(0, int), scores, targets))
    assert found == pytest.approx(theirs.roc_auc_score(targets, scores[:, 0]), abs=1e-12)


def test_a_drop_is_counted_in_points_or_as_the_growth_of_an_error() -> None:
    assert BY_NAME["top1"].drop_points(0.881, 0.871) == 1.0
    assert BY_NAME["rmse"].drop_points(2.0, 2.5) == 25.0
    assert BY_NAME["mae"].drop_points(0.0, 0.0) == 0.0
    assert BY_NAME["mae"].drop_points(0.0, 0.1) == 100.0


def test_one_class_alone_has_no_curve_and_constant_targets_no_r2() -> None:
    one = answers(2)._replace(targets=np.zeros(200, int))
    assert np.isnan(BY_NAME["auc"].value(one))
    assert np.isnan(BY_NAME["r2"].value(values()._replace(targets=np.ones((50, 1)))))


def detections(seed: int, images: int = 12, most: int = 6) -> Answers:
    """Objects of three classes, most of them found, some by another name, and some that are not there."""
    random = np.random.default_rng(seed)
    objects, found = np.full((images, most, 5), -1.0, np.float32), np.full((images, 2 * most, 6), -1.0, np.float32)
    for image in range(images):
        for row in range(random.integers(0, most + 1)):
            left, top, wide, high = *random.integers(0, 60, 2), *random.integers(9, 40, 2)
            objects[image, row] = random.integers(0, 3), left, top, left + wide, top + high
            label = objects[image, row, 0] if random.random() < 0.85 else random.integers(0, 3)
            edges = objects[image, row, 1:] + random.integers(-2, 3, 4)
            for place in (row, most + row):  # some twice
                if random.random() < 0.7:
                    found[image, place] = label, round(random.random(), 2), *edges
        left, top, wide, high = *random.integers(0, 60, 2), *random.integers(9, 40, 2)
        found[image, -1] = random.integers(0, 3), round(random.random(), 2), left, top, left + wide, top + high
    return Answers(np.empty(0, int), found, objects)


@pytest.mark.parametrize(("seed", "expected"), PYCOCOTOOLS.items())
def test_mean_average_precision_is_pycocotools(seed: int, expected: float) -> None:
    assert BY_NAME["map"].value(detections(seed)) == pytest.approx(expected, abs=1e-12)


def test_mean_average_precision_of_what_is_right_of_nothing_and_of_no_objects() -> None:
    perfect = detections(0)
    right = np.insert(perfect.targets, 1, 0.5, axis=2)
    assert BY_NAME["map"].value(perfect._replace(outputs=right)) == 1
    assert BY_NAME["map"].value(perfect._replace(outputs=np.full((12, 1, 6), -1.0))) == 0
    assert np.isnan(BY_NAME["map"].value(perfect._replace(targets=np.full((12, 1, 5), -1.0))))


def test_mean_intersection_over_union_is_scikit_learns() -> None:
    random = np.random.default_rng(4)
    targets = random.integers(0, 4, (10, 6, 7)).astype(np.uint8)
    outputs = np.where(random.random(targets.shape) < 0.7, targets, random.integers(0, 5, targets.shape)).astype(
        np.uint8
    )
    expected = theirs.jaccard_score(targets.ravel(), outputs.ravel(), average="macro")
    assert BY_NAME["miou"].value(Answers(np.empty(0, int), outputs, targets)) == pytest.approx(expected)
    without = targets.copy()
    without[outputs == 4] = 255  # of a pixel without a label, no answer is wrong
    expected = theirs.jaccard_score(without[outputs != 4], outputs[outputs != 4], average="macro")
    assert BY_NAME["miou"].value(Answers(np.empty(0, int), outputs, without)) == pytest.approx(expected)
