"""Makes the small models in `models/`: `python tests/edge_agent/make_models.py` (needs TensorFlow).

They are committed, so that the agent's tests run where no TensorFlow is installed. A convolution and
a dense layer with fixed random weights, on images of 6 × 6 pixels in three classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

MODELS = Path(__file__).parent / "models"


def main() -> None:
    """Write every model."""
    import keras
    import onnx
    import tensorflow as tf
    import tf2onnx
    from ai_edge_quantizer import quantizer, recipe

    keras.utils.set_random_seed(7)
    layers = keras.layers
    image = layers.Input((6, 6, 1), batch_size=1, name="image")
    hidden = layers.Conv2D(4, 3, activation="relu")(image)
    hidden = layers.Dense(64, activation="relu")(layers.Flatten()(hidden))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(hidden))
    MODELS.mkdir(exist_ok=True)

    (MODELS / "tiny-float32.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())

    # Per-channel dynamic dense layers at operator version 1: tflite-runtime computes them wrongly.
    dynamic = quantizer.Quantizer(str(MODELS / "tiny-float32.tflite"), recipe.dynamic_wi8_afp32())
    (MODELS / "tiny-dynamic.tflite").write_bytes(dynamic.quantize().quantized_model)

    static = tf.lite.TFLiteConverter.from_keras_model(model)
    static.optimizations = [tf.lite.Optimize.DEFAULT]
    generator = np.random.default_rng(7)
    samples = generator.random((64, 1, 6, 6, 1), np.float32)
    static.representative_dataset = lambda: ([sample] for sample in samples)
    static.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    static.inference_input_type = static.inference_output_type = tf.int8
    (MODELS / "tiny-int8.tflite").write_bytes(static.convert())

    converted, _ = tf2onnx.convert.from_keras(model, opset=17)
    onnx.save(converted, MODELS / "tiny-float32.onnx")
    write_loop()
    write_growing()


def write_loop() -> None:
    """A model with a loop, which the CPU runs and LiteRT's GPU delegate does not take."""
    import tensorflow as tf

    weights = tf.constant(np.random.default_rng(7).random((36, 3), np.float32))

    @tf.function(input_signature=[tf.TensorSpec((1, 6, 6, 1), tf.float32, name="image")])
    def looped(image: tf.Tensor) -> tf.Tensor:
        doubled = tf.while_loop(lambda x: tf.reduce_sum(x) < 100.0, lambda x: [x + tf.nn.relu(x) + 1.0], [image])
        return tf.nn.softmax(tf.matmul(tf.reshape(doubled[0], (1, 36)), weights) / 100.0)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([looped.get_concrete_function()])
    (MODELS / "tiny-loop.tflite").write_bytes(converter.convert())


def write_growing() -> None:
    """A model that takes memory as its input says: 4 MB for each unit of the brightest pixel's value."""
    import tensorflow as tf

    weights = tf.constant(np.random.default_rng(7).random((36, 3), np.float32))

    @tf.function(input_signature=[tf.TensorSpec((1, 6, 6, 1), tf.float32, name="image")])
    def growing(image: tf.Tensor) -> tf.Tensor:
        count = tf.cast(tf.reduce_max(image) * 1e6, tf.int32)
        grown = tf.reduce_sum(tf.fill(tf.reshape(count, (1,)), 1.0))
        return tf.nn.softmax(tf.matmul(tf.reshape(image, (1, 36)), weights) + grown * 1e-9)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([growing.get_concrete_function()])
    (MODELS / "tiny-growing.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
