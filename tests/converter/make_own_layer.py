"""`python make_own_layer.py FOLDER`: a Keras model with a layer of its own, and the file that registers it."""

from __future__ import annotations

import sys
from pathlib import Path

LAYERS = """
import keras

@keras.saving.register_keras_serializable("demo")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


def main(folder: Path) -> None:
    """Write model.keras, model.h5 and my_layers.py."""
    (folder / "my_layers.py").write_text(LAYERS, encoding="utf-8")
    sys.path.insert(0, str(folder))
    import keras
    import my_layers

    image = keras.Input((4,), name="row")
    model = keras.Model(image, keras.layers.Dense(3)(my_layers.Doubled(name="twice")(image)))
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
