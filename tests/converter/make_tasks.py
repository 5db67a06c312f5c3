"""Small nets of other tasks, in ONNX: gray images of 8 × 8 pixels, or vectors of 16 numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

QUARTERS = np.array([[0, 0, 0.5, 0.5], [0, 0.5, 0.5, 1], [0.5, 0, 1, 0.5], [0.5, 0.5, 1, 1]], np.float32)
"""top, left, bottom, right of the quarters of an image, as shares of it."""


def detector(path: Path) -> Path:
    """Each quarter is an object of class 0 or 1, as likely as it is bright; outputs as TFLite's."""
    constants = {"boxes_of": QUARTERS[np.newaxis], "classes_of": np.array([[0, 1, 1, 0]], np.float32)}
    constants |= {"none": np.zeros(1, np.float32), "four": np.array([1, 4]), "all": np.array([4], np.float32)}
    nodes = [
        helper.make_node("AveragePool", ["image"], ["bright"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Reshape", ["bright", "four"], ["scores"]),
        helper.make_node("ReduceMax", ["scores"], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["brightest", "none"], ["nothing"]),
        helper.make_node("Add", ["boxes_of", "nothing"], ["boxes"]),
        helper.make_node("Add", ["classes_of", "nothing"], ["classes"]),
        helper.make_node("Add", ["all", "nothing"], ["count"]),
    ]
    outputs = {"boxes": [1, 4, 4], "classes": [1, 4], "scores": [1, 4], "count": [1]}
    return _saved(path, nodes, constants, [1, 1, 8, 8], outputs)


def segmenter(path: Path) -> Path:
    """Two classes, dark and bright, for each pixel."""
    constants = {
        "weights": np.array([-1, 1], np.float32).reshape(2, 1, 1, 1),
        "bias": np.array([0.5, -0.5], np.float32),
    }
    nodes = [helper.make_node("Conv", ["image", "weights", "bias"], ["planes"], kernel_shape=[1, 1])]
    return _saved(path, nodes, constants, [1, 1, 8, 8], {"planes": [1, 2, 8, 8]})


def autoencoder(path: Path) -> Path:
    """Gives back vectors whose numbers are all alike."""
    constants = {"weights": np.full((16, 16), 1 / 16, np.float32)}
    nodes = [helper.make_node("MatMul", ["image", "weights"], ["rebuilt"])]
    return _saved(path, nodes, constants, [1, 16], {"rebuilt": [1, 16]})


def _saved(path: Path, nodes: list[Any], constants: dict[str, Any], shape: list[int], outputs: dict[str, Any]) -> Path:
    graph = helper.make_graph(
        nodes,
        "task",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
