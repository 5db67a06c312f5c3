"""A Keras model as a graph of layers: what every pass over one walks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from firmware_profiles.errors import InputError, Problem

Call = Callable[[Any, list[Any]], Any]
"""(a layer of the old model, its inputs in the new one) → what stands there for its answer."""

MULTIPLYING = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)
DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


class Graph:
    """Who gives what to whom.

    Attributes:
        layers: in the order that they run.
    """

    def __init__(self, model: Any) -> None:
        """Raises InputError where the model is no plain graph of layers, each of them called once."""
        if isinstance(model, keras.Sequential):
            model = keras.Model(model.inputs, model.outputs, name=model.name)
        self.model = model
        self.layers = list(model.layers)
        if problems := list(_odd(model)):
            raise InputError(*problems)
        self._maker = {id(layer.output): layer for layer in self.layers}
        self._by_name = {layer.name: layer for layer in self.layers}
        self._readers: dict[str, list[Any]] = {layer.name: [] for layer in self.layers}
        for layer in self.layers:
            for before in self.before(layer):
                self._readers[before.name].append(layer)

    def layer(self, name: str) -> Any:
        """The one of that name."""
        return self._by_name[name]

    def before(self, layer: Any) -> list[Any]:
        """The layers whose answers it reads."""
        if isinstance(layer, keras.layers.InputLayer):
            return []
        return [self._maker[id(tensor)] for tensor in _list(layer.input)]

    def after(self, layer: Any) -> list[Any]:
        """The layers that read its answer."""
        return self._readers[layer.name]

    def only_reader(self, layer: Any) -> Any:
        """The one layer that reads its answer, if nobody else does; None otherwise."""
        after = self.after(layer)
        return after[0] if len(after) == 1 and layer is not self.last else None

    @property
    def last(self) -> Any:
        """Whose answer is the model's."""
        return self._maker[id(self.model.outputs[0])]


def rebuilt(graph: Graph, call: Call) -> Any:
    """A new model with what `call` puts in the place of each layer but the input."""
    answers: dict[str, Any] = {}
    for layer in graph.layers:
        if isinstance(layer, keras.layers.InputLayer):
            answers[layer.name] = keras.Input(batch_shape=layer.batch_shape, dtype=layer.dtype, name=layer.name)
            inputs = answers[layer.name]
        else:
            answers[layer.name] = call(layer, [answers[before.name] for before in graph.before(layer)])
    return keras.Model(inputs, answers[graph.last.name], name=graph.model.name)


def called(layer: Any, inputs: Sequence[Any]) -> Any:
    """The answer of a new layer."""
    return layer(list(inputs) if len(inputs) > 1 else inputs[0])


def copied(model: Any) -> Any:
    """Another one with the same weights. Raises InputError as `Graph` and `remade`."""
    graph = Graph(model)
    made = rebuilt(graph, lambda layer, inputs: called(remade(layer), inputs))
    for layer in graph.layers:
        made.get_layer(layer.name).set_weights(layer.get_weights())
    return made


def remade(layer: Any, **changes: Any) -> Any:
    """The same layer without weights, with changes to its configuration.

    Raises:
        InputError: it is of the user's own and cannot be made again.
    """
    try:
        return type(layer).from_config({**layer.get_config(), **changes})
    except (TypeError, ValueError, NotImplementedError, KeyError) as error:
        step = f"give {type(layer).__name__} a get_config that its __init__ takes back"
        raise InputError(Problem(f"model: {layer.name}", "a layer that can be made again", str(error), step)) from None


def _odd(model: Any) -> Iterator[Problem]:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        found = f"{len(model.inputs)} inputs, {len(model.outputs)} outputs"
        yield Problem("model", "one input and one output, to be trained", found, "train it yourself, then convert")
    for each in model.operations:
        where, step = f"model: {each.name}", "build the model flat, of layers that are each called once"
        if isinstance(each, keras.Model):
            yield Problem(where, "a layer", "a model within the model", step)
        elif not isinstance(each, keras.layers.Layer):
            yield Problem(where, "a layer", f"the bare operation {type(each).__name__}", step)
        elif len(each._inbound_nodes) > 1:  # nothing public tells it
            yield Problem(
                where, "a layer that is called once", f"one that is called {len(each._inbound_nodes)} times", step
            )


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
