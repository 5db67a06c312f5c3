"""Structured pruning: filters are removed for good, and with them all that belongs to them (see channel_groups).

What is left is a plain, smaller Keras model. Which filters matter is told by the size of their weights (l1, l2), by
the scale of the batch normalization after them (norm), or by how much the loss changes without them to first
order (taylor; Molchanov et al. 2019, arXiv 1906.10771: Σ (∂L/∂w · w)²).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from converter.passes import refit, sensitivity
from converter.passes.channel_groups import Channels, Group
from converter.passes.fold_keras import norms
from converter.passes.keras_graph import DEPTHWISE, MULTIPLYING, Graph, called, rebuilt, remade
from converter.training.data import Array, Items
from converter.training.objective import task_loss
from firmware_profiles.errors import InputError, Problem

Criterion = Literal["l1", "l2", "norm", "taylor"]
_EVEN = 8
"""Kept channels are rounded to a multiple: kernels compute so many at once, and one more costs as much as all. In int8
XNNPACK takes as long for 12 channels as for 16 (AVX2, NEON)."""

_SEEN = 512
_AT_ONCE = 64


class Thinned(NamedTuple):
    """Attributes: `said`: what was done, for people."""

    model: Any
    said: list[str]


def thinned(
    model: Any, ratios: float | Mapping[str, float], importance: Mapping[str, Array], seen: Array | None = None
) -> Thinned:
    """A smaller copy of the model, with the weights of what is left.

    Args:
        ratios: part of the channels to remove, 0 to 1: of all groups, or by the name of a layer that makes them.
        importance: of every filter, by layer; see `importance`.
        seen: float32 [n, …], of the training data, by which the rest makes up for what goes; see `refit`.

    Raises:
        InputError: a ratio leaves a layer empty, or nothing can be removed.
    """
    channels = Channels(Graph(model))
    keep: dict[Group, Array] = {}
    problems, said = [], []
    for group in channels.groups():
        ratio = ratios if isinstance(ratios, float) else next((ratios[n] for n in group.made_by if n in ratios), 0.0)
        left = _left(group.size, ratio)
        if left < 1:
            found = f"{ratio:.0%} of {group.size} removed"
            step = "remove less"
            problems.append(Problem(f"channels: {group.made_by[0]}", "at least one channel left", found, step))
            continue
        score = sum(importance[name] / (importance[name].mean() or 1.0) for name in group.made_by)
        keep[group] = np.isin(np.arange(group.size), np.argsort(-np.asarray(score), kind="stable")[:left])
        said.append(f"{', '.join(group.made_by)}: {left} of {group.size} channels")
    if not keep and not problems:
        step = "leave channels out of the recipe"
        problems.append(Problem("channels", "layers that can lose channels", "none in this model", step))
    if problems:
        raise InputError(*problems)
    smaller = _without(channels, keep)
    if seen is not None:
        refit.refit(model, smaller, {layer.name: channels.kept(layer, keep) for layer in channels.graph.layers}, seen)
    return Thinned(smaller, said)


def importance(
    model: Any, criterion: Criterion, items: Items | None = None, loss: str = "crossentropy"
) -> dict[str, Array]:
    """Of every filter of every layer that makes channels: float64 [channels].

    Args:
        items, loss: for taylor, of the training data.
    """
    graph = Graph(model)
    after = norms(graph)
    gradients = _gradients(model, items, loss) if criterion == "taylor" and items else {}
    found = {}
    for layer in graph.layers:
        if not isinstance(layer, MULTIPLYING) or isinstance(layer, DEPTHWISE):
            continue
        kernel = layer.kernel.numpy().astype(np.float64).reshape(-1, layer.kernel.shape[-1])
        norm = after.get(layer.name)
        if criterion == "taylor":
            found[layer.name] = gradients[layer.name]
        elif criterion == "norm" and norm is not None and norm.scale:
            found[layer.name] = np.abs(norm.gamma.numpy()).astype(np.float64)
        else:
            found[layer.name] = np.abs(kernel).sum(0) if criterion == "l1" else np.sqrt((kernel**2).sum(0))
    return found


def inside(model: Any, percent: float) -> dict[str, float]:
    """A ratio for each group that one layer alone makes.

    What an addition brings together stays whole: it is read by every block that follows, and hurts most when it is
    thinned (Li et al. 2017, arXiv 1608.08710, 3.3).
    """
    groups = Channels(Graph(model)).groups()
    return {group.made_by[0]: percent / 100 for group in groups if len(group.made_by) == 1}


def by_sensitivity(
    model: Any, percent: float, judged: Callable[[Any], float], scores: Mapping[str, Array]
) -> dict[str, float]:
    """A ratio for each group; see `sensitivity`.

    Args:
        judged: the loss of a model on a part of the training data.
    """
    groups = Channels(Graph(model)).groups()
    names = [group.made_by[0] for group in groups]
    hurt = {name: judged(thinned(model, {name: percent / 100}, scores).model) for name in names}
    return sensitivity.ratios(hurt, percent)


def _left(size: int, ratio: float) -> int:
    exact = size * (1 - ratio)
    even = round(exact / _EVEN) * _EVEN
    return even if even and size > _EVEN else round(exact)


def _without(channels: Channels, keep: dict[Group, Array]) -> Any:
    graph = channels.graph

    def call(layer: Any, inputs: list[Any]) -> Any:
        made = isinstance(layer, MULTIPLYING) and not isinstance(layer, DEPTHWISE)
        if not made:
            return called(remade(layer), inputs)
        key = "units" if isinstance(layer, keras.layers.Dense) else "filters"
        return called(remade(layer, **{key: len(channels.kept(layer, keep))}), inputs)

    smaller = rebuilt(graph, call)
    for layer in graph.layers:
        if not layer.weights:
            continue
        (before,) = graph.before(layer)
        into, out = channels.kept(before, keep), channels.kept(layer, keep)
        smaller.get_layer(layer.name).set_weights([_part(layer, each, into, out) for each in layer.get_weights()])
    return smaller


def _part(layer: Any, weights: Array, into: Array, out: Array) -> Array:
    """What stays of a kernel [..., in, out], or of numbers by channel."""
    if isinstance(layer, DEPTHWISE) and weights.ndim > 1:
        return weights[..., into, :]
    if weights.ndim == 1:
        return weights[out]
    return weights[..., into, :][..., out]


def _gradients(model: Any, items: Items, loss: str) -> dict[str, Array]:
    layers = [layer for layer in model.layers if isinstance(layer, MULTIPLYING)]
    kernels = [tf.convert_to_tensor(layer.kernel) for layer in layers]
    total = [np.zeros(kernel.shape[-1]) for kernel in kernels]
    for start in range(0, min(_SEEN, len(items.x)), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        with tf.GradientTape() as tape:
            outputs = model(tf.constant(items.x[part]), training=False)
            value = task_loss(model, outputs, tf.constant(items.y[part]), loss)
        for index, each in enumerate(tape.gradient(value, [layer.kernel for layer in layers])):
            product = (each * kernels[index]).numpy().astype(np.float64)
            total[index] += (product.reshape(-1, product.shape[-1]).sum(0)) ** 2
    return {layer.name: each for layer, each in zip(layers, total, strict=True)}
