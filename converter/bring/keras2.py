"""Keras 2 to a SavedModel, by tf_keras."""

from __future__ import annotations

import tempfile
from pathlib import Path

import tensorflow as tf
import tf_keras

from converter.bring.request import Bring
from converter.formats.base import damaged


def bring(request: Bring) -> None:
    """Write the SavedModel, with a batch of 1: without it TFLite has no operator for most RNNs.

    Raises:
        InputError: the file cannot be loaded.
    """
    source = Path(request.source)
    with tempfile.TemporaryDirectory() as folder:
        # tf_keras tells the formats apart by the name's suffix, we by the content.
        link = Path(folder) / "model.h5"
        link.symlink_to(source.resolve())
        try:
            model = tf_keras.models.load_model(link, compile=False)
        except Exception as error:  # noqa: BLE001  # tf_keras and h5py raise whatever they meet
            raise damaged(source, ".h5 model", error) from None
    specs = [
        tf.TensorSpec([1, *tensor.shape[1:]], tensor.dtype, name=tensor.name.partition(":")[0].replace("/", "_"))
        for tensor in model.inputs
    ]
    names = [name.replace("/", "_") for name in model.output_names]

    def serve(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = tf.nest.flatten(model(inputs[0] if len(inputs) == 1 else list(inputs), training=False))
        return dict(zip(names, answers, strict=True))

    module = tf.Module()
    module.model, module.serve = model, tf.function(serve, input_signature=specs)
    tf.saved_model.save(module, request.target, signatures={"serving_default": module.serve})
