"""95 % intervals for a difference that was measured on the same items twice. Pure.

Newcombe, R. G. (1998): "Improved confidence intervals for the difference between binomial proportions
based on paired data", Statistics in Medicine 17, 2635–2650, method 10. Efron, B. and Tibshirani, R. J.
(1993): "An Introduction to the Bootstrap", chapter 13, percentile intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

_RESAMPLES = 1000
_SEED = 20260101


class Interval(NamedTuple):
    """Where the difference lies in 95 of 100 such samples."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """From end to end."""
        return self.high - self.low


def newcombe(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """Interval of the first share less the second, from how many items each got right."""
    n = both + only_first + only_second + neither
    first, second = (both + only_first) / n, (both + only_second) / n
    first_low, first_high = _wilson(both + only_first, n)
    second_low, second_high = _wilson(both + only_second, n)
    phi = _correlation(both, only_first, only_second, neither)
    below = _joined(first - first_low, second_high - second, phi)
    above = _joined(first_high - first, second - second_low, phi)
    return Interval(first - second - below, first - second + above)


def bootstrap(statistic: Callable[[npt.NDArray[Any]], float], items: int) -> Interval:
    """Percentile interval of `statistic`, which takes indices of items; the same for the same items."""
    random = np.random.default_rng(_SEED)
    found = [statistic(random.integers(0, items, items)) for _ in range(_RESAMPLES)]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return Interval(float(low), float(high))


def _wilson(right: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of one share."""
    centre = 2 * right + _Z**2
    spread = _Z * math.sqrt(_Z**2 + 4 * right * (1 - right / n))
    scale = 2 * (n + _Z**2)
    return (centre - spread) / scale, (centre + spread) / scale


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Phi with Newcombe's continuity correction; 0 where a margin is empty."""
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if margins == 0:
        return 0.0
    association = float(both * neither - only_first * only_second)
    if association > 0:
        association = max(association - (both + only_first + only_second + neither) / 2, 0.0)
    return association / math.sqrt(margins)


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))
