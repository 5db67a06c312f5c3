"""What a candidate loses against the float model, in points. Pure."""

from __future__ import annotations

from typing import NamedTuple

from firmware_profiles.evaluation import Evaluation
from firmware_profiles.words import Task


class Score(NamedTuple):
    """See `candidate.Candidate`."""

    score: float | None
    agreement_percent: float | None
    drop_points: float


def yardstick(task: Task, *, labelled: bool) -> str:
    """What `drop_points` means, in words."""
    if task == "classification":
        if labelled:
            return "top-1 accuracy, lost against float in percentage points"
        return "share of items with another class than float, in percent (the data has no labels)"
    if labelled:
        return "growth of the mean absolute error over float's, in percent"
    return "mean absolute difference from float, in percent of float's range (the data has no labels)"


def compare(task: Task, reference: Evaluation, candidate: Evaluation) -> Score:
    """The candidate against the reference, on the same items."""
    if task == "classification":
        pairs = list(zip(reference.predicted, candidate.predicted, strict=True))
        agreement = 100 * sum(ours == theirs for ours, theirs in pairs) / len(pairs)
        if reference.value is None or candidate.value is None:
            return Score(None, agreement, 100 - agreement)
        return Score(candidate.value, agreement, _points(reference.value - candidate.value))
    if reference.value is None or candidate.value is None:
        return Score(None, None, _share_of_range(reference.values, candidate.values))
    if reference.value == 0:
        return Score(candidate.value, None, 0.0 if candidate.value == 0 else 100.0)
    return Score(candidate.value, None, _points((candidate.value - reference.value) / reference.value))


def _points(share: float) -> float:
    """Rounded so that 0.881 - 0.871 is one point, not a little more."""
    return round(100 * share, 9)


def _share_of_range(reference: list[list[float]], candidate: list[list[float]]) -> float:
    ours = [value for item in reference for value in item]
    theirs = [value for item in candidate for value in item]
    difference = sum(abs(one - other) for one, other in zip(ours, theirs, strict=True)) / len(ours)
    span = max(ours) - min(ours)
    if span == 0:
        return 0.0 if difference == 0 else 100.0
    return _points(difference / span)
