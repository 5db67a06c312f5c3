"""Nets for gray images of 6 × 6 pixels that all tell dark, middling and light apart, by more or less work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BOUNDS = (70.0, 140.0)
"""Of the mean of the pixels, between the classes."""


def classes(items: Any) -> Any:
    """What is right: int [n] for images uint8 [n, 6, 6]."""
    return np.digitize(items.mean(axis=(1, 2)), BOUNDS)


def net(path: Path, hidden: int = 0, shift: float = 0.0, size: int = 6, extra_classes: int = 0) -> Path:
    """Write an .onnx with an input of [1, size, size, 1] from 0 to 1.

    Args:
        hidden: so many values are computed twice on the way, and come to nothing.
        shift: of the bounds, in pixels' units: items between are answered wrongly.
        extra_classes: that no image has.
    """
    low, high = ((bound + shift) / 255 for bound in BOUNDS)
    # Class k is a line of slope k in the mean m: 0, m - low, 2 m - low - high; they cross at the bounds.
    slopes, offsets = np.array([0.0, 1.0, 2.0]), np.array([0.0, -low, -low - high])
    slopes, offsets = np.append(slopes, [0.0] * extra_classes), np.append(offsets, [-9.0] * extra_classes)
    pixels = size * size
    constants = {
        "flat": np.array([1, pixels]),
        "weights": np.outer(np.full(pixels, 20 / pixels), slopes).astype(np.float32),
        "offsets": (20 * offsets).astype(np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["image", "flat"], ["values"]),
        helper.make_node("MatMul", ["values", "weights"], ["lines"]),
        helper.make_node("Add", ["lines", "offsets"], ["direct"]),
    ]
    if hidden:
        random = np.random.default_rng(1)
        constants |= {
            "wide": random.normal(0, 0.2, (pixels, hidden)).astype(np.float32),
            "square": random.normal(0, hidden**-0.5, (hidden, hidden)).astype(np.float32),
            "narrow": random.normal(0, 1e-6, (hidden, len(slopes))).astype(np.float32),
        }
        nodes += [
            helper.make_node("MatMul", ["values", "wide"], ["first"]),
            helper.make_node("Relu", ["first"], ["active"]),
            helper.make_node("MatMul", ["active", "square"], ["second"]),
            helper.make_node("MatMul", ["second", "narrow"], ["nothing"]),
            helper.make_node("Add", ["direct", "nothing"], ["scores"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["direct"], ["scores"]))
    _save(path, nodes, constants, [1, size, size, 1], len(slopes))
    return path


def _save(path: Path, nodes: list[Any], constants: dict[str, Any], shape: list[int], classes: int) -> None:
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
