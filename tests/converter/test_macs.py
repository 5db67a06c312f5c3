"""Multiply-adds, against counts made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from converter import macs
from tests.converter.conftest import MODELS, TINY_MULTIPLY_ADDS


def test_the_small_models_agree_with_a_count_by_hand() -> None:
    """test_convert compares the ONNX exports of the same model with this count."""
    assert macs.of_tflite(MODELS / "tiny-float32.tflite") == TINY_MULTIPLY_ADDS
    assert macs.of_tflite(MODELS / "tiny-int8.tflite") == TINY_MULTIPLY_ADDS


def test_grouped_and_transposed_convolutions_and_gemm(tmp_path: Path) -> None:
    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.zeros(shape, np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "depthwise"], ["a"], group=4),  # 4 × 6 × 6 out, 3 × 3 × 1 each
        helper.make_node("ConvTranspose", ["a", "up"], ["b"], strides=[2, 2]),  # 4 × 6 × 6 in, 2 × 2 × 5 each
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "dense"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 7])],
        [weights("depthwise", 4, 1, 3, 3), weights("up", 4, 5, 2, 2), weights("dense", 7, 720)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    assert macs.of_onnx(tmp_path / "m.onnx") == 4 * 36 * 9 + 4 * 36 * 20 + 7 * 720
