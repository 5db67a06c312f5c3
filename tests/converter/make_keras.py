"""`python make_keras.py FOLDER`: one small Keras model as .keras, .h5 and SavedModel, with its own answers.

A process of its own: TensorFlow takes seconds to import and would stay in the tests' process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    """Write model.keras, model.h5, saved_model/ and answers.npz (t0, y0)."""
    import keras

    keras.utils.set_random_seed(7)
    layers = keras.layers
    image = layers.Input((8, 8, 3), name="image")
    hidden = layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    hidden = layers.ReLU()(layers.BatchNormalization()(hidden))
    hidden = layers.GlobalAveragePooling2D()(hidden)
    model = keras.Model(image, layers.Dense(4, activation="softmax", name="classes")(hidden))
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.export(folder / "saved_model", verbose=False)
    x = np.random.default_rng(7).random((64, 8, 8, 3), np.float32)
    np.savez(folder / "answers.npz", t0=x, y0=model.predict(x, verbose=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
