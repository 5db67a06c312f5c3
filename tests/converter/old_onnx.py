"""Small ONNX nets as exporters of 2017 to 2020 wrote them: the weights listed among the inputs, and old attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE = (1, 1, 8, 8)
CLASSES = 3
_AXES_BECAME_INPUTS = 13
_CLIP_AND_PAD_BECAME_INPUTS = 11
_DROPOUT_RATIO_BECAME_INPUT = 12
_SPATIAL_WENT = 9


def convnet(path: Path, opset: int) -> Path:
    """Normalised, clipped and padded convolutions with a residual sum, a parameter that is reshaped, and a Gemm."""
    return _written(path, opset, _Net(opset).layers())


def recurrent(path: Path, opset: int) -> Path:
    """An LSTM over eight steps, and a Gemm."""
    random = np.random.default_rng(5)
    weights = {
        "lstm_w": random.normal(0, 0.4, (1, 24, 8)),
        "lstm_r": random.normal(0, 0.4, (1, 24, 6)),
        "lstm_b": random.normal(0, 0.1, (1, 48)),
        "fc_w": random.normal(0, 0.5, (CLASSES, 6)),
        "fc_b": random.normal(0, 0.1, CLASSES),
    }
    nodes = [
        helper.make_node("Squeeze", ["image"], ["rows"], axes=[1]),
        helper.make_node("Transpose", ["rows"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "lstm_w", "lstm_r", "lstm_b"], ["all", "last"], hidden_size=6),
        helper.make_node("Squeeze", ["last"], ["features"], axes=[0]),
        helper.make_node("Gemm", ["features", "fc_w", "fc_b"], ["scores"], transB=1),
    ]
    return _written(path, opset, (nodes, {name: each.astype(np.float32) for name, each in weights.items()}))


class _Net:
    """Builds the convolutional net, by the rules of one opset."""

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self._random = np.random.default_rng(4)
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}

    def layers(self) -> tuple[list[Any], dict[str, Any]]:
        first = self._clipped(self._normalised(self._convolved("image", 1, 8, "one"), 8, "one"), "one")
        second = self._normalised(self._convolved(self._padded(first), 8, 8, "two", pads=0), 8, "two")
        total = self._add("Sum", [first, second], "total")
        rectified = self._add("Relu", [total], "rectified")
        pooled = self._add("MaxPool", [rectified], "pooled", kernel_shape=[2, 2], strides=[2, 2], auto_pad="NOTSET")
        flat = self._add("Flatten", [self._dropped(pooled)], "flat", axis=1)
        # A parameter that a Reshape brings into form, as CNTK exports do it.
        self._weights["product_4d"] = self._normal(0.2, 8, 4, 4, 16)
        self._weights["form"] = np.array([128, 16], np.int64)
        matrix = self._add("Reshape", ["product_4d", "form"], "matrix")
        hidden = self._add("Relu", [self._add("MatMul", [flat, matrix], "hidden")], "hidden_rectified")
        self._weights |= {"fc_w": self._normal(0.4, 16, CLASSES), "fc_b": self._normal(0.1, CLASSES)}
        self._add("Gemm", [hidden, "fc_w", "fc_b"], "scores")
        return self._nodes, self._weights

    def _convolved(self, source: str, inputs: int, outputs: int, name: str, pads: int = 1) -> str:
        self._weights[f"{name}_w"] = self._normal(0.4, outputs, inputs, 3, 3)
        return self._add("Conv", [source, f"{name}_w"], f"{name}_conv", kernel_shape=[3, 3], pads=[pads] * 4)

    def _normalised(self, source: str, channels: int, name: str) -> str:
        values = {"scale": 1.0, "bias": 0.0, "mean": 0.1, "var": 1.0}
        inputs = [f"{name}_{kind}" for kind in values]
        for kind, value in values.items():
            self._weights[f"{name}_{kind}"] = np.abs(value + self._normal(0.1, channels))
        old = {"spatial": 1} if self._opset < _SPATIAL_WENT else {}
        return self._add("BatchNormalization", [source, *inputs], f"{name}_norm", momentum=0.9, **old)

    def _clipped(self, source: str, name: str) -> str:
        if self._opset < _CLIP_AND_PAD_BECAME_INPUTS:
            return self._add("Clip", [source], f"{name}_clip", min=0.0, max=6.0)
        self._weights |= {"least": np.array(0, np.float32), "most": np.array(6, np.float32)}
        return self._add("Clip", [source, "least", "most"], f"{name}_clip")

    def _padded(self, source: str) -> str:
        pads = [0, 0, 1, 1, 0, 0, 1, 1]
        if self._opset < _CLIP_AND_PAD_BECAME_INPUTS:
            return self._add("Pad", [source], "padded", pads=pads)
        self._weights["pads"] = np.array(pads, np.int64)
        return self._add("Pad", [source, "pads"], "padded")

    def _dropped(self, source: str) -> str:
        old = {"ratio": 0.5} if self._opset < _DROPOUT_RATIO_BECAME_INPUT else {}
        return self._add("Dropout", [source], "dropped", **old)

    def _normal(self, spread: float, *shape: int) -> Any:
        return self._random.normal(0, spread, shape).astype(np.float32)

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output


def _written(path: Path, opset: int, net: tuple[list[Any], dict[str, Any]]) -> Path:
    nodes, weights = net
    assert opset < _AXES_BECAME_INPUTS
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)]
    # IR version 3: an initializer is the default of an input.
    inputs += [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(each.dtype), each.shape)
        for name, each in weights.items()
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, CLASSES))]
    tensors = [numpy_helper.from_array(each, name) for name, each in weights.items()]
    graph = helper.make_graph(nodes, "old", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
