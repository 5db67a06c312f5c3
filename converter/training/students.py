"""Small architectures in the place of a model that is too large: they take what it takes and give what it gives.

MobileNet (Howard et al. 2017, arXiv 1704.04861), SqueezeNet (Iandola et al. 2016, arXiv 1602.07360) with its fire
modules; both with MobileNet's width multiplier, and as many halvings as the image is large, so that small images work.
MobileNet's strides pad as much on one side as on the other, as XNNPACK's sparse kernels want (passes/sparse_rules.py).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import keras

from converter.passes.keras_graph import DEPTHWISE
from converter.passes.keras_kernels import kernel
from converter.training.objective import last_activation
from converter.training.room import Room
from firmware_profiles.errors import InputError, Problem

Student = Literal["mobilenet", "squeezenet"]

_LAYERS = keras.layers
_SMALLEST = 8
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
_FIRES = ((16, 64), (16, 64), (0, 0), (32, 128), (32, 128), (0, 0), (48, 192), (48, 192))
"""Squeezed and expanded channels; 0 halves the image."""


_WIDTHS = (100, 75, 50, 35, 25)
_SMALLEST_IMAGE = 32
"""Below it is not halved."""
_LARGE_IMAGE = 48
"""Above it the first layer halves."""


def sized(student: Student, model: Any, room: Room) -> tuple[Any, list[str]]:
    """The largest of its kind for which there is room, and that is smaller than the model; what it is, for people.

    Raises:
        InputError: there is none; else as `made`.
    """
    own = Room(model.count_params(), multiply_adds(model))
    most = Room(*map(min, room, own))
    shapes = [(width, halved) for halved in (False, True) for width in _WIDTHS]
    for width, halved in sorted(shapes, key=lambda each: -(each[0] ** 2) / (4 if each[1] else 1)):
        if halved and min(model.inputs[0].shape[1:3]) < _SMALLEST_IMAGE:
            continue
        smaller = made(student, width, model, halved=halved)
        cost = Room(smaller.count_params(), multiply_adds(smaller))
        if cost.weights <= most.weights and cost.multiply_adds <= most.multiply_adds:
            told = f"{student} of {width} % width{', from images of half the size' if halved else ''}"
            return smaller, [f"{told}: {_told(cost)}; there is room for {_told(room)}, the model has {_told(own)}"]
    step = "thin the model itself: channels50 in place of it"
    raise InputError(Problem(student, f"a student of at most {_told(most)}", f"{_told(cost)}, the smallest", step))


def multiply_adds(model: Any) -> int:
    """Of one inference: convolutions and matrix products."""
    return sum(
        math.prod(layer.output.shape[1:]) * math.prod(weights.shape[: -2 if isinstance(layer, DEPTHWISE) else -1])
        for layer in model.layers
        if (weights := kernel(layer)) is not None
    )


def _told(cost: Room) -> str:
    return f"{cost.weights:,} weights and {cost.multiply_adds / 1e6:,.1f} M multiply-adds"


def made(student: Student, width: int, model: Any, *, halved: bool = False) -> Any:
    """The student in the place of the model, not trained.

    Args:
        width: in percent.
        halved: it sees the image in half its resolution.

    Raises:
        InputError: the model takes no images, or gives something else than classes or numbers.
    """
    shape = model.inputs[0].shape[1:]
    if len(shape) != 3 or len(model.outputs[0].shape) != 2 or None in shape:
        step = "thin the model itself: channels50 in place of it"
        raise InputError(Problem(student, "a model of images that gives one row of numbers", str(tuple(shape)), step))
    x = inputs = keras.Input(shape, name=model.inputs[0].name)
    stride = 2 if shape[0] > _LARGE_IMAGE else 1
    x = _LAYERS.AveragePooling2D(2)(x) if halved else x
    x = (_mobilenet if student == "mobilenet" else _squeezenet)(x, width / 100, stride)
    x = _LAYERS.GlobalAveragePooling2D()(x)
    x = _LAYERS.Dense(model.outputs[0].shape[-1])(x)
    return keras.Model(inputs, _LAYERS.Activation(last_activation(model) or "linear")(x))


def _mobilenet(x: Any, width: float, stride: int) -> Any:
    x, padding = _padded(x, stride)
    x = _normed(_LAYERS.Conv2D(_filters(32, width), 3, stride, padding, use_bias=False)(x))
    for count, wanted in _BLOCKS:
        x, padding = _padded(x, stride := wanted if x.shape[1] > 4 else 1)
        x = _normed(_LAYERS.DepthwiseConv2D(3, stride, padding, use_bias=False)(x))
        x = _normed(_LAYERS.Conv2D(_filters(count, width), 1, use_bias=False)(x))
    return x


def _filters(count: int, width: float) -> int:
    return max(_SMALLEST, round(count * width / _SMALLEST) * _SMALLEST)


def _padded(x: Any, stride: int) -> tuple[Any, str]:
    """For a 3 × 3 layer: before a stride of 2 TensorFlow's own padding is uneven."""
    return (x, "same") if stride == 1 else (_LAYERS.ZeroPadding2D(1)(x), "valid")


def _squeezenet(x: Any, width: float, stride: int) -> Any:
    x = _normed(_LAYERS.Conv2D(_filters(64, width), 3, stride, "same", use_bias=False)(x))
    for squeezed, expanded in _FIRES:
        if not squeezed:
            x = _LAYERS.MaxPooling2D(2, padding="same")(x)
            continue
        x = _normed(_LAYERS.Conv2D(_filters(squeezed, width), 1, use_bias=False)(x))
        expanded = _filters(expanded, width)
        sides = [_normed(_LAYERS.Conv2D(expanded, size, padding="same", use_bias=False)(x)) for size in (1, 3)]
        x = _LAYERS.Concatenate()(sides)
    return x


def _normed(x: Any) -> Any:
    return _LAYERS.ReLU()(_LAYERS.BatchNormalization()(x))
