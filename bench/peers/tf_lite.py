"""TensorFlow's own converter, and tf2onnx: `python -m bench.peers.tf_lite FOLDER MODEL`.

MODEL is a Keras file or a SavedModel; FOLDER holds calibration.npz (t0) and takes what is written.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from bench.peers.attempts import attempt
from converter.formats.without_optimizer import without_optimizer

_SIGNATURE = "serving_default"
_OPSET = 17


def serving(model: Path, shape: list[int]) -> Any:
    """The model as a module with one function of a [1, …] tensor."""
    module = tf.Module()
    if model.is_dir():
        with without_optimizer(model) as plain:
            module.model = tf.saved_model.load(str(plain))
        signature = module.model.signatures[_SIGNATURE]
        (name,) = signature.structured_input_signature[1]

        def call(x: Any) -> Any:
            return next(iter(signature(**{name: x}).values()))
    else:
        import keras

        module.model = keras.saving.load_model(model, compile=False)

        def call(x: Any) -> Any:
            return module.model(x, training=False)

    traced = tf.function(call, input_signature=[tf.TensorSpec([1, *shape], tf.float32, name="x")])
    frozen = convert_variables_to_constants_v2(traced.get_concrete_function())
    module.serve = tf.function(lambda x: frozen(x)[0], input_signature=traced.input_signature)
    return module


def builders(module: Any, saved_model: str, items: Any) -> dict[str, Callable[[], bytes]]:
    """What is attempted: file → what makes it."""

    def tflite(*, small: bool, representative: bool) -> bytes:
        converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[_SIGNATURE])
        if small:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if representative:

            def dataset() -> Iterator[list[Any]]:
                yield from ([item[np.newaxis]] for item in items)

            converter.representative_dataset = dataset
        content: bytes = converter.convert()
        return content

    def onnx() -> bytes:
        model, _ = tf2onnx.convert.from_function(module.serve, module.serve.input_signature, opset=_OPSET)
        content: bytes = model.SerializeToString()
        return content

    return {
        "float.tflite": lambda: tflite(small=False, representative=False),
        "float.onnx": onnx,
        "tf.lite dynamic.tflite": lambda: tflite(small=True, representative=False),
        "tf.lite int8.tflite": lambda: tflite(small=True, representative=True),
    }


def main() -> None:
    """Make all four, unless something made them before."""
    folder, model = map(Path, sys.argv[1:])
    items = np.load(folder / "calibration.npz")["t0"]
    module = serving(model, list(items.shape[1:]))
    with tempfile.TemporaryDirectory() as saved_model:
        tf.saved_model.save(module, saved_model, signatures={_SIGNATURE: module.serve})
        attempt(folder, builders(module, saved_model, items))


if __name__ == "__main__":
    main()
