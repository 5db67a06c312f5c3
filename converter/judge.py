"""The judge of one conversion: how every candidate does against float, and on which items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from converter import compare, halves, metrics
from converter.compare import Comparison
from converter.halves import Halves
from converter.metrics import Answers, Array, Metric
from firmware_profiles.evaluation import Evaluation
from firmware_profiles.words import Task


class Judge(NamedTuple):
    """What every candidate is compared with, and by what.

    Attributes:
        reference: float's answers to all items.
        labelled: whether the targets are the user's labels; otherwise they are float's own answers.
        labels: names of the classes.
        split: None where there are too few items for halves.
    """

    metric: Metric
    reference: Answers
    labelled: bool
    labels: Sequence[str]
    split: Halves | None

    def chosen_on(self, answers: Path, evaluation: Evaluation) -> Comparison:
        """How a candidate does on the items that the choice is made on."""
        return self._compare(answers, evaluation, self.split.choosing if self.split else self._all())

    def confirmed_on(self, answers: Path, evaluation: Evaluation) -> Comparison | None:
        """How it does on the items that took no part in the choice; None where there are none."""
        return self._compare(answers, evaluation, self.split.confirming) if self.split else None

    def yardstick(self) -> str:
        """What `drop_points` means, in words."""
        if self.labelled:
            if self.metric.loss == "growth":
                return f"growth of the {self.metric.title} over float's, in percent"
            if self.metric.loss == "relative":
                return f"{self.metric.title}, lost against float in percent of float's value"
            return f"{self.metric.title}, lost against float in percentage points"
        if len(self.reference.predicted):
            return "share of items with another class than float, in percent (the data has no labels)"
        if self.metric.loss == "points":
            return f"{self.metric.title}, lost in points, where float is right (the data has no labels)"
        return "mean absolute difference from float, in percent of float's range (the data has no labels)"

    def _all(self) -> Array:
        return np.arange(len(self.reference.targets))

    def _compare(self, answers: Path, evaluation: Evaluation, items: Array) -> Comparison:
        candidate = _answers(answers, evaluation)._replace(targets=self.reference.targets)
        return compare.compare(
            self.metric, self.reference.at(items), candidate.at(items), self.labels, labelled=self.labelled
        )


def judge(
    task: Task, metric: Metric | None, labels: Sequence[str], seed: int, answers: Path, evaluation: Evaluation
) -> Judge:
    """The judge of a conversion, from float's own answers.

    Args:
        metric: None for the task's own.
        seed: see `halves.split`.
        answers: what `edge-agent evaluate --answers` wrote about float.
    """
    reference = _answers(answers, evaluation)
    labelled = bool(reference.targets.size) and (metric is not None or task in metrics.DEFAULT)
    if not labelled:
        reference = reference._replace(targets=metrics.as_targets(task, reference))
    fitting = metrics.BY_NAME[metrics.DEFAULT[task]] if labelled else metrics.unlabelled(task, reference.outputs)
    return Judge(metric or fitting, reference, labelled, labels, halves.split(reference.targets, seed))


def _answers(told: Path, evaluation: Evaluation) -> Answers:
    """What was said about the evaluation data; targets of size 0 where there are none."""
    with np.load(told) as arrays:
        targets = arrays["targets"] if "targets" in arrays else np.empty(0)
        return Answers(np.asarray(evaluation.predicted, np.int64), arrays["answers"], targets)
