"""Ranges of a TFLite model's activations, seen on calibration data.

ai-edge-quantizer's own calibration averages the extremes of the items it sees, and so clips: on a Conv1D
net for accelerometers (HAR) it loses 9 points where the extremes themselves lose none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from converter.recipes import Calibration

Array = npt.NDArray[Any]
Ranges = dict[str, dict[str, Array]]
"""Tensor's name → min and max, float32 scalars: what ai-edge-quantizer calls the result of a calibration."""

BINS = 2048
MAX_HISTOGRAM_VALUES = 1_000_000_000
"""So many take about 15 s; of a model with large activations fewer items are counted, but at least 20."""

MAX_HISTOGRAM_ITEMS, _MIN_HISTOGRAM_ITEMS = 500, 20
PERCENTILE = 99.99
_CLIPS = np.linspace(0.3, 1.0, 36)
_LEVELS = 255


def observed(content: bytes, items: Array, calibration: Calibration) -> Ranges:
    """The range of every float activation over `items` [n, …] (float32, without the batch axis).

    Args:
        content: a float .tflite file with one input, whose tensors have names that differ.
        calibration: minmax; percentile: holds 99.99 % of the values on either side; mse: the clip whose
            rounding error is least; entropy: the clip whose distribution differs least from the one seen
            (Migacz, "8-bit inference with TensorRT", GTC 2017).
    """
    extremes = {name: (float(low), float(high)) for name, low, high in _extremes(content, items)}
    if calibration != "minmax":
        clip = _CLIP[calibration]
        extremes = {name: clip(counts, *extremes[name]) for name, counts in _histograms(content, items, extremes)}
    return {
        name: {"min": np.array(low, np.float32), "max": np.array(high, np.float32)}
        for name, (low, high) in extremes.items()
    }


def _extremes(content: bytes, items: Array) -> Iterator[tuple[str, float, float]]:
    run = Run(content)
    low = np.full(len(run.activations), np.inf)
    high = np.full(len(run.activations), -np.inf)
    for item in items:
        for place, values in enumerate(run(item)):
            low[place] = min(low[place], values.min())
            high[place] = max(high[place], values.max())
    # A quantized 0 has to be exact: padding writes it.
    yield from zip(run.activations.values(), np.minimum(low, 0), np.maximum(high, 0), strict=True)


def _histograms(content: bytes, items: Array, extremes: dict[str, tuple[float, float]]) -> Iterator[tuple[str, Array]]:
    run = Run(content)
    items = _spread(items, MAX_HISTOGRAM_VALUES // run.values)
    counts = np.zeros((len(run.activations), BINS), np.int64)
    bounds = [extremes[name] for name in run.activations.values()]
    for item in items:
        for place, values in enumerate(run(item)):
            counts[place] += np.histogram(values, BINS, bounds[place])[0]
    yield from zip(run.activations.values(), counts, strict=True)


def _spread(items: Array, most: int) -> Array:
    """At most so many of the items, evenly spread over all."""
    count = min(len(items), MAX_HISTOGRAM_ITEMS, max(most, _MIN_HISTOGRAM_ITEMS))
    chosen: Array = items[np.linspace(0, len(items) - 1, count).round().astype(int)]
    return chosen


class Run:
    """The model, giving the values of all its float activations for an item."""

    def __init__(self, content: bytes) -> None:
        # With every tensor kept, XNNPACK takes each operator alone, so nothing is fused away.
        self._interpreter: Any = Interpreter(
            model_content=content, num_threads=1, experimental_preserve_all_tensors=True
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._interpreter.set_tensor(self._input["index"], np.zeros(self._input["shape"], np.float32))
        self._interpreter.invoke()
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        self.activations = {
            index: tensor.name.decode()
            for index, tensor in enumerate(model.subgraphs[0].tensors)
            if tensor.type == schema.TensorType.FLOAT32
            and model.buffers[tensor.buffer].data is None
            and self._is_kept(index)
        }

    @property
    def values(self) -> int:
        """How many numbers all the activations of one item are."""
        entries = self._interpreter.get_tensor_details()
        return sum(int(np.prod(entry["shape"])) for entry in entries if entry["index"] in self.activations)

    def _is_kept(self, index: int) -> bool:
        """What a loop works with is not there after the run."""
        try:
            return bool(self._interpreter.get_tensor(index).size)
        except ValueError:
            return False

    def __call__(self, item: Array) -> Iterator[Array]:
        self._interpreter.set_tensor(self._input["index"], item[np.newaxis])
        self._interpreter.invoke()
        for index in self.activations:
            yield self._interpreter.get_tensor(index)


def _percentile(counts: Array, low: float, high: float) -> tuple[float, float]:
    edges = np.linspace(low, high, BINS + 1)
    share = np.cumsum(counts) / counts.sum()
    first = int(np.searchsorted(share, 1 - PERCENTILE / 100))
    last = int(np.searchsorted(share, PERCENTILE / 100))
    return min(float(edges[first]), 0.0), max(float(edges[last + 1]), 0.0)


def _mse(counts: Array, low: float, high: float) -> tuple[float, float]:
    centres = _centres(low, high)

    def error(clip: float) -> float:
        step = max((high - low) * clip / _LEVELS, 1e-30)
        rounded = np.clip(np.round((centres - low * clip) / step), 0, _LEVELS) * step + low * clip
        return float((counts * (rounded - centres) ** 2).sum())

    return _clipped(low, high, error)


def _entropy(counts: Array, low: float, high: float) -> tuple[float, float]:
    centres = _centres(low, high)

    def divergence(clip: float) -> float:
        inside = np.clip(centres, low * clip, high * clip)
        step = max((high - low) * clip / _LEVELS, 1e-30)
        level = np.round((inside - low * clip) / step).astype(int)
        kept = np.bincount(level, counts, _LEVELS + 1)
        # Each level spread evenly over the bins that it stands for; what was clipped lies in the outermost.
        within = (centres >= low * clip) & (centres <= high * clip) & (counts > 0)
        shared = np.maximum(np.bincount(level, within, _LEVELS + 1), 1)
        guess = np.where(within, (kept / shared)[level], 1e-9)
        seen, guess = counts / counts.sum(), guess / guess.sum()
        there = seen > 0
        return float((seen[there] * np.log(seen[there] / guess[there])).sum())

    return _clipped(low, high, divergence)


def _centres(low: float, high: float) -> Array:
    edges = np.linspace(low, high, BINS + 1)
    centres: Array = (edges[1:] + edges[:-1]) / 2
    return centres


def _clipped(low: float, high: float, loss: Callable[[float], float]) -> tuple[float, float]:
    best = min(_CLIPS[::-1], key=loss)
    return float(low * best), float(high * best)


_CLIP: dict[str, Callable[[Array, float, float], tuple[float, float]]] = {
    "percentile": _percentile,
    "mse": _mse,
    "entropy": _entropy,
}
