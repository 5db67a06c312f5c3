"""How far apart two sets of answers are, from 0 (alike) to 1 (nothing in common). Pure.

Of classes p and q it is the total variation distance of their histograms, ½ Σ |p(c) - q(c)|; of numbers the
two-sample Kolmogorov-Smirnov statistic, the largest |F(x) - G(x)| of their empirical distribution functions.
(A. L. Gibbs and F. E. Su, "On choosing and bounding probability metrics", International Statistical Review 70, 2002.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection


def distance(one: Collection[str | float], other: Collection[str | float]) -> float | None:
    """Between two sets that are not empty; None where one holds classes and the other one numbers."""
    kinds = {isinstance(each, str) for each in (*one, *other)}
    if len(kinds) != 1:
        return None
    return _of_classes(one, other) if kinds.pop() else _of_numbers(one, other)


def _of_classes(one: Collection[str | float], other: Collection[str | float]) -> float:
    p, q = Counter(one), Counter(other)
    return sum(abs(p[each] / len(one) - q[each] / len(other)) for each in {*p, *q}) / 2


def _of_numbers(one: Collection[str | float], other: Collection[str | float]) -> float:
    f, g = (sorted(float(each) for each in side) for side in (one, other))
    return max(abs(bisect_right(f, x) / len(f) - bisect_right(g, x) / len(g)) for x in {*f, *g})
