"""Magnitude pruning: the smallest weights become zero, more and more of them by a cubic schedule
(Zhu & Gupta 2017, arXiv 1710.01878), and stay zero through all training that follows.

`blocks` keeps 2 of each 4 weights along the input channels, the pattern of sparse tensor cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from converter.training.data import Array
from converter.training.stepping import Kernel
from firmware_profiles.errors import InputError, Problem

Scope = Literal["global", "layer", "blocks"]
"""Over what the smallest are looked for; global: by what they are within their layer."""

_EVERY = 0.01
_BLOCK, _KEPT = 4, 2
_LEAST_KEPT = 0.02
"""Of each layer, whatever the others need: a layer of zeros answers nothing."""


class Held:
    """A rule of `finetune`: what is zero now stays zero."""

    settled = 0.0

    def __init__(self, kernels: Sequence[Kernel]) -> None:
        self._kernels = kernels
        self._masks: list[Array] = [kernel.numpy() != 0 for kernel in kernels]

    def after_step(self, done: float) -> None:
        """Zeros once more where they were."""
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            kernel.keep(mask)


class Pruning:
    """A rule of `finetune`: zeros that grow to `sparsity`, a part of 1, and hold.

    It needs no state of its own: zeros are the smallest of all, so that the next step finds them again.
    """

    settled = 0.6
    """The rest of the training recovers with all zeros in place."""

    def __init__(self, kernels: Sequence[Kernel], sparsity: float, scope: Scope) -> None:
        self._kernels, self._sparsity, self._scope = kernels, sparsity, scope
        self._held = Held([])
        self._next = 0.0

    def after_step(self, done: float) -> None:
        """New zeros where the schedule wants them, the smallest weights; and those once more that were."""
        if done >= self._next:
            kept = masks([kernel.numpy() for kernel in self._kernels], self.wanted(done), self._scope)
            for kernel, mask in zip(self._kernels, kept, strict=True):
                kernel.keep(mask)
            self._held = Held(self._kernels)
            self._next = done + _EVERY if done < self.settled else np.inf
        self._held.after_step(done)

    def wanted(self, done: float) -> float:
        """s = s_f (1 - (1 - t)^3)."""
        return self._sparsity * (1 - max(0.0, 1 - done / self.settled) ** 3)


def pruning(model: Any, percent: float, scope: Scope = "global") -> Pruning:
    """The rule for every layer of a Keras model that multiplies; see `pruning_of`."""
    return pruning_of(_kernels(model), percent, scope)


def pruning_of(layers: Sequence[tuple[str, Kernel]], percent: float, scope: Scope = "global") -> Pruning:
    """The rule for layers by name.

    Args:
        percent: of all their weights; 50 for blocks.

    Raises:
        InputError: a ratio that leaves a layer empty.
    """
    if not 0 < percent < 100 * (1 - _LEAST_KEPT) or (scope == "blocks" and percent != 100 * _KEPT / _BLOCK):
        expected = (
            "50 % for blocks" if scope == "blocks" else f"more than 0 and less than {100 * (1 - _LEAST_KEPT):g} %"
        )
        raise InputError(Problem("prune", expected, f"{percent:g} %", "correct the number in the recipe's name"))
    for name, weights in layers:
        if scope == "layer" and round(np.prod(weights.shape) * (1 - percent / 100)) < 1:
            step = "prune globally, or less"
            raise InputError(
                Problem(f"prune: {name}", "at least one weight left", f"{percent:g} % of {tuple(weights.shape)}", step)
            )
    return Pruning([weights for _, weights in layers], percent / 100, scope)


def held(model: Any) -> Held:
    """The rule that keeps the zeros that a model has."""
    return Held([kernel for _, kernel in _kernels(model)])


def masks(kernels: Sequence[Array], sparsity: float, scope: Scope) -> list[Array]:
    """True where a weight stays."""
    if scope == "blocks":
        return [_in_blocks(kernel) if sparsity > 0 else np.ones(kernel.shape, bool) for kernel in kernels]
    if scope == "layer":
        return [_largest(np.abs(kernel), round(kernel.size * sparsity)) for kernel in kernels]
    least = [_largest(np.abs(kernel), kernel.size - max(1, round(kernel.size * _LEAST_KEPT))) for kernel in kernels]
    scores = [_score(kernel) for kernel in kernels]
    flat = np.concatenate([np.where(keep, np.inf, each).ravel() for keep, each in zip(least, scores, strict=True)])
    whole = _largest(flat, round(flat.size * sparsity))
    ends = np.cumsum([kernel.size for kernel in kernels])[:-1]
    return [part.reshape(kernel.shape) for part, kernel in zip(np.split(whole, ends), kernels, strict=True)]


def _score(kernel: Array) -> Array:
    """The square of each weight by the sum of those of its layer that are no smaller (Lee et al. 2021, arXiv
    2010.07611, equation 2): no layer's scale matters, and small layers keep more.
    """
    squares = np.square(kernel, dtype=np.float64).ravel()
    order = np.argsort(squares, kind="stable")
    sums = np.cumsum(squares[order][::-1])[::-1]
    scores = np.zeros(squares.size)
    scores[order] = squares[order] / np.maximum(sums, np.finfo(np.float64).tiny)
    return scores.reshape(kernel.shape)


def _largest(sizes: Array, dropped: int) -> Array:
    """True but for so many of the smallest; of equal ones the first go."""
    keep = np.ones(sizes.size, bool)
    keep[np.argsort(sizes, axis=None, kind="stable")[:dropped]] = False
    return keep.reshape(sizes.shape)


def _in_blocks(kernel: Array) -> Array:
    """Along the input channels, the last axis but one; what is over of a block of 4 stays."""
    moved = np.moveaxis(np.abs(kernel), -2, -1)
    whole = moved.shape[-1] // _BLOCK * _BLOCK
    keep = np.ones(moved.shape, bool)
    blocks = moved[..., :whole].reshape(*moved.shape[:-1], -1, _BLOCK)
    ranks = np.argsort(np.argsort(-blocks, axis=-1, kind="stable"), axis=-1, kind="stable")
    keep[..., :whole] = (ranks < _KEPT).reshape(moved[..., :whole].shape)
    return np.moveaxis(keep, -1, -2)


def sparsity(model: Any) -> float:
    """Part of the weights of a Keras model that multiply which are zero."""
    return zeros(_kernels(model))


def zeros(layers: Sequence[tuple[str, Kernel]]) -> float:
    """Part of their weights that is zero."""
    kernels = [kernel.numpy() for _, kernel in layers]
    return float(sum((each == 0).sum() for each in kernels) / sum(each.size for each in kernels))


def _kernels(model: Any) -> Sequence[tuple[str, Kernel]]:
    from converter.passes.keras_kernels import kernels  # a toolchain that trains PyTorch has no Keras

    return kernels(model)
