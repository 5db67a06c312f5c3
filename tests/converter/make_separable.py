"""Run as a program: `python make_separable.py FOLDER` makes small depthwise-separable nets as TOCO wrote them.

fair.tflite: channels of like range; uneven.tflite and wild.tflite answer the same, but their channels' ranges
differ about a hundredfold and a millionfold. Operator codes stand in the deprecated field only, and there
is no signature.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from converter.passes.sharing import packed

CONV, DEPTHWISE = schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D


def items(count: int, seed: int = 0) -> Any:
    """Inputs float32 [count, 12, 12, 3]: noise around a level of their own."""
    random = np.random.default_rng(seed)
    noise, level = random.normal(size=(count, 12, 12, 3)), random.normal(0, 2, size=(count, 1, 1, 3))
    return (noise + level).astype(np.float32)


def main(folder: Path) -> None:
    keras.utils.set_random_seed(7)
    layers: list[Any] = [keras.layers.Input((12, 12, 3), batch_size=1), keras.layers.Conv2D(32, 3, activation="relu")]
    for filters in (64, 96):
        layers.append(keras.layers.DepthwiseConv2D(3, padding="same", activation="relu"))
        layers.append(keras.layers.Conv2D(filters, 1, activation="relu"))
    model = keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)])
    weights, bias = model.layers[-1].get_weights()
    # All classes come up.
    model.layers[-1].set_weights([weights, bias - model.predict(items(300), batch_size=1, verbose=0).mean(axis=0)])
    model.export(folder / "saved", verbose=False)
    content = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert()
    for name, spread in (("fair", 0.0), ("uneven", 1.5), ("wild", 3.0)):
        (folder / f"{name}.tflite").write_bytes(_old(content, spread))


def _old(content: bytes, spread: float) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, random = model.subgraphs[0], np.random.default_rng(0)
    for first, second in zip(graph.operators, graph.operators[1:], strict=False):
        codes = [model.operatorCodes[each.opcodeIndex].builtinCode for each in (first, second)]
        if not set(codes) <= {CONV, DEPTHWISE} or second.inputs[0] != first.outputs[0]:
            continue
        scales = np.exp(random.normal(0, spread, graph.tensors[first.outputs[0]].shape[-1]))
        _multiply(model, first.inputs[1], scales if codes[0] == DEPTHWISE else scales[:, None, None, None])
        _multiply(model, first.inputs[2], scales)
        _multiply(model, second.inputs[1], 1 / scales)
    model.signatureDefs, model.metadata = [], []
    for code in model.operatorCodes:
        code.deprecatedBuiltinCode, code.builtinCode = code.builtinCode, 0
    return packed(model)


def _multiply(model: Any, tensor: int, factor: Any) -> None:
    entry = model.subgraphs[0].tensors[tensor]
    values = model.buffers[entry.buffer].data.view(np.float32).reshape(entry.shape) * factor
    model.buffers[entry.buffer].data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
