"""What results are made of: finite numbers, few enough for a message; the best of many scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

MAX_VALUES = 16_384
"""In one result: what is longer is no message for a broker."""

_FEW = 64
"""Up to so many numbers, Python's own lists are faster than numpy's calls."""


def finite(output: Array) -> Array:
    """The output as float32 [values].

    Raises:
        InputError: it holds a NaN or an infinity.
    """
    flat = np.asarray(output, np.float32).reshape(-1)
    # One sum tells of all, since float64 cannot overflow by float32 values. Python adds a few numbers faster.
    total = sum(flat.tolist()) if flat.size <= _FEW else flat.sum(dtype=np.float64)
    if not math.isfinite(total):
        step = "look at the input, or at the model"
        raise InputError(Problem("output", "finite numbers", "a NaN or an infinity", step))
    return flat


def best(scores: Array, most: int) -> list[tuple[int, float]]:
    """The `most` largest with their indices, largest first; of equal ones the first."""
    if scores.size <= _FEW:
        values = scores.tolist()
        return [(i, values[i]) for i in sorted(range(len(values)), key=values.__getitem__, reverse=True)[:most]]
    left, found = scores.copy(), []
    for _ in range(min(most, len(left))):  # far faster than sorting all, where few are wanted
        index = int(left.argmax())
        found.append((index, float(scores[index])))
        left[index] = -np.inf
    return found


def bounded(values: Array) -> list[float]:
    """The values as numbers for a message.

    Raises:
        InputError: there are more than `MAX_VALUES`.
    """
    if values.size > MAX_VALUES:
        step = "declare another task, or export the model with a smaller output"
        raise InputError(Problem("output", f"at most {MAX_VALUES} values in a result", str(values.size), step))
    numbers: list[float] = values.tolist()
    return numbers


def label(labels: Sequence[str], index: int) -> str:
    """Name of a class; its number where it has none."""
    return labels[index] if 0 <= index < len(labels) else str(index)


def softmax(logits: Array) -> Array:
    """exp(x) / sum(exp(x)), shifted by the largest so that nothing overflows."""
    shifted = np.exp(logits - logits.max())
    probabilities: Array = shifted / shifted.sum()
    return probabilities


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), by the half of it that cannot overflow."""
    half = np.exp(-np.abs(logits))
    probabilities: Array = np.where(logits >= 0, 1, half) / (1 + half)
    return probabilities
