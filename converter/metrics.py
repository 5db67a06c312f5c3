"""The metrics that a goal may name, as rows of data. Pure.

Area under the curve: Hanley, J. A. and McNeil, B. J. (1982): "The meaning and use of the area under a
receiver operating characteristic (ROC) curve", Radiology 143, 29–36 (the rank sum, ties count half). Mean
intersection over union: Everingham, M. et al. (2010): "The PASCAL visual object classes (VOC) challenge", section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from converter import average_precision
from firmware_profiles.words import Task

Array = npt.NDArray[Any]
Loss = Literal["points", "growth", "share", "relative"]
_TOP = 5
_VOID = 255
"""Of a pixel that no label tells."""

_SCORE = 1
"""Column of a detection."""


class Answers(NamedTuple):
    """What a model said about some items, and what is right.

    Attributes:
        predicted: index of the best class, int [n]; empty where the task is no classification.
        outputs: what `edge-agent evaluate --answers` wrote, [n, …]: scores of the classes, values, detections
            [n, objects, 6], classes of pixels [n, height, width], the score of an anomaly [n, 1], a vector.
        targets: what is right: class indices int [n], values float [n, values], objects [n, objects, 5], classes
            of pixels; 0 or 1 for an anomaly.
    """

    predicted: Array
    outputs: Array
    targets: Array

    def at(self, items: Array) -> Answers:
        """The answers to some of the items."""
        return Answers(self.predicted[items] if len(self.predicted) else self.predicted, *(a[items] for a in self[1:]))


class Metric(NamedTuple):
    """One metric.

    Attributes:
        title: for people.
        tasks: of the models that it suits.
        value: of the answers.
        right: which items count as right, for metrics that are a share of items; else None.
        loss: how a drop is counted: "points" are hundredths of a metric of which more is better,
            "growth" is the growth of an error in percent of float's, "share" the growth of an error that
            is a share already, "relative" the loss of a number of which more is better in percent of float's.
        resampled: whether the interval may call `value` a thousand times.
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    value: Callable[[Answers], float]
    right: Callable[[Answers], Array] | None
    loss: Loss
    resampled: bool = True

    def drop_points(self, reference: float, candidate: float) -> float:
        """What the candidate loses; rounded so that 0.881 - 0.871 is one point, not a little more."""
        if self.loss == "points":
            return round(100 * (reference - candidate), 9)
        if self.loss == "relative" and reference:
            return round(100 * (reference - candidate) / abs(reference), 9)
        if self.loss == "relative":
            return 0.0 if candidate >= 0 else 100.0
        if self.loss == "share":
            return round(100 * (candidate - reference), 9)
        if reference == 0:
            return 0.0 if candidate == 0 else 100.0
        return round(100 * (candidate - reference) / reference, 9)

    def shown(self, value: float) -> str:
        """The value in its own form."""
        return f"{100 * value:.2f} %" if self.loss == "points" and self.name != "r2" else f"{value:.5g}"


def shown(name: str, value: float) -> str:
    """The value of the metric of that name, which may be the user's own, in its own form."""
    return BY_NAME[name].shown(value) if name in BY_NAME else f"{value:.5g}"


def _top1(answers: Answers) -> Array:
    right: Array = answers.predicted == answers.targets
    return right


def _top5(answers: Answers) -> Array:
    best = np.argsort(-answers.outputs, axis=1, kind="stable")[:, :_TOP]
    right: Array = (best == answers.targets[:, np.newaxis]).any(axis=1)
    return right


def _f1(answers: Answers) -> float:
    """Macro: the mean over the classes that appear, among the targets or the answers."""
    predicted, targets = answers.predicted, answers.targets
    size = int(max(predicted.max(), targets.max())) + 1
    hit = np.bincount(targets[predicted == targets], minlength=size)
    counted = np.bincount(predicted, minlength=size) + np.bincount(targets, minlength=size)
    return float(np.mean(2 * hit[counted > 0] / counted[counted > 0]))


def _auc(answers: Answers) -> float:
    """Of class 1 against class 0; NaN where one of them is missing."""
    outputs, targets = answers.outputs, answers.targets.reshape(len(answers.targets), -1)[:, 0]
    score = outputs[:, -1] - outputs[:, 0] if outputs.shape[1] > 1 else outputs[:, 0]
    positive = targets > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _mae(answers: Answers) -> float:
    return float(np.mean(np.abs(answers.outputs - answers.targets)))


def _rmse(answers: Answers) -> float:
    return float(np.sqrt(np.mean((answers.outputs - answers.targets) ** 2)))


def _r2(answers: Answers) -> float:
    """Coefficient of determination; NaN where the targets do not vary."""
    around_mean = float(np.sum((answers.targets - answers.targets.mean(axis=0)) ** 2))
    return 1 - float(np.sum((answers.outputs - answers.targets) ** 2)) / around_mean if around_mean else float("nan")


def _map(answers: Answers) -> float:
    """NaN without objects."""
    return average_precision.mean(answers.outputs, answers.targets)


def _miou(answers: Answers) -> float:
    """Over the classes that appear, in the labels or the answers; `_VOID` pixels count for nothing."""
    told = answers.targets != _VOID
    found, right = answers.outputs[told].astype(np.int64), answers.targets[told].astype(np.int64)
    common = np.bincount(right[found == right], minlength=_VOID + 1)
    whole = np.bincount(found, minlength=_VOID + 1) + np.bincount(right, minlength=_VOID + 1) - common
    return float(np.mean(common[whole > 0] / whole[whole > 0])) if whole.any() else float("nan")


def _share(right: Callable[[Answers], Array]) -> Callable[[Answers], float]:
    return lambda answers: float(np.mean(right(answers)))


METRICS: tuple[Metric, ...] = (
    Metric("top1", "top-1 accuracy", ("classification",), _share(_top1), _top1, "points"),
    Metric("top5", "top-5 accuracy", ("classification",), _share(_top5), _top5, "points"),
    Metric("f1", "macro F1", ("classification",), _f1, None, "points"),
    Metric("auc", "area under the ROC curve", ("classification", "regression", "anomaly"), _auc, None, "points"),
    Metric("mae", "mean absolute error", ("regression",), _mae, None, "growth"),
    Metric("rmse", "root mean square error", ("regression",), _rmse, None, "growth"),
    Metric("r2", "coefficient of determination", ("regression",), _r2, None, "points"),
    Metric("map", "mean average precision", ("detection",), _map, None, "points", resampled=False),
    Metric("miou", "mean intersection over union", ("segmentation",), _miou, None, "points", resampled=False),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
DEFAULT: dict[Task, str] = {
    "classification": "top1",
    "regression": "mae",
    "detection": "map",
    "segmentation": "miou",
    "anomaly": "auc",
}
"""Others have none: without a metric of the user's own, they are compared with float alone."""


def unlabelled(task: Task, outputs: Array) -> Metric:
    """What is left without labels: agreement with float, whose answers then are the targets.

    Args:
        outputs: float's, as in `Answers`.
    """
    if task in ("classification", "detection", "segmentation"):
        return BY_NAME[DEFAULT[task]]
    span = float(outputs.max() - outputs.min())

    def difference(answers: Answers) -> float:
        apart = _mae(answers)
        return apart / span if span else float(apart > 0)

    return Metric("none", "difference from float", (task,), difference, None, "share")


def as_targets(task: Task, answers: Answers) -> Array:
    """Float's own answers in the form of labels."""
    if task == "classification":
        return answers.predicted
    return np.delete(answers.outputs, _SCORE, axis=2) if task == "detection" else answers.outputs
