"""One training as the steps of a TensorFlow graph: Adam, a half cosine of learning rates, rules after each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from converter.training import data, stepping
from converter.training.data import Items
from converter.training.objective import Objective, plain, right, unrounded
from converter.training.settings import Settings
from converter.training.stepping import Rule

_LAST_RATE = 0.01
_EVALUATED_AT_ONCE = 250


class Run:
    """One training: the model, its optimizer and its rules, as the steps of TensorFlow graphs."""

    def __init__(
        self,
        model: Any,
        items: Items,
        settings: Settings,
        objective: Objective,
        loss: str,
        rules: Sequence[Rule],
    ) -> None:
        self._model, self._items, self._settings, self._rules = model, items, settings, rules
        self._steps = data.steps(items, settings) * settings.epochs
        rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, self._steps, alpha=_LAST_RATE)
        self._optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
        self._optimizer.build(model.trainable_variables)
        answering = unrounded(model)
        kernels = [each for each in model.trainable_variables if len(each.shape) > 1]

        def step(x: Any, y: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                value, outputs = objective(answering, x, y, True)
                whole = value + settings.decay * tf.add_n([tf.reduce_sum(tf.square(each)) for each in kernels])
            gradients = tape.gradient(whole, model.trainable_variables)
            self._optimizer.apply(gradients, model.trainable_variables)
            return whole, right(answering, outputs, y, loss)

        self._step = tf.function(step, autograph=False, reduce_retracing=True)
        self.judge = _judge(answering, loss, objective)

    def epoch(self, epoch: int, deadline_s: float) -> tuple[float, float]:
        """Mean loss and accuracy while training; it ends early at a loss that is no number."""

        def step(batch: Items) -> tuple[float, float]:
            loss, accuracy = self._step(tf.constant(batch.x), tf.constant(batch.y))
            return float(loss), float(accuracy)

        return stepping.epoch(epoch, self._items, self._settings, self._rules, deadline_s, step)

    def weights(self) -> list[Any]:
        """Of the model alone."""
        return [each.numpy() for each in self._model.variables]

    def put(self, weights: Sequence[Any]) -> None:
        """Give the model weights that it had."""
        for variable, value in zip(self._model.variables, weights, strict=True):
            variable.assign(value)

    def state(self) -> list[Any]:
        """All that the next epoch begins with."""
        return [np.asarray(each) for each in self._all()]

    def restore(self, values: Sequence[Any]) -> None:
        """Begin where `state` was told; nothing where there is none."""
        for variable, value in zip(self._all() if values else [], values, strict=True):
            variable.assign(value)

    def _all(self) -> list[Any]:
        return [*self._model.variables, *self._optimizer.variables]


def judged(model: Any, items: Items, loss: str) -> tuple[float, float]:
    """The task's loss and the accuracy, as a part of 1, on items that are not trained on."""
    return _judge(model, loss, plain(loss))(items)


def _judge(model: Any, loss: str, objective: Objective) -> Callable[[Items], tuple[float, float]]:
    def of_batch(x: Any, y: Any) -> tuple[Any, Any]:
        value, outputs = objective(model, x, y, False)
        return value, right(model, outputs, y, loss)

    graph = tf.function(of_batch, autograph=False, reduce_retracing=True)

    def judge(items: Items) -> tuple[float, float]:
        told, counts = [], []
        for start in range(0, len(items.x), _EVALUATED_AT_ONCE):
            part = slice(start, start + _EVALUATED_AT_ONCE)
            told.append([float(each) for each in graph(tf.constant(items.x[part]), tf.constant(items.y[part]))])
            counts.append(len(items.x[part]))
        loss_found, accuracy = np.average(told, axis=0, weights=counts)
        return float(loss_found), float(accuracy)

    return judge
