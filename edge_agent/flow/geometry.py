"""Where an image lies in the model's input, and the way back for what the model found in it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from edge_agent.runtimes.base import Array
from firmware_profiles.manifest import InputSpec


class Placement(NamedTuple):
    """A part of the image, and the part of the model's input that it fills. Whole pixels.

    Attributes:
        left, top, width, height: of the part of the image that is looked at.
        pad_left, pad_top: bars before it in the model's input.
        fitted_width, fitted_height: what it is resized to.
    """

    left: int
    top: int
    width: int
    height: int
    pad_left: int
    pad_top: int
    fitted_width: int
    fitted_height: int

    def back(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The points of the image that lie at (x, y) of the model's input, in pixels from the outer corner."""
        return (
            self.left + (x - self.pad_left) * self.width / self.fitted_width,
            self.top + (y - self.pad_top) * self.height / self.fitted_height,
        )


def placed(spec: InputSpec, height: int, width: int) -> Placement:
    """How an image of that size is placed by `crop` and `fit`."""
    left, top, right, bottom = _declared(spec, height, width)
    wide, high = right - left, bottom - top
    if spec.fit == "crop":
        kept_wide = min(wide, max(1, round(high * spec.width / spec.height)))
        kept_high = min(high, max(1, round(wide * spec.height / spec.width)))
        left, top = left + (wide - kept_wide) // 2, top + (high - kept_high) // 2
        wide, high = kept_wide, kept_high
    fitted_width, fitted_height = spec.width, spec.height
    if spec.fit == "letterbox":
        ratio = min(spec.width / wide, spec.height / high)
        fitted_width = min(spec.width, max(1, round(wide * ratio)))
        fitted_height = min(spec.height, max(1, round(high * ratio)))
    pad_left, pad_top = (spec.width - fitted_width) // 2, (spec.height - fitted_height) // 2
    return Placement(left, top, wide, high, pad_left, pad_top, fitted_width, fitted_height)


def _declared(spec: InputSpec, height: int, width: int) -> tuple[int, int, int, int]:
    """Edges of the declared crop, at least one pixel, inside the image."""
    x, y, wide, high = spec.crop or (0.0, 0.0, 1.0, 1.0)
    left, top = min(round(x * width), width - 1), min(round(y * height), height - 1)
    right, bottom = min(round((x + wide) * width), width), min(round((y + high) * height), height)
    return left, top, max(right, left + 1), max(bottom, top + 1)
