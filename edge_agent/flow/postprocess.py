"""Declared post-processing: the model's output tensor becomes a result. The only place for it."""

from __future__ import annotations

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import Model
from firmware_profiles.wire import Classification, ClassScore, Regression, Result


class Postprocessor:
    """Turns the first output of one model into a result."""

    def __init__(self, model: Model) -> None:
        self._task = model.task
        self._softmax = model.post.activation == "softmax"
        self._labels = model.labels
        self._top_k = model.post.top_k

    def __call__(self, output: Array) -> Result:
        """The result in `output` [1, …].

        Raises:
            InputError: the model gave no finite answer for this input; JSON has no word for one.
        """
        flat = np.asarray(output, np.float32).reshape(-1)
        if not np.isfinite(flat).all():
            step = "look at the input, or at the model"
            raise InputError(Problem("output", "finite numbers", "a NaN or an infinity", step))
        if self._task == "regression":
            return Regression([float(value) for value in flat])
        return self._classification(softmax(flat) if self._softmax else flat)

    def _classification(self, scores: Array) -> Classification:
        best = np.argsort(-scores, kind="stable")[: self._top_k]
        return Classification([ClassScore(int(i), self._label(int(i)), float(scores[i])) for i in best])

    def _label(self, index: int) -> str:
        return self._labels[index] if index < len(self._labels) else str(index)


def softmax(logits: Array) -> Array:
    """exp(x) / sum(exp(x)), shifted by the largest so that nothing overflows."""
    shifted = np.exp(logits - logits.max())
    probabilities: Array = shifted / shifted.sum()
    return probabilities
