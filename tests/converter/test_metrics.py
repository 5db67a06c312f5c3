"""The metrics against scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from converter.metrics import BY_NAME, Answers


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
