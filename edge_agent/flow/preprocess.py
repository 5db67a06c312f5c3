"""Declared pre-processing: a raw input becomes the model's input tensor. The only place for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import InputSpec, Tensor

_NUMBERS = "fiub"
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601, section 2.5.1, as in Pillow's conversion to "L"."""


class Preprocessor:
    """Turns raw inputs of one model into float32 tensors [1, …]."""

    def __init__(self, spec: InputSpec, tensor: Tensor) -> None:
        self.spec = spec
        self.item_shape = tuple(tensor.shape[1:])
        self._gain, self._offset = _affine(spec, len(self.item_shape))

    def __call__(self, raw: Array) -> Array:
        """The model's input tensor, float32 [1, …].

        Raises:
            InputError: `raw` has a shape or dtype that the model cannot take.
        """
        value = self.resized(raw) if self.spec.kind == "image" else self._checked_tensor(raw)
        if self._gain is not None:
            value = value * self._gain
        if self._offset is not None:
            value = value + self._offset
        if self.spec.kind == "image" and self.spec.layout == "nchw":
            value = value.transpose(2, 0, 1)
        tensor = np.ascontiguousarray(value, dtype=np.float32)
        if tensor.shape != self.item_shape:
            raise _odd(f"an input that gives the shape {self.item_shape}", tensor.shape)
        return tensor[np.newaxis]

    def resized(self, raw: Array) -> Array:
        """The image in the model's size and colours, before scaling: uint8 [height, width, channels]."""
        image = _checked_image(raw)
        if image.shape[:2] != (self.spec.height, self.spec.width):
            image = _resize(image, self.spec)
        return _coloured(image, self.spec.colour)

    def _checked_tensor(self, raw: Array) -> Array:
        if raw.shape != self.item_shape or raw.dtype.kind not in _NUMBERS:
            raise _odd(f"numbers of shape {self.item_shape}", f"{raw.dtype} of shape {raw.shape}")
        if raw.dtype.kind == "f" and not np.isfinite(raw).all():
            raise _odd("finite numbers", "a NaN or an infinity")
        return raw


def _odd(expected: str, found: object) -> InputError:
    return InputError(Problem("input", expected, str(found), "bring it into the declared form"))


def _affine(spec: InputSpec, rank: int) -> tuple[Array | None, Array | None]:
    """(value × scale − mean) / std as one multiplication and one addition; None where it is idle."""
    std = np.array(spec.std or [1.0], np.float64)
    mean = np.array(spec.mean or [0.0], np.float64)
    gain, offset = spec.scale / std, -mean / std
    axes = (1,) * max(rank - 1, 0)
    shaped = [array.astype(np.float32).reshape(*axes, -1) for array in (gain, offset)]
    return (None if np.all(gain == 1) else shaped[0]), (None if np.all(offset == 0) else shaped[1])


def _checked_image(raw: Array) -> Array:
    if raw.dtype != np.uint8 or raw.ndim not in (2, 3) or (raw.ndim == 3 and raw.shape[2] not in (1, 3)):
        found = f"{raw.dtype} of shape {raw.shape}"
        step = 'give 8-bit images, or declare [input] kind = "tensor"'
        raise InputError(Problem("input", "uint8 [height, width] or [height, width, 1 or 3]", found, step))
    return raw if raw.ndim == 3 else raw[:, :, np.newaxis]


def _resize(image: Array, spec: InputSpec) -> Array:
    from PIL import Image

    filters = {
        "bilinear": Image.Resampling.BILINEAR,
        "nearest": Image.Resampling.NEAREST,
        "bicubic": Image.Resampling.BICUBIC,
        "area": Image.Resampling.BOX,
    }
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    resized = np.asarray(picture.resize((spec.width, spec.height), filters[spec.resize]))
    return resized if resized.ndim == 3 else resized[:, :, np.newaxis]


def _coloured(image: Array, colour: str) -> Array:
    if colour == "gray":
        if image.shape[2] == 1:
            return image
        gray: Array = np.rint(image @ _LUMA).astype(np.uint8)
        return gray[:, :, np.newaxis]
    rgb = image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
    return rgb if colour == "rgb" else rgb[:, :, ::-1]


def tensors(preprocess: Preprocessor, raws: Sequence[Array]) -> Array:
    """Many inputs at once, without a batch axis of their own: float32 [n, …]."""
    return np.concatenate([preprocess(raw) for raw in raws])
