"""Small Keras networks on real handwritten digits, for tests of training; imported where TensorFlow is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

from converter.training.data import Items

TRAINED_ON = 1200


def digits() -> tuple[Items, Items]:
    """Images float32 [n, 8, 8, 1] from 0 to 1: to train on, and others."""
    loaded = load_digits()
    x, y = (loaded.images / 16).astype(np.float32)[..., None], loaded.target.astype(np.int64)
    return Items(x[:TRAINED_ON], y[:TRAINED_ON]), Items(x[TRAINED_ON:], y[TRAINED_ON:])


def with_everything() -> Any:
    """A residual addition, a concatenation, a depthwise layer, batch normalization, flattening and dense layers."""
    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    x = layers.ReLU()(_norm(layers.Conv2D(8, 3, padding="same", name="first")(image)))
    y = layers.ReLU()(_norm(layers.Conv2D(16, 3, padding="same", name="inner")(x)))
    x = layers.ReLU()(layers.Add()([x, _norm(layers.Conv2D(8, 3, padding="same", name="second")(y))]))
    x = layers.MaxPooling2D()(x)
    sides = [
        layers.Conv2D(8, 1, activation="relu", name="left")(x),
        layers.Conv2D(8, 3, padding="same", activation="relu", name="right")(x),
    ]
    x = layers.Concatenate()(sides)
    x = layers.ReLU()(_norm(layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)))
    x = layers.Flatten()(x)
    x = layers.Dense(16, activation="relu", name="hidden")(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="classes")(x))


def tiny() -> Any:
    """One convolution, its normalization, and a dense layer: for what is the same with any network."""
    image = keras.Input((8, 8, 1))
    x = keras.layers.ReLU()(_norm(keras.layers.Conv2D(4, 3)(image)))
    return keras.Model(image, keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(x)))


def trained(items: Items, epochs: int = 8) -> Any:
    """`with_everything`, trained; the same for everyone who asks."""
    keras.utils.set_random_seed(7)
    model = with_everything()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(items.x, items.y, epochs=epochs, batch_size=32, verbose=0)
    return model


def _norm(x: Any) -> Any:
    return keras.layers.BatchNormalization(momentum=0.9)(x)
