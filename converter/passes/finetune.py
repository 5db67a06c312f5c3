"""Training on: the loop that every pass uses. L(w) = task loss + λ‖w‖², Adam, a half cosine of learning rates.

Early stopping looks at a part of the training data that is held out, never at evaluation data. Everything
that is drawn follows from the seed and the epoch, so that a training that was stopped goes on to the same end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from converter.training import checkpoint, data
from converter.training.checkpoint import Point, State
from converter.training.data import Items, Split
from converter.training.objective import Objective, right, task_loss
from converter.training.settings import Settings

_LAST_RATE = 0.01
_EVALUATED_AT_ONCE = 250
_TIMED_FROM, _TIMED_TO = 2, 8
"""Steps of the first epoch that tell how long one takes; the first of all builds the graph."""


class Rule(Protocol):
    """Something that holds while training goes on: zeros that stay zero, weights that are shared.

    Attributes:
        settled: the part of all steps, 0 to 1, from which on the model is in its last form.
    """

    settled: float

    def after_step(self, done: float) -> None:
        """Make it hold again; `done` is the part of all steps that is behind."""


class TooLittleTimeError(Exception):
    """The time budget does not suffice for one epoch; the text says what it takes."""


class Trained(NamedTuple):
    """Attributes: `best_epoch` whose weights the model has now; `diverged`: it stopped at a loss that is no number."""

    curve: list[Point]
    best_epoch: int
    diverged: bool


class Watch(NamedTuple):
    """Who looks on.

    Attributes:
        tell: gets a line an epoch.
        folder: of the checkpoint; None keeps none.
        key: what the training follows from; a checkpoint of another is not gone on with.
        deadline_s: by `time.monotonic`; training ends at the epoch that would pass it.
        hopeless: looks at the curve after each epoch; training ends where it says so.
    """

    tell: Callable[[str], None] = lambda text: None
    folder: Path | None = None
    key: str = ""
    deadline_s: float = math.inf
    hopeless: Callable[[Sequence[Point]], bool] = lambda curve: False


def finetune(
    model: Any,
    split: Split,
    settings: Settings,
    objective: Objective,
    loss: str,
    rules: Sequence[Rule] = (),
    watch: Watch | None = None,
) -> Trained:
    """Train in place and leave the best weights in the model.

    Args:
        loss: "crossentropy" or "squared": what is held out is judged by the task's loss alone.

    Raises:
        TooLittleTimeError: not one epoch can be ready by the deadline.
    """
    watch = watch or Watch()
    run = _Run(model, split.train, settings, objective, loss, rules)
    state = (watch.folder and checkpoint.load(watch.folder, watch.key)) or State([], -1, [], run.weights())
    run.restore(state.now)
    settled_epoch = max([0, *(math.ceil(rule.settled * settings.epochs) for rule in rules)])
    diverged = False
    for epoch in range(len(state.curve), settings.epochs):
        waited = len(state.curve) - 1 - max(state.best_epoch, settled_epoch)
        if waited >= settings.patience or watch.hopeless(state.curve):
            break
        began = time.monotonic()
        train_loss, accuracy = run.epoch(epoch, watch.deadline_s)
        held_loss, held_accuracy = run.judge(split.held_out)
        took_s = time.monotonic() - began
        if not math.isfinite(train_loss) or not math.isfinite(held_loss):
            watch.tell(f"epoch {epoch + 1}: the loss is no number any more; epoch {state.best_epoch + 1} is kept")
            diverged = True
            break
        curve = [*state.curve, Point(epoch, train_loss, accuracy, held_loss, held_accuracy, round(took_s, 2))]
        state = _next(state, curve, run, min(settled_epoch, settings.epochs - 1))
        if watch.folder:
            checkpoint.save(watch.folder, watch.key, state)
        watch.tell(_line(curve, settings.epochs))
        if time.monotonic() + took_s > watch.deadline_s:
            break
    run.put(state.best)
    return Trained(state.curve, state.best_epoch, diverged)


def _next(state: State, curve: list[Point], run: _Run, settled_epoch: int) -> State:
    """With the best epoch so far: before the model is in its last form, always the last."""
    now, epoch = curve[-1], curve[-1].epoch
    best = next((point for point in curve if point.epoch == state.best_epoch), None)
    better = best is None or epoch <= settled_epoch or now.held_out_loss < best.held_out_loss
    return State(curve, epoch if better else state.best_epoch, run.state(), run.weights() if better else state.best)


def _line(curve: Sequence[Point], epochs: int) -> str:
    now = curve[-1]
    left_s = (epochs - len(curve)) * sum(point.seconds for point in curve) / len(curve)
    return (
        f"epoch {now.epoch + 1} of {epochs}: loss {now.loss:.4f}, accuracy {now.accuracy:.3f};"
        f" held out {now.held_out_loss:.4f}, {now.held_out_accuracy:.3f}; {left_s:.0f} s left"
    )


class _Run:
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
        kernels = [each for each in model.trainable_variables if len(each.shape) > 1]

        def step(x: Any, y: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                value, outputs = objective(model, x, y)
                whole = value + settings.decay * tf.add_n([tf.reduce_sum(tf.square(each)) for each in kernels])
            gradients = tape.gradient(whole, model.trainable_variables)
            self._optimizer.apply(gradients, model.trainable_variables)
            return whole, right(model, outputs, y, loss)

        self._step = tf.function(step, autograph=False, reduce_retracing=True)
        self.judge = _judge(model, loss)

    def epoch(self, epoch: int, deadline_s: float) -> tuple[float, float]:
        """Mean loss and accuracy while training; it ends early at a loss that is no number."""
        an_epoch = data.steps(self._items, self._settings)
        told, done, began_s = [], epoch * an_epoch, time.monotonic()
        for each in data.batches(self._items, self._settings, epoch):
            loss, accuracy = self._step(tf.constant(each.x), tf.constant(each.y))
            done += 1
            for rule in self._rules:
                rule.after_step(done / self._steps)
            told.append((float(loss), float(accuracy)))
            if not math.isfinite(told[-1][0]):
                break
            if len(told) == _TIMED_FROM:
                began_s = time.monotonic()
            if epoch == 0 and len(told) == _TIMED_TO:
                _check_time((time.monotonic() - began_s) / (_TIMED_TO - _TIMED_FROM) * an_epoch, deadline_s)
        loss, accuracy = np.mean(told, axis=0)
        return float(loss), float(accuracy)

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
    return _judge(model, loss)(items)


def _judge(model: Any, loss: str) -> Callable[[Items], tuple[float, float]]:
    def of_batch(x: Any, y: Any) -> tuple[Any, Any]:
        outputs = model(x, training=False)
        return task_loss(model, outputs, y, loss), right(model, outputs, y, loss)

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


def _check_time(epoch_s: float, deadline_s: float) -> None:
    left_s = deadline_s - time.monotonic()
    if epoch_s > left_s:
        raise TooLittleTimeError(
            f"one epoch takes about {epoch_s:.0f} s, and {max(0, left_s):.0f} s are left of --budget"
        )
