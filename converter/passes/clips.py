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


CLIP: dict[str, Callable[[Array, float, float], tuple[float, float]]] = {
    "percentile": _percentile,
    "mse": _mse,
    "entropy": _entropy,
}
"""Calibration → function of the counts of `BINS` equal bins, and of the extremes: the range, 0 inside."""
