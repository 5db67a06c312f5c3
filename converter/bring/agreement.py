"""Whether what was brought answers as its source does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

TRIALS = 4
_TOLERANCE = 1e-3
"""Of the answers' range. Sums in another order differ by 1e-6 to 1e-5, a wrong axis by 1e-1 and more."""


def inputs(shape: list[int]) -> list[Array]:
    """Some inputs to try, the same on every run: float32, normally distributed."""
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(np.float32) for _ in range(TRIALS)]


def difference(expected: list[list[Array]], found: list[list[Array]]) -> str:
    """In what the outputs [trial][output] differ, in words; empty where they do not."""
    worst = max(_apart(one, outputs) for answers, outputs in zip(expected, found, strict=True) for one in answers)
    return "" if worst <= _TOLERANCE else f"its answers differ from the source's by {worst:.2g} of their range"


def _apart(expected: Array, outputs: list[Array]) -> float:
    """Distance to the nearest output of that shape, as a share of the range: converters reorder outputs."""
    span = float(np.ptp(expected)) or 1.0
    alike = [float(np.abs(expected - each).max()) / span for each in outputs if each.shape == expected.shape]
    return min(alike, default=float("inf"))
