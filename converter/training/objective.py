"""What training makes small: the task's loss on the model's outputs, whatever form they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from converter.training import fits
from converter.training.data import Items

Objective = Callable[[Any, Any, Any, bool], tuple[Any, Any]]
"""(model, x, y, training) → (loss, outputs), inside a gradient tape, and on what is held out."""
_TINY = 1e-7


def check(model: Any, items: Items, loss: str, where: str) -> None:
    """See `fits.check`."""
    fits.check(tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:]), items, loss, where)


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
