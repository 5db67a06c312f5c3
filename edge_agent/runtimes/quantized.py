"""Affine quantization of a model's own integer inputs and outputs.

real = scale × (quantized − zero_point), as in Jacob et al. 2017, arXiv 1712.05877, section 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from edge_agent.runtimes.base import Array


class Affine(NamedTuple):
    """Scale, zero point and integer type of one tensor; `scale` 0 means that it is not quantized."""

    scale: float
    zero_point: int
    dtype: np.dtype[Any]

    def quantize(self, real: Array) -> Array:
        """`real` as the tensor's type, rounded to nearest and clipped to its range; as it is where it has that type."""
        if self.dtype.kind not in "iu" or real.dtype == self.dtype:
            return np.ascontiguousarray(real, dtype=self.dtype)
        bounds = np.iinfo(self.dtype)
        steps = np.rint(real / np.float32(self.scale) if self.scale else real) + self.zero_point
        clipped: Array = np.clip(steps, bounds.min, bounds.max).astype(self.dtype)
        return clipped

    def dequantize(self, quantized: Array) -> Array:
        """The real values (float32) behind the tensor's."""
        if self.scale == 0:
            return quantized
        real: Array = (quantized.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)
        return real


def of_tensor(details: Mapping[str, Any]) -> Affine:
    """From one entry of a TFLite interpreter's `get_input_details()` or `get_output_details()`."""
    dtype = np.dtype(details["dtype"])
    scale, zero_point = details["quantization"]
    return Affine(float(scale) if dtype.kind in "iu" else 0.0, int(zero_point), dtype)
