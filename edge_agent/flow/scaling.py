"""(value × scale − mean) / std as one multiplication and one addition, or as one look into a table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles.errors import BundleError, Problem
from firmware_profiles.manifest import InputSpec

Quantize = Callable[[Array], Array]
_LEVELS = 256


class Scaling:
    """Scales what has `channels` on its last axis, or whole planes of an image."""

    def __init__(self, spec: InputSpec, channels: int, quantize: Quantize | None = None) -> None:
        """Raises BundleError where there are neither one nor `channels` means or deviations."""
        std = np.array(spec.std or [1.0], np.float64)
        mean = np.array(spec.mean or [0.0], np.float64)
        for name, found in (("mean", mean), ("std", std)):
            if len(found) not in (1, channels):
                expected = f"{channels} numbers, one a channel, or one for all"
                raise BundleError(Problem(f"input.{name}", expected, str(len(found)), "correct it"))
        self._planes = spec.kind == "image" and spec.layout == "nchw"
        self._gain = self._shaped(spec.scale / std, idle=1, width=spec.width)
        self._offset = self._shaped(-mean / std, idle=0, width=spec.width)
        self._rows = any(np.size(each) > channels for each in (self._gain, self._offset) if each is not None)
        self._integers = self._looked_up(quantize) if quantize and _bytes_alike(spec) else None

    def __call__(self, value: Array) -> Array:
        """float32; the model's own integers where bytes become few of them. What comes in is never changed."""
        if self._integers is not None:
            return self._integers.take(value)
        scaled = value.astype(np.float32, order="C")
        rows = scaled.reshape(len(scaled), -1) if self._rows else scaled
        if self._gain is not None:
            rows *= self._gain
        if self._offset is not None:
            rows += self._offset
        return scaled

    def _shaped(self, factors: Array, *, idle: float, width: int) -> Array | None:
        """In a shape that numpy multiplies with in long runs, which is ten times as fast as by three channels."""
        if np.all(factors == idle):
            return None
        exact = factors.astype(np.float32)
        if len(exact) == 1:
            return exact
        if self._planes:
            return exact.reshape(-1, 1, 1)
        return np.tile(exact, width) if width else exact

    def _looked_up(self, quantize: Quantize) -> Array | None:
        """What each byte becomes; None where that stays a float."""
        self._integers = None
        table = quantize(self(np.arange(_LEVELS, dtype=np.uint8)))
        return table if table.dtype.kind in "iu" else None


def _bytes_alike(spec: InputSpec) -> bool:
    """Every byte of an input is treated alike, whatever its channel."""
    return spec.kind == "image" and not spec.standardise and len(spec.mean) <= 1 and len(spec.std) <= 1
