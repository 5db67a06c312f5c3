"""Small architectures in the place of a model that is too large: they take what it takes and give what it gives.

MobileNet (Howard et al. 2017, arXiv 1704.04861) with its width multiplier, SqueezeNet (Iandola et al. 2016,
arXiv 1602.07360) with its fire modules; both with as many halvings as the image is large, so that small images work.
A smaller resolution is what the project's [input] declares.
"""

from __future__ import annotations

from typing import Any, Literal

import keras

from converter.training.objective import last_activation
from firmware_profiles.errors import InputError, Problem

_LAYERS = keras.layers
_SMALLEST = 8
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
_FIRES = ((16, 64), (16, 64), (0, 0), (32, 128), (32, 128), (0, 0), (48, 192), (48, 192))
"""Squeezed and expanded channels; 0 halves the image."""


def made(student: Literal["mobilenet", "squeezenet"], width: int, model: Any) -> Any:
    """The student in the place of the model, not trained.

    Args:
        width: of a MobileNet, in percent.

    Raises:
        InputError: the model takes no images, or gives something else than classes or numbers.
    """
    shape = model.inputs[0].shape[1:]
    if len(shape) != 3 or len(model.outputs[0].shape) != 2 or None in shape:
        step = "thin the model itself: channels50 in place of it"
        raise InputError(Problem(student, "a model of images that gives one row of numbers", str(tuple(shape)), step))
    x = inputs = keras.Input(shape, name=model.inputs[0].name)
    x = _mobilenet(x, width / 100) if student == "mobilenet" else _squeezenet(x)
    x = _LAYERS.GlobalAveragePooling2D()(x)
    x = _LAYERS.Dense(model.outputs[0].shape[-1])(x)
    return keras.Model(inputs, _LAYERS.Activation(last_activation(model) or "linear")(x))


def _mobilenet(x: Any, width: float) -> Any:
    def filters(count: int) -> int:
        return max(_SMALLEST, round(count * width / _SMALLEST) * _SMALLEST)

    x = _normed(_LAYERS.Conv2D(filters(32), 3, _halving(x), "same", use_bias=False)(x))
    for count, stride in _BLOCKS:
        x = _normed(_LAYERS.DepthwiseConv2D(3, stride if x.shape[1] > 4 else 1, "same", use_bias=False)(x))
        x = _normed(_LAYERS.Conv2D(filters(count), 1, use_bias=False)(x))
    return x


def _squeezenet(x: Any) -> Any:
    x = _normed(_LAYERS.Conv2D(64, 3, _halving(x), "same", use_bias=False)(x))
    for squeezed, expanded in _FIRES:
        if not squeezed:
            x = _LAYERS.MaxPooling2D(2, padding="same")(x)
            continue
        x = _normed(_LAYERS.Conv2D(squeezed, 1, use_bias=False)(x))
        sides = [_normed(_LAYERS.Conv2D(expanded, size, padding="same", use_bias=False)(x)) for size in (1, 3)]
        x = _LAYERS.Concatenate()(sides)
    return x


def _normed(x: Any) -> Any:
    return _LAYERS.ReLU()(_LAYERS.BatchNormalization()(x))


def _halving(x: Any) -> int:
    """The first layer halves large images only."""
    return 2 if x.shape[1] > 48 else 1
