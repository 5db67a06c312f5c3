"""The evaluation data in two halves: one to choose on, one to confirm the choice on. Pure.

Picking the best of many by one sample flatters the winner: its luck is part of why it won (the winner's
curse; Cawley, G. C. and Talbot, N. L. C. (2010): "On over-fitting in model selection and subsequent
selection bias in performance evaluation", JMLR 11, 2079–2107). Items that took no part in the choice
know nothing of that luck.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MIN_ITEMS = 100
"""Below it, halves would tell less than the whole."""

_STRATA_OF_VALUES = 10


class Halves(NamedTuple):
    """Indices of items, sorted; together all of them."""

    choosing: Array
    confirming: Array


def split(targets: Array, seed: int) -> Halves | None:
    """Two halves with the same share of every class, or of every tenth of a range of values.

    The items of each class in turn, in an order that `seed` gives, are dealt to the halves alternately.

    Args:
        targets: class indices int [n], or values float [n, …].
        seed: from the content of the data, so that the same data always gives the same halves.

    Returns:
        None for fewer than `MIN_ITEMS` items.
    """
    if len(targets) < MIN_ITEMS:
        return None
    strata = targets if targets.dtype.kind in "iu" and targets.ndim == 1 else _tenths(targets)
    order = np.random.default_rng(seed).permutation(len(strata))
    dealt = order[np.argsort(strata[order], kind="stable")]
    return Halves(np.sort(dealt[::2]), np.sort(dealt[1::2]))


def _tenths(values: Array) -> Array:
    means = values.reshape(len(values), -1).mean(axis=1)
    ranks = np.argsort(np.argsort(means, kind="stable"), kind="stable")
    tenths: Array = ranks * _STRATA_OF_VALUES // len(means)
    return tenths
