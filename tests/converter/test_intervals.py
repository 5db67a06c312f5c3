"""Intervals against published examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import intervals


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 2635–2650: 36, 12, 2, 0 of 50, method 10.
        ((36, 12, 2, 0), 0.0569, 0.3404),
        # Bentur et al. (2009), as computed in Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33.
        ((1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_newcombes_interval_is_the_published_one(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = intervals.newcombe(*counts)
    digits = 4 if low > 0 else 3  # as printed
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)


@given(st.lists(st.integers(0, 500), min_size=4, max_size=4).filter(any))
def test_newcombes_interval_holds_the_difference_and_turns_with_it(counts: list[int]) -> None:
    both, first, second, neither = counts
    found, turned = intervals.newcombe(*counts), intervals.newcombe(both, second, first, neither)
    difference = (first - second) / sum(counts)
    assert found.low - 1e-12 <= difference <= found.high + 1e-12  # rounding
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=1e-12)


def test_the_bootstrap_of_a_mean_is_the_textbook_interval() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = intervals.bootstrap(lambda items: float(values[items].mean()), len(values))
    spread = 1.96 * values.std() / np.sqrt(len(values))
    # A thousand resamples place an end of the interval within a tenth of its half width.
    assert found.low == pytest.approx(values.mean() - spread, abs=0.1 * spread)
    assert found.high == pytest.approx(values.mean() + spread, abs=0.1 * spread)
    assert found == intervals.bootstrap(lambda items: float(values[items].mean()), len(values))
