"""Golden vectors: inputs that make the model speak, and its answers to them.

The inputs travel in the bundle, so by default they are synthetic: made from nothing of the user's
data but its shape, type, range and per-feature mean and spread.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from firmware_profiles import canonical_zip
from firmware_profiles.canonical_zip import Member

Array = npt.NDArray[Any]
POOL = 192
"""How many inputs are made, for the wanted few to be picked from."""

ENOUGH_ITEMS = 100
"""Below this, a mean by feature would show too much of single items; one for all is taken then."""

_SEED = 20260101


def synthetic(items: Array, *, image: bool) -> Array:
    """`POOL` varied inputs of the shape and dtype of `items` [n, …]."""
    random = np.random.default_rng(_SEED)
    real = items.astype(np.float64)
    low, high = float(real.min()), float(real.max())
    make = _image if image else _tensor
    axis = 0 if len(real) >= ENOUGH_ITEMS else None
    mean, spread = (np.broadcast_to(stat, real.shape[1:]) for stat in (real.mean(axis=axis), real.std(axis=axis)))
    pool = np.stack([make(random, index, mean, spread, low, high) for index in range(POOL)])
    pool = np.clip(pool, low, high)
    return (np.rint(pool) if items.dtype.kind in "iu" else pool).astype(items.dtype)


def pick(outputs: Array, unrest: Array, count: int, tolerance: float, *, classification: bool) -> list[int]:
    """`count` indices into a pool whose answers are `outputs` [n, …], sorted.

    For a classification: of every class in turn the one with the clearest lead, so that many classes
    appear; and none that is so close, or so restless, that another processor's rounding could turn
    it, unless there are too few others. Otherwise evenly over the range of the answers, of the calm ones or,
    where those are too few, of the calmest: boxes that a model sorts by score change places by a rounding.

    Args:
        unrest: how far the answers of several sets of kernels lie apart, [n].
        tolerance: of the answers, in their own unit.
    """
    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    if not classification or flat.shape[1] < 2:
        calm = int((2 * unrest <= tolerance).sum())
        steady = np.sort(np.argsort(unrest, kind="stable")[: max(calm, count)])
        order = steady[np.argsort(flat[steady].mean(axis=1), kind="stable")]
        return sorted(int(order[place]) for place in np.linspace(0, len(order) - 1, count).round().astype(int))
    second, first = np.partition(flat, -2, axis=1)[:, -2:].T
    lead, classes = first - second, flat.argmax(axis=1)
    doubtful = (lead <= 2 * tolerance) | (2 * unrest > tolerance)
    turn = np.zeros(len(flat), int)
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        turn[members[np.lexsort((-lead[members], doubtful[members]))]] = np.arange(len(members))
    return sorted(int(index) for index in np.lexsort((-lead, turn, doubtful))[:count])


def encode(inputs: Array, outputs: Sequence[Array]) -> bytes:
    """An .npz with x, y0, y1, …: the same bytes for the same arrays, which numpy.savez does not give."""
    arrays = {"x": inputs} | {f"y{index}": output for index, output in enumerate(outputs)}
    members = []
    for name, array in sorted(arrays.items()):
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)  # type: ignore[no-untyped-call]
        content = stream.getvalue()
        members.append(Member(f"{name}.npy", len(content), zlib.crc32(content), lambda content=content: (content,)))  # type: ignore[misc]  # mypy does not type a lambda's default
    return b"".join(canonical_zip.stream(members))


def _tensor(random: np.random.Generator, index: int, mean: Array, spread: Array, low: float, high: float) -> Array:
    """A draw around the features' means: its strength and smoothness vary from input to input."""
    noise = random.normal(size=mean.shape)
    for _ in range(index % 4 if mean.ndim > 1 else 0):  # neighbours along the first axis (time, mostly) go together
        noise = (noise + np.roll(noise, 1, axis=0)) / np.sqrt(2)
    common = random.normal()
    strength = (0.5, 1.0, 1.5, 2.5)[index // 4 % 4]
    drawn: Array = mean + strength * spread * (noise + common) / np.sqrt(2)
    return drawn


def _image(random: np.random.Generator, index: int, mean: Array, spread: Array, low: float, high: float) -> Array:
    """Smooth noise, gradients, blobs and strokes, in turn; contrast and colours vary."""
    height, width = mean.shape[:2]
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    shape = (_noise, _gradient, _blob, _strokes)[index % 4](random, rows, columns)
    contrast = random.uniform(0.4, 1.0)
    plane = low + (high - low) * (0.5 + contrast * (shape - 0.5))
    if mean.ndim == 2:
        return _blend(random, plane, mean)
    colours = random.uniform(0.4, 1.0, size=mean.shape[2])
    flip = random.random(mean.shape[2]) < 0.25
    planes = [np.where(flip[c], high + low - plane, plane) * colours[c] for c in range(mean.shape[2])]
    return _blend(random, np.stack(planes, axis=2), mean)


def _blend(random: np.random.Generator, drawn: Array, mean: Array) -> Array:
    """Part of the mean of the data: it keeps borders and backgrounds where the model knows them."""
    share = random.uniform(0.0, 0.5)
    blended: Array = (1 - share) * drawn + share * mean
    return blended


def _noise(random: np.random.Generator, rows: Array, columns: Array) -> Array:
    """A few waves of random direction and length."""
    total = np.zeros_like(rows)
    for _ in range(6):
        down, across, phase = random.uniform(-6, 6), random.uniform(-6, 6), random.uniform(0, 2 * np.pi)
        total += np.sin(2 * np.pi * (down * rows + across * columns) / 2 + phase)
    return _unit(total)


def _gradient(random: np.random.Generator, rows: Array, columns: Array) -> Array:
    angle = random.uniform(0, 2 * np.pi)
    return _unit(np.sin(angle) * rows + np.cos(angle) * columns + 0.1 * random.normal(size=rows.shape))


def _blob(random: np.random.Generator, rows: Array, columns: Array) -> Array:
    """Some soft ellipses."""
    total = np.zeros_like(rows)
    for _ in range(random.integers(1, 4)):
        y, x, tall, wide = random.uniform(0.2, 0.8, 2).tolist() + random.uniform(0.08, 0.4, 2).tolist()
        total = np.maximum(total, np.exp(-(((rows - y) / tall) ** 2) - ((columns - x) / wide) ** 2))
    return _unit(total)


def _strokes(random: np.random.Generator, rows: Array, columns: Array) -> Array:
    """Lines and arcs, as in writing."""
    total = np.zeros_like(rows)
    for _ in range(random.integers(2, 5)):
        y, x, radius = random.uniform(0.25, 0.75), random.uniform(0.25, 0.75), random.uniform(0.1, 0.4)
        angle = random.uniform(0, 2 * np.pi)
        ring = np.hypot(rows - y, columns - x) - radius
        line = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle)
        total = np.maximum(total, np.exp(-(((ring if random.random() < 0.5 else line) / 0.07) ** 2)))
    return _unit(total)


def _unit(plane: Array) -> Array:
    """Scaled to 0 … 1."""
    low, high = plane.min(), plane.max()
    scaled: Array = (plane - low) / (high - low) if high > low else np.full_like(plane, 0.5)
    return scaled
