"""From output tensors to results, for the tasks that need no geometry. `postprocess.py` chooses one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from edge_agent.flow.numbers import best, bounded, finite, label, sigmoid, softmax
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import BundleError, Problem
from firmware_profiles.manifest import Model
from firmware_profiles.results import Anomaly, Classification, ClassScore, Embedding, Raw, RawTensor, Regression, Result


class Head(Protocol):
    """What a task makes of the outputs of one inference.

    Both methods take the model's output tensors, the input tensor that they answer, and the shape of the raw input,
    and raise InputError where the model gave no finite answer: JSON has no word for one.
    """

    def result(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Result:
        """What is published."""
        ...

    def answer(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Array:
        """What a metric compares with the label of the item; of one shape for all items."""
        ...


class ClassHead:
    """Classification by the first output."""

    def __init__(self, model: Model) -> None:
        self._activation = model.post.activation
        self._threshold = model.post.threshold
        self._top_k = model.post.top_k
        self._labels = model.labels

    def result(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Classification:
        """The best classes."""
        top = best(self._scores(outputs), self._top_k)
        least = -math.inf if self._threshold is None else self._threshold
        return Classification([ClassScore(i, label(self._labels, i), score) for i, score in top if score >= least])

    def answer(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Array:
        """The output as it is [classes]: activation changes no order."""
        return finite(outputs[0])

    def _scores(self, outputs: Sequence[Array]) -> Array:
        flat = finite(outputs[0])
        if self._activation == "none":
            return flat
        return softmax(flat) if self._activation == "softmax" else sigmoid(flat)


class ValuesHead:
    """Regression by the first output."""

    def __init__(self, model: Model) -> None:
        post, size = model.post, math.prod(model.outputs[0].shape)
        for name, given in (("scale", post.scale), ("offset", post.offset)):
            if len(given) not in (0, 1, size):
                raise _many(f"output.{name}", f"{size} numbers, one a value, or one for all", len(given))
        for name, words in (("names", post.names), ("units", post.units)):
            if len(words) not in (0, size):
                raise _many(f"output.{name}", f"{size}, one a value", len(words))
        self._scale = np.array(post.scale, np.float32) if post.scale else None
        self._offset = np.array(post.offset, np.float32) if post.offset else None
        self._names, self._units = post.names, post.units

    def result(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Regression:
        """All values."""
        return Regression(bounded(self.answer(outputs, tensor, shape)), self._names, self._units)

    def answer(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Array:
        """The scaled values [values]."""
        values = finite(outputs[0])
        if self._scale is not None:
            values = values * self._scale
        return values if self._offset is None else values + self._offset


class AnomalyHead:
    """How far the first output lies from the input tensor."""

    def __init__(self, model: Model) -> None:
        size, expected = math.prod(model.outputs[0].shape), math.prod(model.inputs[0].shape)
        if size != expected:
            raise _many("output", f"as many values as the input has ({expected}), for the task anomaly", size)
        self._squared = model.post.error == "mse"
        self._threshold = model.post.threshold

    def result(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Anomaly:
        """The score and what the threshold says."""
        score = float(self.answer(outputs, tensor, shape)[0])
        return Anomaly(score, None if self._threshold is None else score > self._threshold)

    def answer(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Array:
        """The score [1]."""
        apart = finite(outputs[0]) - tensor.reshape(-1)
        error = np.dot(apart, apart) if self._squared else np.abs(apart).sum()
        return finite(np.asarray(error / apart.size, np.float32))


class EmbeddingHead:
    """The first output as a vector."""

    def __init__(self, model: Model) -> None:
        self._normalise = model.post.normalise

    def result(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Embedding:
        """The vector."""
        return Embedding(bounded(self.answer(outputs, tensor, shape)))

    def answer(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Array:
        """The vector [values]; one of zeros has no direction, and stays."""
        vector = finite(outputs[0])
        length = np.sqrt(np.dot(vector, vector)) if self._normalise else 0
        return vector / length if length else vector


class RawHead:
    """Every output as it is."""

    def __init__(self, model: Model) -> None:
        self._names = [tensor.name for tensor in model.outputs]

    def result(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Raw:
        """All tensors."""
        values = bounded(self.answer(outputs, tensor, shape))
        tensors, start = [], 0
        for name, output in zip(self._names, outputs, strict=True):
            tensors.append(RawTensor(name, list(output.shape), values[start : start + output.size]))
            start += output.size
        return Raw(tensors)

    def answer(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Array:
        """The values of all tensors, one after the other."""
        return np.concatenate([finite(output) for output in outputs])


def _many(where: str, expected: str, found: int) -> BundleError:
    return BundleError(Problem(where, expected, str(found), "correct it"))
