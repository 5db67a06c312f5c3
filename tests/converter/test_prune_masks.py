"""Which weights a global pruning takes: by what they are within their layer (LAMP), whatever that layer's scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from converter.passes import prune


def _kernels() -> list[Any]:
    random = np.random.default_rng(7)
    return [random.normal(size=shape).astype(np.float32) for shape in ((3, 3, 4, 8), (1, 1, 8, 40))]


def test_the_scale_of_a_layer_does_not_matter() -> None:
    small, large = _kernels()
    for one, other in zip(
        prune.masks([small, large], 0.7, "global"), prune.masks([small * 1000, large], 0.7, "global"), strict=True
    ):
        assert np.array_equal(one, other)


def test_the_least_by_their_share_of_what_is_no_smaller_go() -> None:
    """Against the paper's sum, written out; far from the part that each layer keeps in any case."""
    kernels = _kernels()
    scores = [
        np.array([weight**2 / (flat[np.abs(flat) >= abs(weight)] ** 2).sum() for weight in flat])
        for flat in (kernel.astype(np.float64).ravel() for kernel in kernels)
    ]
    least = np.sort(np.concatenate(scores))[round(0.5 * sum(map(len, scores)))]
    for mask, score in zip(prune.masks(kernels, 0.5, "global"), scores, strict=True):
        assert np.array_equal(mask.ravel(), score >= least)
