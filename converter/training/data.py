"""Training data: checked against the model, split once, drawn and augmented by seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from converter.training.settings import Augmentation, Settings
from firmware_profiles.errors import InputError, Problem

Array = npt.NDArray[Any]
_SHIFT = 8
_CUTOUT = 4
_MIXED, _MOST_OF_ANOTHER = 0.5, 0.5
_LEAST = 2


_MOST_BYTES = 1 << 30
"""Of float32 values in memory; with what training itself takes, a run stays below 4 GB."""

_MOST_ITEMS = 1_000_000


def training_items(values: int) -> int:
    """How many items of so many float32 values are trained on at most."""
    return max(_LEAST, min(_MOST_ITEMS, _MOST_BYTES // (4 * values)))


class Items(NamedTuple):
    """x: float32 [n, …] as the model takes them; y: [n, …] labels (integers) or targets (float32)."""

    x: Array
    y: Array


class Split(NamedTuple):
    """Both parts are of the training data: `held_out` only says when to stop."""

    train: Items
    held_out: Items


def read(path: Path) -> Items:
    """From an .npz with t0 and y, as `edge-agent tensors` writes it.

    Raises:
        InputError: there are no labels.
    """
    with np.load(path) as arrays:
        if "y" not in arrays:
            raise InputError(Problem(str(path), "labels, to train on", "none", "give y, or a folder of class folders"))
        return Items(arrays["t0"].astype(np.float32), arrays["y"])


def split(items: Items, settings: Settings) -> Split:
    """Hold a part out, of every class its share where there are classes.

    Raises:
        InputError: there are too few items.
    """
    random = np.random.default_rng(settings.seed)
    order = random.permutation(len(items.x))
    if np.issubdtype(items.y.dtype, np.integer) and items.y.ndim == 1:
        order = order[np.argsort(items.y[order], kind="stable")]
    count = round(len(order) * settings.held_out)
    if count < _LEAST or len(order) - count < _LEAST:
        found = f"{len(order)} items, of which {count} would be held out"
        raise InputError(Problem("training data", "some items to train on, some to hold out", found, "give more"))
    # Evenly over the items sorted by class: each class gives its share.
    held = order[np.linspace(0, len(order) - 1, count).round().astype(int)]
    kept = np.setdiff1d(np.arange(len(order)), held)
    return Split(Items(items.x[kept], items.y[kept]), Items(items.x[held], items.y[held]))


def batches(items: Items, settings: Settings, epoch: int) -> Iterator[Items]:
    """All items once, in an order and augmented as seed and epoch say; the last incomplete batch is left out."""
    random = np.random.default_rng([settings.seed, epoch])
    order = random.permutation(len(items.x))
    size = min(settings.batch, len(order))
    fill = items.x.mean(axis=(0, 1, 2)) if items.x.ndim == 4 else None
    for start in range(0, len(order) - size + 1, size):
        picked = order[start : start + size]
        x = items.x[picked]
        yield Items(x if fill is None else augmented(x, settings.augment, fill, random), items.y[picked])


def steps(items: Items, settings: Settings) -> int:
    """How many batches an epoch has."""
    return max(1, len(items.x) // min(settings.batch, len(items.x)))


def augmented(x: Array, kinds: Sequence[Augmentation], fill: Array, random: np.random.Generator) -> Array:
    """Images [n, height, width, channels], changed; what comes from outside of one is `fill` [channels]."""
    if "flip" in kinds:
        x = np.where(random.random(len(x))[:, None, None, None] < 0.5, x[:, :, ::-1], x)
    if "shift" in kinds:
        x = _shifted(x, fill, random)
    if "mix" in kinds:
        x = _mixed(x, random)
    return _cut_out(x, fill, random) if "cutout" in kinds else x


def _mixed(x: Array, random: np.random.Generator) -> Array:
    others = np.where(random.random(len(x)) < _MIXED, random.uniform(0, _MOST_OF_ANOTHER, len(x)), 0)
    share = others.astype(np.float32)[:, None, None, None]
    mixed: Array = x + share * (np.roll(x, 1, 0) - x)
    return mixed


def _shifted(x: Array, fill: Array, random: np.random.Generator) -> Array:
    count, height, width, channels = x.shape
    most_y, most_x = height // _SHIFT, width // _SHIFT
    padded = np.empty((count, height + 2 * most_y, width + 2 * most_x, channels), x.dtype)
    padded[:] = fill
    padded[:, most_y : most_y + height, most_x : most_x + width] = x
    rows = random.integers(0, 2 * most_y + 1, count)[:, None] + np.arange(height)
    columns = random.integers(0, 2 * most_x + 1, count)[:, None] + np.arange(width)
    shifted: Array = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted


def _cut_out(x: Array, fill: Array, random: np.random.Generator) -> Array:
    count, height, width, _ = x.shape
    middle_y, middle_x = random.integers(0, height, count), random.integers(0, width, count)
    rows = np.abs(np.arange(height) - middle_y[:, None]) <= height // _CUTOUT // 2
    columns = np.abs(np.arange(width) - middle_x[:, None]) <= width // _CUTOUT // 2
    return np.where((rows[:, :, None] & columns[:, None, :])[..., None], fill.astype(x.dtype), x)
