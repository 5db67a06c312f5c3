"""An image in the model's size and colours. Pillow is imported when the first image has another size."""

from __future__ import annotations

import numpy as np

from edge_agent.flow.geometry import Placement, placed
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import InputSpec

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601, section 2.5.1, as in Pillow's conversion to "L"."""


class Picture:
    """Cuts, fits and colours images as declared."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._size = (spec.height, spec.width)

    def __call__(self, raw: Array) -> Array:
        """uint8 [height, width, channels] of an image of any size.

        Raises:
            InputError: it is no image.
        """
        image = _checked(raw)
        if image.shape[:2] != self._size or self._spec.crop:
            image = self._fitted(image)
        return _coloured(image, self._spec.colour)

    def _fitted(self, image: Array) -> Array:
        if image.shape[0] == 0 or image.shape[1] == 0:
            raise InputError(Problem("input", "an image of at least one pixel", f"shape {image.shape}", "mend it"))
        placement = placed(self._spec, *image.shape[:2])
        fitted = _resized(image, placement, self._spec.resize)
        if fitted.shape[:2] == self._size:
            return fitted
        whole = np.full((*self._size, image.shape[2]), self._spec.pad, np.uint8)
        top, left = placement.pad_top, placement.pad_left
        whole[top : top + placement.fitted_height, left : left + placement.fitted_width] = fitted
        return whole


def _checked(raw: Array) -> Array:
    if raw.dtype != np.uint8 or raw.ndim not in (2, 3) or (raw.ndim == 3 and raw.shape[2] not in (1, 3)):
        found = f"{raw.dtype} of shape {raw.shape}"
        step = 'give 8-bit images, or declare [input] kind = "tensor"'
        raise InputError(Problem("input", "uint8 [height, width] or [height, width, 1 or 3]", found, step))
    return raw if raw.ndim == 3 else raw[:, :, np.newaxis]


def _resized(image: Array, placement: Placement, resize: str) -> Array:
    left, top, width, height = placement[:4]
    part = image[top : top + height, left : left + width]
    if (width, height) == (placement.fitted_width, placement.fitted_height):
        return part
    from PIL import Image

    filters = {
        "bilinear": Image.Resampling.BILINEAR,
        "nearest": Image.Resampling.NEAREST,
        "bicubic": Image.Resampling.BICUBIC,
        "area": Image.Resampling.BOX,
    }
    picture = Image.fromarray(part[:, :, 0] if part.shape[2] == 1 else part)
    resized = np.asarray(picture.resize((placement.fitted_width, placement.fitted_height), filters[resize]))
    return resized if resized.ndim == 3 else resized[:, :, np.newaxis]


def _coloured(image: Array, colour: str) -> Array:
    if colour == "gray":
        if image.shape[2] == 1:
            return image
        gray: Array = np.rint(image @ _LUMA).astype(np.uint8)
        return gray[:, :, np.newaxis]
    rgb = image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
    return rgb if colour == "rgb" else rgb[:, :, ::-1]
