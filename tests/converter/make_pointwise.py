"""`python -m tests.converter.make_pointwise FOLDER`: a network of 1 × 1 convolutions, and data for a project of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tests.converter import small_nets


def network() -> Any:
    """What XNNPACK has sparse kernels for (passes/sparse_rules.py), as small as it may be; not trained."""
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu6")(layers.ZeroPadding2D(1)(image))
    x = layers.Conv2D(64, 1, activation="relu6")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    x = layers.Conv2D(64, 1, activation="relu6")(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def main(folder: Path) -> None:
    """Write model.keras, training.npz, calibration.npz and evaluation.npz: digits of twice the size, in colour."""
    keras.utils.set_random_seed(1)
    network().save(folder / "model.keras")
    ours, others = small_nets.digits()
    for name, x, y in (("training", *ours), ("calibration", ours.x[:100], ours.y[:100]), ("evaluation", *others)):
        np.savez(folder / f"{name}.npz", x=x.repeat(2, 1).repeat(2, 2).repeat(3, 3), y=y)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
