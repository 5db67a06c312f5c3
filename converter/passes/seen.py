"""Ranges of a running model's activations, seen on calibration data, whatever runtime runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from converter.passes.clips import BINS, CLIP
from converter.recipes import Calibration

Array = npt.NDArray[Any]
Range = tuple[float, float]

MAX_HISTOGRAM_VALUES = 1_000_000_000
"""So many take about 15 s; of a model with large activations fewer items are counted, but at least 20."""

MAX_HISTOGRAM_ITEMS, _MIN_HISTOGRAM_ITEMS = 500, 20


class Watched(Protocol):
    """A float model that tells all its activations.

    Attributes:
        names: of the activations.
        values: how many numbers they are for one item, all together.
    """

    @property
    def names(self) -> list[str]: ...

    @property
    def values(self) -> int: ...

    def __call__(self, item: Array) -> Iterator[Array]:
        """The activations for one item (float32, without the batch axis), in the order of `names`."""
        ...


def ranges(run: Watched, items: Array, calibration: Calibration) -> dict[str, Range]:
    """The range of every activation over `items` [n, …].

    Args:
        calibration: minmax, or one of `clips`.
    """
    extremes = {name: (float(low), float(high)) for name, low, high in _extremes(run, items)}
    if calibration == "minmax":
        return extremes
    clip = CLIP[calibration]
    return {name: clip(counts, *extremes[name]) for name, counts in _histograms(run, items, extremes)}


def _extremes(run: Watched, items: Array) -> Iterator[tuple[str, float, float]]:
    low = np.full(len(run.names), np.inf)
    high = np.full(len(run.names), -np.inf)
    for item in items:
        for place, values in enumerate(run(item)):
            low[place] = min(low[place], values.min())
            high[place] = max(high[place], values.max())
    # A quantized 0 has to be exact: padding writes it.
    yield from zip(run.names, np.minimum(low, 0), np.maximum(high, 0), strict=True)


def _histograms(run: Watched, items: Array, extremes: dict[str, Range]) -> Iterator[tuple[str, Array]]:
    items = _spread(items, MAX_HISTOGRAM_VALUES // run.values)
    counts = np.zeros((len(run.names), BINS), np.int64)
    bounds = [extremes[name] for name in run.names]
    for item in items:
        for place, values in enumerate(run(item)):
            counts[place] += _counted(values, *bounds[place])
    yield from zip(run.names, counts, strict=True)


def _counted(values: Array, low: float, high: float) -> Array:
    """How many of the values are in each of the bins; as numpy.histogram, in a quarter of its time."""
    per_value = np.float32(BINS / (high - low) if high > low else 0)
    places = ((values.ravel() - np.float32(low)) * per_value).astype(np.int32)
    return np.bincount(np.minimum(places, BINS - 1), minlength=BINS)


def _spread(items: Array, most: int) -> Array:
    """At most so many of the items, evenly spread over all."""
    count = min(len(items), MAX_HISTOGRAM_ITEMS, max(most, _MIN_HISTOGRAM_ITEMS))
    chosen: Array = items[np.linspace(0, len(items) - 1, count).round().astype(int)]
    return chosen
