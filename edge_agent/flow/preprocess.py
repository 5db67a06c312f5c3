"""Declared pre-processing: a raw input becomes the model's input tensor. The only place for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edge_agent.flow.audio import Features
from edge_agent.flow.picture import Picture
from edge_agent.flow.scaling import Quantize, Scaling
from edge_agent.flow.window_statistics import standardised, statistics
from edge_agent.runtimes.base import Array
from firmware_profiles import declared
from firmware_profiles.errors import BundleError, InputError, Problem
from firmware_profiles.manifest import InputSpec, Tensor

_NUMBERS = "fiub"


class Preprocessor:
    """Turns raw inputs of one model into tensors [1, …].

    Attributes:
        item_shape: of the tensor without its batch.
    """

    def __init__(self, spec: InputSpec, tensor: Tensor, quantize: Quantize | None = None) -> None:
        """Args: `quantize` is what the runtime does to float32 tensors; without it the tensors are float32.

        Raises:
            BundleError: the declaration contradicts itself or the model.
        """
        if problems := list(declared.input_problems(spec)):
            raise BundleError(*problems)
        self.item_shape = tuple(tensor.shape[1:])
        self._spec = spec
        self._picture = Picture(spec)
        self._arrange, channels = self._arrangement()
        self._scale = Scaling(spec, channels, quantize)

    def __call__(self, raw: Array) -> Array:
        """The model's input tensor [1, …], float32, or the integers that the runtime makes of it.

        Raises:
            InputError: `raw` has a shape or dtype that the model cannot take.
        """
        tensor = self._scale(self._arrange(raw))
        if tensor.shape == self.item_shape:
            return tensor[np.newaxis]
        if self._spec.kind == "audio" and tensor.size == math.prod(self.item_shape):
            return tensor.reshape(1, *self.item_shape)
        raise _odd(f"an input that gives the shape {self.item_shape}", tensor.shape)

    def resized(self, raw: Array) -> Array:
        """The image in the model's size and colours, before scaling: uint8 [height, width, channels]."""
        return self._picture(raw)

    def _arrangement(self) -> tuple[Callable[[Array], Array], int]:
        """What comes before scaling, and how many channels that gives."""
        spec, last = self._spec, self.item_shape[-1] if self.item_shape else 1
        if spec.kind == "image":
            arranged = _then_standardised(self._picture) if spec.standardise else self._picture
            if spec.layout == "nhwc":
                return arranged, last
            return (lambda raw: arranged(raw).transpose(2, 0, 1)), self.item_shape[0] if self.item_shape else 1
        if spec.audio:
            features = Features(spec.audio)
            return _then_standardised(features) if spec.standardise else features, features.channels
        if spec.statistics:
            return self._statistics, last
        return _then_standardised(self._checked) if spec.standardise else self._checked, last

    def _checked(self, raw: Array) -> Array:
        if raw.shape != self.item_shape or raw.dtype.kind not in _NUMBERS:
            raise _odd(f"numbers of shape {self.item_shape}", f"{raw.dtype} of shape {raw.shape}")
        return _finite(raw)

    def _statistics(self, raw: Array) -> Array:
        window = raw[:, np.newaxis] if raw.ndim == 1 else raw
        wanted = self._spec.statistics
        channels, left = divmod(math.prod(self.item_shape), len(wanted))
        if left or not len(window) or window.shape[1:] != (channels,) or raw.dtype.kind not in _NUMBERS:
            raise _odd(f"a window of numbers [samples, {channels}]", f"{raw.dtype} of shape {raw.shape}")
        return statistics(_finite(window), wanted).reshape(self.item_shape)


def tensors(preprocess: Preprocessor, raws: Sequence[Array]) -> Array:
    """Many inputs at once, without a batch axis of their own: float32 [n, …]."""
    return np.concatenate([preprocess(raw) for raw in raws])


def _then_standardised(arrange: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda raw: standardised(arrange(raw))


def _finite(raw: Array) -> Array:
    if raw.dtype.kind == "f" and not np.isfinite(raw).all():
        raise _odd("finite numbers", "a NaN or an infinity")
    return raw


def _odd(expected: str, found: object) -> InputError:
    return InputError(Problem("input", expected, str(found), "bring it into the declared form"))
