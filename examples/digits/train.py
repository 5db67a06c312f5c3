"""Train a small CNN on the handwritten digits that ship inside scikit-learn, as a user trains a model.

Nothing in here knows Godwit. It leaves in `build/digits`, below the repository's root:

- `model.keras`: gray images of 8 × 8 pixels, values from 0 to 1, to ten probabilities.
- `calibration.npz`: 200 of the training images (x uint8 [n, 8, 8, 1], y int64 [n]).
- `evaluation.npz`: 360 images that training never saw, in the same form.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

OUT = Path(__file__).parent.parent.parent / "build" / "digits"
SEED = 7
HELD_OUT = 360
CALIBRATION = 200
EPOCHS = 15
LEARNING_RATE = 0.003


def main() -> None:
    """Train, score on what was held out, and write the files."""
    import keras

    keras.utils.set_random_seed(SEED)
    digits = load_digits()
    # The ink of a pixel goes from 0 to 16 there; from here on it is an ordinary gray image.
    x = np.rint(digits.images[..., None] * (255 / 16)).astype(np.uint8)
    y = digits.target.astype(np.int64)
    x_train, x_held, y_train, y_held = train_test_split(x, y, test_size=HELD_OUT, stratify=y, random_state=SEED)

    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train / 255.0, y_train, epochs=EPOCHS, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(x_held / 255.0, y_held, verbose=0)

    OUT.mkdir(parents=True, exist_ok=True)
    model.save(OUT / "model.keras")
    np.savez_compressed(OUT / "calibration.npz", x=x_train[:CALIBRATION], y=y_train[:CALIBRATION])
    np.savez_compressed(OUT / "evaluation.npz", x=x_held, y=y_held)
    print(f"{len(y_train)} digits learned; {100 * accuracy:.1f} % of {len(y_held)} unseen ones right")


if __name__ == "__main__":
    main()
