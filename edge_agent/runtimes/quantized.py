"""Affine quantization of a model's own integer inputs and outputs.

real = scale × (quantized − zero_point), as in Jacob et al. 2017, arXiv 1712.05877, section 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_agent.runtimes.base import Array


class Affine:
    """One tensor's type, scale and zero point; `scale` 0 means that it is not quantized."""

    def __init__(self, scale: float, zero_point: int, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._is_integer = dtype.kind in "iu"
        self._is_quantized = scale != 0
        # Of float32, so that all the arithmetic is; and in place, since new memory costs as much as the sums.
        self._scale, self._zero_point = np.float32(scale or 1), np.float32(zero_point)
        if self._is_integer:
            bounds = np.iinfo(dtype)
            self._smallest, self._largest = np.float32(bounds.min), np.float32(bounds.max)
        self._steps = np.empty(0, np.float32)

    def quantize(self, real: Array) -> Array:
        """`real` as the tensor's type, rounded to nearest and clipped to its range; as it is where it has that type."""
        if real.dtype == self.dtype or not self._is_integer:
            return np.ascontiguousarray(real, dtype=self.dtype)
        if self._steps.shape != real.shape:
            self._steps = np.empty(real.shape, np.float32)
        steps = self._steps
        np.divide(real, self._scale, steps)
        np.rint(steps, steps)
        np.add(steps, self._zero_point, steps)
        np.maximum(steps, self._smallest, steps)  # np.clip is the same and takes longer than all of the rest
        np.minimum(steps, self._largest, steps)
        quantized: Array = steps.astype(self.dtype)
        return quantized

    def dequantize(self, quantized: Array) -> Array:
        """The real values (float32) behind the tensor's."""
        if not self._is_quantized:
            return quantized
        real: Array = np.subtract(quantized, self._zero_point, dtype=np.float32)
        return np.multiply(real, self._scale, out=real)


def of_tensor(details: Mapping[str, Any]) -> Affine:
    """From one entry of a TFLite interpreter's `get_input_details()` or `get_output_details()`."""
    dtype = np.dtype(details["dtype"])
    scale, zero_point = details["quantization"]
    return Affine(float(scale) if dtype.kind in "iu" else 0.0, int(zero_point), dtype)
