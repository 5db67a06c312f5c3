"""Ranges of activations: they hold what they must, and each method is the best at what it looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.passes import ranges, seen
from converter.passes.clips import CLIP
from converter.recipes import Calibration
from tests.converter.conftest import MODELS

STEPS = 255


class Given:
    """A model with one activation: the item itself."""

    names = ("x",)

    def __init__(self, values: int) -> None:
        self.values = values

    def __call__(self, item: Any) -> Iterator[Any]:
        yield item


def found(items: Any, calibration: Calibration) -> tuple[float, float]:
    return seen.ranges(Given(items.shape[1]), items, calibration)["x"]  # type: ignore[arg-type]  # a tuple of names will do


def squared_error(values: Any, low: float, high: float) -> float:
    step = max(high - low, 1e-30) / STEPS
    return float(((np.clip(np.round((values - low) / step), 0, STEPS) * step + low - values) ** 2).sum())


@given(st.integers(0, 1000), st.integers(2, 40), st.floats(1e-3, 1e3), st.floats(-3, 3), st.sampled_from(sorted(CLIP)))
def test_a_clip_lies_within_the_extremes_and_holds_zero(
    seed: int, count: int, spread: float, shift: float, calibration: Calibration
) -> None:
    items = (np.random.default_rng(seed).normal(shift, 1, (count, 30)) * spread).astype(np.float32)
    low, high = found(items, "minmax")
    assert (low, high) == (min(float(items.min()), 0.0), max(float(items.max()), 0.0))
    inner_low, inner_high = found(items, calibration)
    slack = 1e-6 * spread  # edges of bins, in float64
    assert low - slack <= inner_low <= 0 <= inner_high <= high + slack


def test_a_lone_outlier_is_clipped_where_that_rounds_better() -> None:
    values = np.random.default_rng(1).normal(0, 1, (20, 5000)).astype(np.float32)
    values[0, 0] = 8.0
    extremes = squared_error(values, *found(values, "minmax"))
    assert squared_error(values, *found(values, "mse")) < 0.9 * extremes
    assert found(values, "percentile")[1] < 5
    assert found(values, "entropy")[1] < 8


def test_values_that_are_all_equal_have_a_range() -> None:
    for calibration in ("minmax", "percentile", "mse", "entropy"):
        low, high = found(np.zeros((5, 4), np.float32), calibration)  # type: ignore[arg-type]  # mypy widens a tuple
        assert low <= 0 <= high


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_the_inputs_own_range_is_that_of_the_data(scale: float) -> None:
    """ai-edge-quantizer's own calibration averages it away, and so clips what the model has to see."""
    x = (np.random.default_rng(0).random((50, 6, 6, 1)) ** 4 * scale).astype(np.float32)
    observed = ranges.observed((MODELS / "tiny-float32.tflite").read_bytes(), x, "minmax")
    (entry,) = [name for name in observed if "input" in name or "image" in name][:1]
    assert float(observed[entry]["max"]) == pytest.approx(float(x.max()))
