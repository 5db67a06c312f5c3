"""Which channels of a model stand or fall together: what an addition brings together, what a concatenation lines up,
what depthwise layers and batch normalizations hand on, and what a flattened image means to a dense layer.

Every answer is a row of groups, one behind the other (several after a concatenation). Channels of one group are
removed at the same places in every layer that makes them.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from converter.passes.keras_graph import DEPTHWISE, MULTIPLYING, Graph
from converter.training.data import Array

_LAYERS = keras.layers
_TOGETHER = (_LAYERS.Add, _LAYERS.Subtract, _LAYERS.Multiply, _LAYERS.Average, _LAYERS.Maximum, _LAYERS.Minimum)
_HANDS_ON = (
    *(_LAYERS.BatchNormalization, _LAYERS.Activation, _LAYERS.ReLU, _LAYERS.LeakyReLU, _LAYERS.ELU, _LAYERS.Dropout),
    *(_LAYERS.SpatialDropout1D, _LAYERS.SpatialDropout2D, _LAYERS.GaussianNoise, _LAYERS.UpSampling2D),
    *(_LAYERS.MaxPooling1D, _LAYERS.MaxPooling2D, _LAYERS.AveragePooling1D, _LAYERS.AveragePooling2D),
    *(_LAYERS.GlobalAveragePooling1D, _LAYERS.GlobalAveragePooling2D, _LAYERS.GlobalMaxPooling1D),
    *(_LAYERS.GlobalMaxPooling2D, _LAYERS.ZeroPadding1D, _LAYERS.ZeroPadding2D, _LAYERS.Cropping1D, _LAYERS.Cropping2D),
)
"""The last axis goes out as it came in."""


class Group:
    """Channels that stand or fall together.

    Attributes:
        made_by: names of the layers whose filters they are.
        fixed: none can be removed: they are the model's own input or output, or a layer reads them that
            this module does not know.
    """

    def __init__(self, size: int, *, fixed: bool) -> None:
        self.size, self.fixed = size, fixed
        self.made_by: list[str] = []
        self._same: Group | None = None

    def one(self) -> Group:
        """Who speaks for all that were brought together with it."""
        return self if self._same is None else self._same.one()

    def join(self, other: Group) -> None:
        """From now on one group."""
        mine, theirs = self.one(), other.one()
        if mine is not theirs:
            theirs._same = mine
            mine.fixed |= theirs.fixed
            mine.made_by += theirs.made_by


class Channels:
    """The groups of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._rows: dict[str, list[Group]] = {}
        self._repeats: dict[str, int] = {}
        for layer in graph.layers:
            self._rows[layer.name] = self._row(layer)
            self._repeats[layer.name] = self._repeat(layer)
        for group in self._rows[graph.last.name]:
            group.one().fixed = True

    def groups(self) -> list[Group]:
        """That can lose channels, in the order that they are made."""
        found = (group.one() for row in self._rows.values() for group in row)
        return [group for group in dict.fromkeys(found) if not group.fixed and group.made_by]

    def group_of(self, layer: Any) -> Group:
        """Of the filters of a layer that makes channels."""
        return self._rows[layer.name][0].one()

    def kept(self, layer: Any, keep: dict[Group, Array]) -> Array:
        """Places along the last axis of a layer's answer that stay.

        Args:
            keep: group → bool [size]; a group that is not in it stays whole.
        """
        masks = [keep.get(group.one(), np.ones(group.size, bool)) for group in self._rows[layer.name]]
        return np.flatnonzero(np.tile(np.concatenate(masks), self._repeats[layer.name]))

    def _row(self, layer: Any) -> list[Group]:
        before = [self._rows[each.name] for each in self.graph.before(layer)]
        if isinstance(layer, _LAYERS.InputLayer):
            return [Group(_last(layer), fixed=True)]
        if isinstance(layer, MULTIPLYING) and not isinstance(layer, DEPTHWISE):
            return [self._made(layer, before[0])]
        if isinstance(layer, DEPTHWISE) and layer.depth_multiplier == 1:
            return before[0]
        if isinstance(layer, _TOGETHER) and _line_up(before):
            for other in before[1:]:
                for mine, theirs in zip(before[0], other, strict=True):
                    mine.join(theirs)
            return before[0]
        if isinstance(layer, _LAYERS.Concatenate) and layer.axis in (-1, len(layer.output.shape) - 1):
            return [group for row in before for group in row]
        if isinstance(layer, _LAYERS.Flatten) or (isinstance(layer, _HANDS_ON) and _by_channel(layer)):
            return before[0]
        return self._unknown(layer, before)

    def _made(self, layer: Any, row: list[Group]) -> Group:
        in_groups = getattr(layer, "groups", 1) > 1
        if in_groups:
            self._unknown(layer, [row])
        group = Group(_last(layer), fixed=in_groups)
        group.made_by.append(layer.name)
        return group

    def _unknown(self, layer: Any, before: list[list[Group]]) -> list[Group]:
        """Nothing that such a layer reads can be removed."""
        for row in before:
            for group in row:
                group.one().fixed = True
        return [Group(_last(layer) or 0, fixed=True)]

    def _repeat(self, layer: Any) -> int:
        """A flattened image has every channel at each place."""
        if isinstance(layer, _LAYERS.Flatten):
            (before,) = self.graph.before(layer)
            return int(math.prod(before.output.shape[1:-1])) * self._repeats[before.name]
        before = self.graph.before(layer)
        handed_on = isinstance(layer, (*_HANDS_ON, *_TOGETHER)) and before
        return self._repeats[before[0].name] if handed_on else 1


def _last(layer: Any) -> int:
    return int(layer.output.shape[-1])


def _line_up(rows: list[list[Group]]) -> bool:
    return all([group.size for group in row] == [group.size for group in rows[0]] for row in rows[1:])


def _by_channel(layer: Any) -> bool:
    """A batch normalization of another axis is none that this module knows; channels-first layers neither."""
    last = getattr(layer, "axis", -1) in (-1, len(layer.output.shape) - 1)
    return last and getattr(layer, "data_format", "channels_last") == "channels_last"
