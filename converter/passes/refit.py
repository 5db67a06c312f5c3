"""After thinning: what reads fewer channels is fitted anew to what it answered before, by least squares on training
data (He et al. 2017, arXiv 1707.06168, 3.1, "reconstruction"); layer after layer, so that what came before is made up
for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from converter.passes.keras_graph import DEPTHWISE, MULTIPLYING, Graph
from converter.training.data import Array

_ROWS = 60_000
"""Places in images that a fit looks at; a hundred times the values of the largest kernels of small models."""

_FROM = 20 * _ROWS
"""Places that they are drawn from: of large images fewer are looked at, of which there are many in each."""

_MOST_VALUES = 1 << 24
"""That are cut out at once, 64 MiB, but at least one image."""

_MOST_INPUTS = 4096
"""Of a layer that is fitted: squares take 128 MiB, and a minute. A larger one keeps the weights that it has left."""

_AT_ONCE, _LEAST = 100, 50
"""Images."""

_RIDGE = 1e-3
"""Of the inputs' mean power: so much the old weights hold."""


def refit(model: Any, smaller: Any, kept: Mapping[str, Array], seen: Array) -> None:
    """Fit, in place, kernels and biases of the layers of `smaller` that read fewer channels than in `model`.

    Args:
        kept: of each layer of the model, the places of those channels that `smaller` has.
        seen: float32 [n, …], of the training data.
    """
    for layer in Graph(model).layers:
        new = smaller.get_layer(layer.name)
        if _reads_fewer(layer, new):
            _fit(model, layer, smaller, new, kept[layer.name], seen)


def _reads_fewer(layer: Any, new: Any) -> bool:
    if not isinstance(layer, MULTIPLYING) or isinstance(layer, DEPTHWISE):
        return False
    causal = getattr(layer, "padding", "") == "causal"  # no patches are cut out so
    small = math.prod(layer.kernel.shape[:-1]) <= _MOST_INPUTS
    return small and not causal and new.kernel.shape[-2] < layer.kernel.shape[-2]


def _fit(model: Any, layer: Any, smaller: Any, new: Any, kept: Array, seen: Array) -> None:
    """By the w of the least |x w - y|² + λ |w - w₀|²: x is read now, y was answered, w₀ are the weights cut to size."""
    old, now = _whole(layer)[:, kept], _whole(new)
    squares, products = np.zeros((len(now), len(now))), np.zeros(now.shape)
    readers = [keras.Model(each.inputs, one.input) for each, one in ((model, layer), (smaller, new))]
    for x, was in _rows(readers, (layer, new), seen):
        squares += x.T @ x
        products += x.T @ (was @ old)
    ridge = _RIDGE * np.trace(squares) / len(squares) * np.eye(len(squares))
    fitted = np.linalg.solve(squares + ridge, products + ridge @ now)
    kernel = fitted[: len(now) - new.use_bias]
    new.set_weights([kernel.reshape(new.kernel.shape), *([fitted[-1]] if new.use_bias else [])])


def _whole(layer: Any) -> Array:
    """Kernel and bias as one matrix [inputs + 1, outputs]."""
    kernel = layer.kernel.numpy().astype(np.float64).reshape(-1, layer.kernel.shape[-1])
    return np.vstack([kernel, layer.bias.numpy()[None]]) if layer.use_bias else kernel


def _rows(readers: list[Any], layers: tuple[Any, Any], seen: Array) -> Iterator[tuple[Array, Array]]:
    """What `smaller`'s layer reads and what the model's one read, at the same places: float64 [places, inputs + 1]."""
    random = np.random.default_rng(0)
    in_each = math.prod(layers[0].output.shape[1:-1])
    seen = seen[: max(_LEAST, _FROM // in_each)]
    at_once = max(1, min(_AT_ONCE, _MOST_VALUES // (in_each * math.prod(layers[0].kernel.shape[:-1]))))
    for start in range(0, len(seen), at_once):
        part = tf.constant(seen[start : start + at_once])
        rows = [_patches(layer, reader(part)) for layer, reader in zip(layers, readers, strict=True)]
        most = max(1, _ROWS * len(part) // len(seen))
        places = random.permutation(len(rows[0]))[:most]
        was, now = (_with_one(layer, each[places]) for layer, each in zip(layers, rows, strict=True))
        yield now, was


def _patches(layer: Any, x: Any) -> Array:
    """What each answer of the layer is computed from: float32 [places, inputs]."""
    if not isinstance(layer, keras.layers.Dense):
        flat = isinstance(layer, keras.layers.Conv1D)
        x = tf.expand_dims(x, 1) if flat else x
        sizes, strides, rates = (
            [1, *([1] if flat else []), *each, 1] for each in (layer.kernel_size, layer.strides, layer.dilation_rate)
        )
        x = tf.image.extract_patches(x, sizes, strides, rates, layer.padding.upper())
    return np.asarray(x).reshape(-1, x.shape[-1])


def _with_one(layer: Any, rows: Array) -> Array:
    """As float64, with 1 for a bias."""
    rows = rows.astype(np.float64)
    return np.hstack([rows, np.ones((len(rows), 1))]) if layer.use_bias else rows
