"""ResNet-20 for CIFAR-10 in Keras (He et al. 2015, "Deep residual learning", section 4.2), with akamaster's weights.

Its shortcuts without parameters (option A: every second pixel, channels filled up with zeros) are 1×1 convolutions
here whose kernel says the same, so that channels can be removed on both sides of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench import torch_state

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LAYERS = keras.layers


def saved(state: Path, target: Path) -> Path:
    """The model of a PyTorch state dict as a .keras file, which is made if it is not there."""
    if not target.exists():
        model(torch_state.read(state)).save(target)
    return target


def data(raw: Path, target: Path) -> Path:
    """Pixels of an .npz (x, y) as the model takes them, in `x` and `t0`."""
    if not target.exists():
        with np.load(raw) as arrays:
            x = normalised(arrays["x"].astype(np.float32))
            np.savez(target, x=x, t0=x, y=arrays["y"])
    return target


def model(state: dict[str, Any]) -> Any:
    """float32 [n, 32, 32, 3], normalised as `MEAN` and `DEVIATION` say, to logits [n, 10]."""
    values = {name.removeprefix("module."): each for name, each in state.items()}
    todo: list[tuple[Any, list[Any]]] = []

    def conv(x: Any, name: str, filters: int, stride: int) -> Any:
        # PyTorch pads one pixel on each side, TensorFlow's "same" only after an image of even size.
        x = _LAYERS.ZeroPadding2D(1)(x) if stride > 1 else x
        layer = _LAYERS.Conv2D(filters, 3, stride, "valid" if stride > 1 else "same", use_bias=False)
        todo.append((layer, [values[f"{name}.weight"].transpose(2, 3, 1, 0)]))
        return layer(x)

    def norm(x: Any, name: str) -> Any:
        layer = _LAYERS.BatchNormalization(epsilon=1e-5, momentum=0.9)
        todo.append((layer, [values[f"{name}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")]))
        return layer(x)

    x = inputs = keras.Input((32, 32, 3))
    x = _LAYERS.ReLU()(norm(conv(x, "conv1", 16, 1), "bn1"))
    for stage, filters in enumerate((16, 32, 64), 1):
        for block in range(3):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = _LAYERS.ReLU()(norm(conv(x, f"{name}.conv1", filters, stride), f"{name}.bn1"))
            y = norm(conv(y, f"{name}.conv2", filters, 1), f"{name}.bn2")
            if stride > 1:
                shortcut = _LAYERS.Conv2D(filters, 1, stride, use_bias=False)
                todo.append((shortcut, [_as_it_is(filters)]))
                x = shortcut(x)
            x = _LAYERS.ReLU(name=f"{name}.out")(_LAYERS.Add()([y, x]))
    dense = _LAYERS.Dense(10)
    todo.append((dense, [values["linear.weight"].T, values["linear.bias"]]))
    whole = keras.Model(inputs, dense(_LAYERS.GlobalAveragePooling2D()(x)))
    for layer, arrays in todo:
        layer.set_weights(arrays)
    return whole


def normalised(x: Any) -> Any:
    """Pixels 0 to 255 as the model takes them."""
    return ((x / 255 - MEAN) / DEVIATION).astype(np.float32)


def _as_it_is(filters: int) -> Any:
    """Half as many channels, with zeros of a quarter before and after them."""
    kernel = np.zeros((1, 1, filters // 2, filters), np.float32)
    for channel in range(filters // 2):
        kernel[0, 0, channel, filters // 4 + channel] = 1
    return kernel
