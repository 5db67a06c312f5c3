"""Ranges of activations from histograms of what they were: where to clip so that rounding costs least. Pure.

percentile holds 99.99 % of the values on either side; mse takes the clip whose rounding error is least;
entropy the one whose distribution differs least from the one seen (Migacz, "8-bit inference with
TensorRT", GTC 2017). A quantized 0 has to be exact, since padding writes it, so no range leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BINS = 2048
PERCENTILE = 99.99
_CLIPS = np.linspace(0.3, 1.0, 36)
_LEVELS = 255
_ENOUGH_A_BIN = 20
"""Of fewer values a histogram says little about their distribution: nothing is clipped then."""


def _percentile(counts: Array, low: float, high: float) -> tuple[float, float]:
    edges = np.linspace(low, high, BINS + 1)
    share = np.cumsum(counts) / counts.sum()
    first = int(np.searchsorted(share, 1 - PERCENTILE / 100))
    last = int(np.searchsorted(share, PERCENTILE / 100))
    return min(float(edges[first]), 0.0), max(float(edges[last + 1]), 0.0)


def _mse(counts: Array, low: float, high: float) -> tuple[float, float]:
    centres = _centres(low, high)

    def error(least: float, most: float) -> float:
        step = _step(least, most)
        rounded = np.clip(np.round((centres - least) / step), 0, _LEVELS) * step + least
        return float((counts * (rounded - centres) ** 2).sum())

    return _clipped(low, high, error)


def _entropy(counts: Array, low: float, high: float) -> tuple[float, float]:
    if counts.sum() < _ENOUGH_A_BIN * BINS:
        return low, high
    centres = _centres(low, high)

    def divergence(least: float, most: float) -> float:
        inside = (centres >= least) & (centres <= most)
        if not inside.any():
            return np.inf
        kept = counts[inside].astype(float)
        seen = kept.copy()
        # What is clipped comes to lie in the outermost bins.
        seen[0] += counts[centres < least].sum()
        seen[-1] += counts[centres > most].sum()
        there = seen > 0
        level = np.round((centres[inside] - least) / _step(least, most)).astype(int)
        # Each level is spread evenly over the bins that it stands for.
        mass = np.bincount(level, kept, _LEVELS + 1)
        shared = np.maximum(np.bincount(level, there, _LEVELS + 1), 1)
        guess = np.maximum((mass / shared)[level][there], 1e-9)
        seen = seen[there] / seen.sum()
        return float((seen * np.log(seen * guess.sum() / guess)).sum())

    return _clipped(low, high, divergence)


def _centres(low: float, high: float) -> Array:
    edges = np.linspace(low, high, BINS + 1)
    centres: Array = (edges[1:] + edges[:-1]) / 2
    return centres


def _step(low: float, high: float) -> float:
    return max(high - low, 1e-30) / _LEVELS


def _clipped(low: float, high: float, loss: Callable[[float, float], float]) -> tuple[float, float]:
    """The least loss, each end moved by itself, the upper one first."""
    above = min(_CLIPS[::-1], key=lambda clip: loss(low, high * clip)) if high > 0 else 1.0
    below = min(_CLIPS[::-1], key=lambda clip: loss(low * clip, high * above)) if low < 0 else 1.0
    return float(low * below), float(high * above)


CLIP: dict[str, Callable[[Array, float, float], tuple[float, float]]] = {
    "percentile": _percentile,
    "mse": _mse,
    "entropy": _entropy,
}
"""Calibration → function of the counts of `BINS` equal bins, and of the extremes: the range, 0 inside."""
