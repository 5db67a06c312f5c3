"""Weight sharing (Deep Compression, Han et al. 2016, arXiv 1510.00149): each layer has a few values, found by k-means
and then trained: the gradients of all weights with one value move that value. What is zero stays zero.

Batch normalization scales each channel by a number of its own, so it is folded away before (fold_keras); for the same
reason int8 weights have one scale for a whole layer then (qat). So as many values are in the exported file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from converter.training.data import Array
from converter.training.stepping import Kernel
from firmware_profiles.errors import InputError, Problem

_ROUNDS = 30
_MOST = 256


class Sharing:
    """A rule of `finetune`: weights that share a value go on sharing it.

    Who shares with whom follows from the weights that the training begins with.
    """

    settled = 0.0

    def __init__(self, kernels: Sequence[Kernel], values: int) -> None:
        self._kernels = kernels
        self._shares = [shares(kernel.numpy(), values) for kernel in kernels]
        self.after_step(0.0)

    def after_step(self, done: float) -> None:
        """Each group takes the mean of what its weights became; that of the zeros stays 0."""
        for kernel, groups in zip(self._kernels, self._shares, strict=True):
            weights, flat = kernel.numpy(), groups.ravel()
            means = np.bincount(flat, weights.ravel().astype(np.float64)) / np.maximum(np.bincount(flat), 1)
            means[0] = 0.0
            kernel.assign(means[groups].astype(np.float32))


def sharing(model: Any, values: int) -> Sharing:
    """The rule for every layer of a Keras model that multiplies; see `sharing_of`."""
    from converter.passes.keras_kernels import kernels  # a toolchain that trains PyTorch has no Keras

    return sharing_of(kernels(model), values)


def sharing_of(layers: Sequence[tuple[str, Kernel]], values: int) -> Sharing:
    """The rule for layers by name; each may have so many values, and 0. Raises InputError."""
    if not 2 <= values <= _MOST:
        step = "correct the number in the recipe's name"
        raise InputError(Problem("cluster", f"2 to {_MOST} values a layer", str(values), step))
    return Sharing([kernel for _, kernel in layers], values)


def shares(weights: Array, values: int) -> Array:
    """The group of each weight: 0 for what is zero, 1 … `values` by k-means from centres at equal distances.

    Where no more values are left than that, each is a group.
    """
    flat = weights.ravel()
    used = flat[flat != 0]
    groups = np.zeros(flat.size, np.int64)
    if not used.size:
        return groups.reshape(weights.shape)
    found = np.unique(used)
    centres = found if found.size <= values else np.unique(np.linspace(used.min(), used.max(), values))
    for _ in range(_ROUNDS):
        edges = (centres[1:] + centres[:-1]) / 2
        near = np.searchsorted(edges, used)
        counts = np.bincount(near, minlength=centres.size)
        sums = np.bincount(near, used.astype(np.float64), minlength=centres.size)
        moved = np.sort(np.where(counts > 0, sums / np.maximum(counts, 1), centres))
        if np.array_equal(moved, centres):
            break
        centres = moved
    groups[flat != 0] = 1 + np.searchsorted((centres[1:] + centres[:-1]) / 2, used)
    return groups.reshape(weights.shape)
