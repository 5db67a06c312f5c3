"""Statistics of one window of a signal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles.manifest import Statistic

_OF: dict[Statistic, Callable[[Array], Array]] = {
    "mean": lambda window: window.mean(axis=0),
    "std": lambda window: window.std(axis=0),
    "min": lambda window: window.min(axis=0),
    "max": lambda window: window.max(axis=0),
    "rms": lambda window: np.sqrt(np.square(window).mean(axis=0)),
}
"""Of each channel; std is that of the window itself, divided by n and not by n - 1."""


def statistics(window: Array, wanted: Sequence[Statistic]) -> Array:
    """float64 [channels, statistics] of a window [samples, channels]."""
    exact = window.astype(np.float64)
    return np.stack([_OF[name](exact) for name in wanted], axis=1)


def standardised(value: Array) -> Array:
    """(x - mean) / std over all axes but the last, float32; a channel that does not vary becomes 0.

    A tensor of one axis is one channel.
    """
    exact = value.astype(np.float64)
    axes = tuple(range(exact.ndim - 1)) or (0,)
    around = exact - exact.mean(axis=axes, keepdims=True)
    spread = np.sqrt(np.square(around).mean(axis=axes, keepdims=True))
    # What rounding leaves of a constant channel is no signal.
    quiet = spread <= 1e-9 * np.abs(exact).max(axis=axes, keepdims=True)
    scaled: Array = np.divide(around, spread, out=np.zeros_like(around), where=~quiet)
    return scaled.astype(np.float32)
