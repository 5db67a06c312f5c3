"""Batch normalization folded into the layer before it, as at inference (Jacob et al. 2017, arXiv 1712.05877, 3.2).

γ (W x + b - μ) / σ + β = (γ/σ W) x + (γ/σ (b - μ) + β).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np

from converter.passes.keras_graph import DEPTHWISE, MULTIPLYING, Graph, called, rebuilt, remade


class Folded(NamedTuple):
    """Attributes: `said`: what was done, for people."""

    model: Any
    said: list[str]


def norms(graph: Graph) -> dict[str, Any]:
    """Layer that multiplies → the batch normalization that alone reads its linear answer."""
    found = {}
    for layer in graph.layers:
        if isinstance(layer, MULTIPLYING) and layer.activation is keras.activations.linear:
            reader = graph.only_reader(layer)
            if isinstance(reader, keras.layers.BatchNormalization) and _by_channel(reader, layer):
                found[layer.name] = reader
    return found


def folded(model: Any) -> Folded:
    """A copy without the batch normalizations that follow a layer which multiplies. Raises InputError."""
    graph = Graph(model)
    taken = norms(graph)
    gone = {norm.name for norm in taken.values()}

    def call(layer: Any, inputs: list[Any]) -> Any:
        if layer.name in gone:
            return inputs[0]
        return called(remade(layer, use_bias=True) if layer.name in taken else remade(layer), inputs)

    made = rebuilt(graph, call)
    for layer in graph.layers:
        if layer.name not in gone:
            weights = _together(layer, taken[layer.name]) if layer.name in taken else layer.get_weights()
            made.get_layer(layer.name).set_weights(weights)
    return Folded(made, [f"{norm.name} folded into {name}" for name, norm in taken.items()])


def _by_channel(norm: Any, layer: Any) -> bool:
    return norm.axis in (-1, len(layer.output.shape) - 1)


def _together(layer: Any, norm: Any) -> list[Any]:
    kernel = layer.kernel.numpy().astype(np.float64)
    bias = layer.bias.numpy() if layer.use_bias else 0.0
    gamma = norm.gamma.numpy() if norm.scale else 1.0
    beta = norm.beta.numpy() if norm.center else 0.0
    factor = gamma / np.sqrt(norm.moving_variance.numpy().astype(np.float64) + norm.epsilon)
    shape = kernel.shape[-2:] if isinstance(layer, DEPTHWISE) else kernel.shape[-1:]
    return [
        (kernel * factor.reshape(shape)).astype(np.float32),
        (factor * (bias - norm.moving_mean.numpy()) + beta).astype(np.float32),
    ]
