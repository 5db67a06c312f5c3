"""A candidate against float, sample by sample. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from converter import intervals
from converter.intervals import Interval
from converter.metrics import Answers, Metric


class ClassDamage(msgspec.Struct, frozen=True):
    """One class of a classification.

    Attributes:
        items: of that class.
        reference_percent, candidate_percent: share of them that float, or the candidate, gets right.
    """

    label: str
    items: int
    reference_percent: float
    candidate_percent: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate against float on the same items.

    Attributes:
        score, reference_score: the metric's values; None where the data has no labels.
        agreement_percent: share of items with the same class as float; None for a regression.
        drop_points: what is lost (`yardstick` in the report says how it is counted).
        drop_low_points, drop_high_points: its 95 % interval; None where the metric is the user's own.
        classes: where the loss falls; empty for a regression.
    """

    items: int
    score: float | None
    reference_score: float | None
    agreement_percent: float | None
    drop_points: float
    drop_low_points: float | None = None
    drop_high_points: float | None = None
    classes: list[ClassDamage] = []


def compare(
    metric: Metric, reference: Answers, candidate: Answers, labels: Sequence[str], *, labelled: bool
) -> Comparison:
    """The candidate against the reference, on the same items.

    Args:
        labels: names of the classes.
        labelled: the targets are the user's labels; otherwise they are float's own answers.
    """
    ours, theirs = metric.value(reference), metric.value(candidate)
    classification = len(reference.predicted) > 0
    interval = _interval(metric, reference, candidate)
    return Comparison(
        items=len(reference.targets),
        score=theirs if labelled else None,
        reference_score=ours if labelled else None,
        agreement_percent=float(100 * np.mean(reference.predicted == candidate.predicted)) if classification else None,
        drop_points=metric.drop_points(ours, theirs),
        drop_low_points=interval.low if interval else None,
        drop_high_points=interval.high if interval else None,
        classes=_classes(reference, candidate, labels) if classification else [],
    )


def caution(comparison: Comparison, goal_points: float) -> str:
    """What these items cannot show, in words; empty where they can."""
    if comparison.drop_low_points is None or comparison.drop_high_points is None:
        return ""
    if comparison.drop_high_points - comparison.drop_low_points <= goal_points:
        return ""
    points = "point" if goal_points == 1 else "points"
    return f"with {comparison.items} items, {goal_points:g} {points} cannot be told apart"


def _interval(metric: Metric, reference: Answers, candidate: Answers) -> Interval | None:
    if metric.right is not None:
        ours, theirs = metric.right(reference), metric.right(candidate)
        counts = (ours & theirs, ours & ~theirs, ~ours & theirs, ~ours & ~theirs)
        low, high = intervals.newcombe(*(int(each.sum()) for each in counts))
        return Interval(round(100 * low, 4), round(100 * high, 4))
    return _resampled(metric, reference, candidate) if metric.resampled else None


def _resampled(metric: Metric, reference: Answers, candidate: Answers) -> Interval:
    low, high = intervals.bootstrap(
        lambda items: metric.drop_points(metric.value(reference.at(items)), metric.value(candidate.at(items))),
        len(reference.targets),
    )
    return Interval(round(low, 4), round(high, 4))


def _classes(reference: Answers, candidate: Answers, labels: Sequence[str]) -> list[ClassDamage]:
    damage = []
    for index in np.unique(reference.targets):
        of_class = reference.targets == index
        right = (float(100 * np.mean(each.predicted[of_class] == index)) for each in (reference, candidate))
        label = labels[index] if index < len(labels) else str(index)
        damage.append(ClassDamage(label, int(of_class.sum()), *right))
    return damage
