"""Quantization-aware training (Jacob et al. 2017, arXiv 1712.05877): the model computes as its int8 export will.

Weights are rounded per output channel, symmetrically; activations by ranges that follow a moving average of what
training sees; batch normalization is folded with its statistics as they are. Gradients pass the rounding as if
it were not there. `qat_export` brings the ranges into a TFLite file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from converter.passes.fold_keras import norms
from converter.passes.keras_graph import MULTIPLYING, Graph, called, rebuilt, remade
from converter.passes.qat_layers import Again, Fixed, Range, Rounded
from converter.training.data import Array
from firmware_profiles.errors import InputError, Problem

_LAYERS, _ACT = keras.layers, keras.activations
_KEEPS_RANGE = (
    *(_LAYERS.MaxPooling1D, _LAYERS.MaxPooling2D, _LAYERS.AveragePooling1D, _LAYERS.AveragePooling2D),
    *(_LAYERS.Flatten, _LAYERS.Reshape, _LAYERS.Permute, _LAYERS.ZeroPadding1D, _LAYERS.ZeroPadding2D),
    *(_LAYERS.Cropping1D, _LAYERS.Cropping2D),
)
"""TFLite wants one scale for input and output of these."""

_HAS_RANGE = (
    *(_LAYERS.Add, _LAYERS.Subtract, _LAYERS.Multiply, _LAYERS.Concatenate),
    *(_LAYERS.GlobalAveragePooling1D, _LAYERS.GlobalAveragePooling2D, _LAYERS.Activation, _LAYERS.ReLU),
)
_NOTHING = (_LAYERS.Dropout, _LAYERS.SpatialDropout1D, _LAYERS.SpatialDropout2D, _LAYERS.GaussianNoise)
"""Gone at inference, and here."""

_LOW = {_ACT.softmax: 0.0, _ACT.sigmoid: 0.0, _ACT.tanh: -1.0}
"""Where the range that TFLite prescribes begins."""

_KNOWN_ACTIVATIONS = (_ACT.linear, _ACT.relu, _ACT.relu6, *_LOW)
_AT_ONCE = 100


class Prepared(NamedTuple):
    """Attributes: `said`: what was done, for people."""

    model: Any
    said: list[str]


def prepared(model: Any, seen: Array, *, by_tensor: bool = False) -> Prepared:
    """A copy of the model that computes as its int8 export will, with ranges of what it makes of `seen`.

    Args:
        seen: float32 [n, …], of the training data.
        by_tensor: one scale for all weights of a layer, not one for each channel.

    Raises:
        InputError: layers have no int8 form that training knows; each is named.
    """
    graph = Graph(model)
    build = _Build(graph, by_tensor=by_tensor)
    if problems := list(build.unknown()):
        raise InputError(*problems)
    made = rebuilt(graph, build.call)
    for layer in graph.layers:
        build.take_weights(made, layer)
    for start in range(0, len(seen), _AT_ONCE):
        made(tf.constant(seen[start : start + _AT_ONCE]), training=True)
    weights = sum(isinstance(layer, Rounded) for layer in made.layers)
    said = f"{weights} layers and {len(build.ranges)} ranges are trained as int8; {len(build.gone)} layers folded away"
    return Prepared(made, [said])


class _Build:
    """What stands for each layer."""

    def __init__(self, graph: Graph, *, by_tensor: bool) -> None:
        self._graph, self._by_tensor = graph, by_tensor
        self._norms = norms(graph)
        self.gone = {norm.name for norm in self._norms.values()}
        self.gone |= {layer.name for layer in graph.layers if isinstance(layer, _NOTHING)}
        self.ranges: dict[str, Range | Fixed] = {}
        self._inputs: dict[str, Any] = {}

    def call(self, layer: Any, inputs: list[Any]) -> Any:
        """The layer and the rounding of its answer."""
        before = self._graph.before(layer)
        inputs = [
            self._of_input(each, given) if isinstance(each, keras.layers.InputLayer) else given
            for each, given in zip(before, inputs, strict=True)
        ]
        if layer.name in self.gone:
            return inputs[0]
        if _averages_all(layer):
            average = _LAYERS.GlobalAveragePooling2D(keepdims=True, name=layer.name)
            return self._ranged(layer, average(inputs[0]))
        if isinstance(layer, _KEEPS_RANGE):
            return Again(self.ranges[self._origin(layer)], f"{layer.name}_again")(called(remade(layer), inputs))
        if not isinstance(layer, MULTIPLYING):
            return self._ranged(layer, called(remade(layer), inputs))
        norm, activation = self._norms.get(layer.name), layer.activation
        inner = remade(layer, activation="linear")
        source = self.ranges[self._origin(layer)]
        answer = Rounded(inner, remade(norm) if norm else None, source, by_tensor=self._by_tensor)(inputs[0])
        if activation is _ACT.linear:
            return self._ranged(layer, answer)
        if activation is not _ACT.relu and activation is not _ACT.relu6:
            answer = self._range(f"{layer.name}_linear")(answer)
        return self._ranged(layer, _LAYERS.Activation(activation, name=f"{layer.name}_activation")(answer))

    def _ranged(self, layer: Any, answer: Any) -> Any:
        """By the range of the last layer that is folded into it: all that read the answer find it under that name."""
        if getattr(layer, "activation", None) in _LOW:
            self.ranges[layer.name] = Fixed(_LOW[layer.activation], f"{layer.name}_range")
            return self.ranges[layer.name](answer)
        return answer if self._is_fused(layer) else self._range(layer.name)(answer)

    def _range(self, name: str) -> Range:
        found = self.ranges[name] = Range(f"{name}_range")
        return found

    def _of_input(self, layer: Any, given: Any) -> Any:
        if layer.name not in self._inputs:
            self._inputs[layer.name] = self._range(layer.name)(given)
        return self._inputs[layer.name]

    def _is_fused(self, layer: Any) -> bool:
        """A rectifier alone reads its answer and becomes part of it, or a concatenation, whose parts have its range."""
        reader = self._graph.only_reader(layer)
        while reader is not None and reader.name in self.gone:
            reader = self._graph.only_reader(reader)
        if isinstance(reader, _LAYERS.Concatenate):
            return not isinstance(layer, _LAYERS.Concatenate)
        return reader is not None and _rectifies(reader) and isinstance(layer, (*MULTIPLYING, _LAYERS.Add))

    def _origin(self, layer: Any) -> str:
        """Whose range the answer has that the layer reads."""
        (before,) = self._graph.before(layer)
        if before.name not in self.ranges and (before.name in self.gone or isinstance(before, _KEEPS_RANGE)):
            return self._origin(before)
        return str(before.name)

    def unknown(self) -> Iterator[Problem]:
        """Layers that TFLite does not compute in int8 as this pass believes."""
        known = (*MULTIPLYING, *_KEEPS_RANGE, *_HAS_RANGE, keras.layers.InputLayer)
        for layer in self._graph.layers:
            activation = getattr(layer, "activation", _ACT.linear)
            found = type(layer).__name__ if not isinstance(layer, known) else ""
            if not found and activation not in _KNOWN_ACTIVATIONS:
                found = f"the activation {getattr(activation, '__name__', activation)}"
            if found and layer.name not in self.gone:
                step = "leave qat out for this model, or replace the layer"
                yield Problem(f"model: {layer.name}", "a layer that qat knows in int8", found, step)

    def take_weights(self, made: Any, layer: Any) -> None:
        """From the old layer."""
        if isinstance(layer, MULTIPLYING):
            new = made.get_layer(layer.name)
            new.inner.set_weights(layer.get_weights())
            if new.norm is not None:
                new.norm.set_weights(self._norms[layer.name].get_weights())


def _averages_all(layer: Any) -> bool:
    """A pooling with a window as large as its image: a mean, which has a range of its own in TFLite.

    Averages are far smaller than the largest value: with the range of what they are made of, they get few steps.
    """
    if not isinstance(layer, _LAYERS.AveragePooling2D) or layer.data_format != "channels_last":
        return False
    return tuple(layer.pool_size) == tuple(layer.input.shape[1:3]) and tuple(layer.output.shape[1:3]) == (1, 1)


def _rectifies(layer: Any) -> bool:
    if isinstance(layer, _LAYERS.ReLU):
        return layer.max_value in (None, 6) and not layer.negative_slope and not layer.threshold
    return isinstance(layer, _LAYERS.Activation) and layer.activation in (_ACT.relu, _ACT.relu6)
