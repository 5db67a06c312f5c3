"""What training makes small: the task's loss on the model's outputs, whatever form they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from converter.training.data import Items
from converter.training.settings import Settings
from firmware_profiles.errors import InputError, Problem

Objective = Callable[[Any, Any, Any, bool], tuple[Any, Any]]
"""(model, x, y, training) → (loss, outputs), inside a gradient tape, and on what is held out."""
_TINY = 1e-7


def kind(settings: Settings, task: str) -> str:
    """crossentropy or squared."""
    if settings.loss != "auto":
        return settings.loss
    return "crossentropy" if task == "classification" else "squared"


def check(model: Any, items: Items, loss: str, where: str) -> None:
    """Raises InputError with everything in which training data, loss and model disagree."""
    problems = []
    wanted, found = tuple(model.inputs[0].shape[1:]), items.x.shape[1:]
    if len(wanted) != len(found) or any(a is not None and a != b for a, b in zip(wanted, found, strict=True)):
        problems.append(Problem(f"{where}: x", f"items of {_told(wanted)}", _told(found), "give the model's own input"))
    output = model.outputs[0].shape[1:]
    if loss == "crossentropy":
        problems += _label_problems(items, output, where)
    elif tuple(items.y.shape[1:]) not in (tuple(output), tuple(output)[:-1] if output[-1] == 1 else tuple(output)):
        step = "give targets of that shape, or set loss in [training]"
        problems.append(Problem(f"{where}: y", f"targets of {_told(output)}", _told(items.y.shape[1:]), step))
    if problems:
        raise InputError(*problems)


def _label_problems(items: Items, output: Any, where: str) -> list[Problem]:
    if len(output) != 1 or items.y.ndim != 1 or not np.issubdtype(items.y.dtype, np.integer):
        found = f"outputs of {_told(output)} and {items.y.dtype} targets of {_told(items.y.shape[1:])}"
        step = 'set loss = "squared" in [training]'
        return [Problem(f"{where}: y", "one output and one label an item for cross-entropy", found, step)]
    classes = max(2, output[0])
    if (low := items.y.min()) < 0 or (high := items.y.max()) >= classes:
        found = f"label {low if low < 0 else high}"
        return [Problem(f"{where}: y", f"labels 0 to {classes - 1}", found, "give the labels that the model knows")]
    return []


def logits(model: Any, outputs: Any) -> Any:
    """Outputs [n, classes] as logits up to a constant; one sigmoid output becomes two."""
    last = last_activation(model)
    if last is keras.activations.softmax:
        return tf.math.log(tf.maximum(outputs, _TINY))
    if outputs.shape[-1] == 1:
        if last is keras.activations.sigmoid:
            outputs = tf.math.log(tf.maximum(outputs, _TINY)) - tf.math.log(tf.maximum(1 - outputs, _TINY))
        return tf.concat([tf.zeros_like(outputs), outputs], -1)
    return outputs


def unrounded(model: Any) -> Any:
    """The same layers without what rounds the answer to steps (qat_layers): a probability of 0 has no logarithm."""
    last = model.layers[-1]
    return keras.Model(model.inputs, last.input) if hasattr(last, "rounded") else model


def last_activation(model: Any) -> Any:
    """That gives the model's answer its form; what rounds the answer to steps (qat_layers) does not."""
    last = next(layer for layer in reversed(model.layers) if not hasattr(layer, "rounded"))
    return keras.activations.softmax if isinstance(last, keras.layers.Softmax) else getattr(last, "activation", None)


def task_loss(model: Any, outputs: Any, y: Any, loss: str) -> Any:
    """Mean over the batch."""
    if loss == "crossentropy":
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits(model, outputs)))
    return tf.reduce_mean(tf.square(outputs - tf.reshape(tf.cast(y, outputs.dtype), tf.shape(outputs))))


def plain(loss: str) -> Objective:
    """The task's loss alone."""

    def objective(model: Any, x: Any, y: Any, training: bool) -> tuple[Any, Any]:
        outputs = model(x, training=training)
        return task_loss(model, outputs, y, loss), outputs

    return objective


def right(model: Any, outputs: Any, y: Any, loss: str) -> Any:
    """Part of the items that are classified right; nothing can be said so for squared error, which gives 0."""
    if loss != "crossentropy":
        return tf.zeros(())
    return tf.reduce_mean(tf.cast(tf.argmax(logits(model, outputs), -1) == tf.cast(y, tf.int64), tf.float32))


def _told(shape: Any) -> str:
    return "×".join(str(size or "?") for size in shape) or "one number"
