"""Every recipe for ONNX, from one float model: by onnxruntime.quantization, with ranges of our own.

Static int8 is QDQ, with uint8 activations unless they must be symmetric: ONNX Runtime's kernels are about
twice as fast with them. Points lost on ResNet8, DS-CNN and Alibaba's CIFAR-10 net, over the choice of 100
to 2000 calibration items: percentile 99.99: -0.5 to 0.0, -0.4 to 0.1, 0.5 to 0.8; min-max: 0.2 to 1.0,
-0.8, 0.4 to 1.2; so percentile it is where nothing else is asked for. Convolutions with dynamic
activations have uint8 weights: older runtimes have no other kernel.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, quantize_dynamic
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.transformers.float16 import convert_float_to_float16

from converter.formats.base import NoRouteError
from converter.passes import int4_onnx
from converter.passes.modern_onnx import OLDEST_OPSET, modernised, opset
from converter.passes.prepared_onnx import prepared
from converter.passes.ranges_onnx import observed
from converter.passes.seen import Range
from converter.recipes import Recipe, Scope

LEFT_ALONE = "onnx-float32"
_ACTIVATIONS = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8, "uint16": QuantType.QUInt16}
_STATIC = sorted({*QDQRegistry, *QLinearOpsRegistry})
_DYNAMIC = ["MatMul", "Gemm", "LSTM", "Attention"]
_WITH_WEIGHTS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"}
_QUANTIZED = {
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeLSTM"),
    *("MatMulInteger", "ConvInteger", "MatMulNBits"),
}
_OPSET_OF_UINT16 = 21
_SYMMETRIC: dict[str, Any] = {
    # As TensorRT wants it: it has no int32 bias, and fuses what follows a product with it while that is float.
    "ActivationSymmetric": True,
    "QuantizeBias": False,
    "OpTypesToExcludeOutputQuantization": ["Conv", "ConvTranspose", "Gemm", "MatMul"],
}


class OnnxQuantizer:
    """One float ONNX model with one input, and what its activations were seen to be.

    Attributes:
        model: as it is quantized: what scopes find are the names in it.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        """Args: `model`, all sizes known; it is not changed."""
        self.model = prepared(model)
        self._ranges = lru_cache(maxsize=None)(self._observed)
        self._calibration: tuple[str, npt.NDArray[Any]] | None = None

    def quantized(self, recipe: Recipe, calibration: str, items: npt.NDArray[Any]) -> onnx.ModelProto:
        """The model by a recipe.

        Args:
            calibration: another one for other items.
            items: float32 [n, …] without the batch axis; used by recipes with static activations.

        Raises:
            NoRouteError: nothing would be quantized.
        """
        self._calibration = (calibration, items)
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        kept = _kept(model, recipe.scopes)
        if recipe.weights == "float16":
            model = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept)
        elif recipe.weights == "int4":
            model = int4_onnx.quantized(model, kept)
        elif recipe.activations == "dynamic":
            model = _dynamic(model, kept)
        else:
            model = self._static(model, recipe, kept, calibration)
        if recipe.weights != "float16" and not any(node.op_type in _QUANTIZED for node in model.graph.node):
            raise NoRouteError(f"none of its operators has a form with {recipe.title.partition(', ')[2]}")
        ONNXModel(model).topological_sort()
        return model

    def _static(self, model: onnx.ModelProto, recipe: Recipe, kept: list[str], calibration: str) -> onnx.ModelProto:
        if recipe.activations == "uint16" and opset(model) >= OLDEST_OPSET:
            model = modernised(model, _OPSET_OF_UINT16)
        needed = _OPSET_OF_UINT16 if recipe.activations == "uint16" else OLDEST_OPSET
        if opset(model) < needed:
            raise NoRouteError(f"the recipe needs opset {needed}, in which an operator of the model has no equal form")
        ranges = {
            name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
            for name, (low, high) in self._ranges(recipe.calibration, calibration).items()
        }
        work = QDQQuantizer(
            model,
            per_channel=recipe.granularity == "channel",
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=_ACTIVATIONS[recipe.activations],
            tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
            nodes_to_quantize=[],
            nodes_to_exclude=kept,
            op_types_to_quantize=_STATIC,
            extra_options=dict(_SYMMETRIC) if recipe.symmetric else {},
        )
        work.quantize_model()
        result: onnx.ModelProto = work.model.model
        return result

    def _observed(self, calibration: Any, _: str) -> dict[str, Range]:
        assert self._calibration is not None
        return observed(self.model, self._calibration[1], calibration)


def layers(model: onnx.ModelProto) -> list[str]:
    """Names of the outputs of the operators that multiply by weights, in the order they run.

    Args:
        model: see `OnnxQuantizer.model`.
    """
    return [str(node.output[0]) for node in model.graph.node if node.op_type in _WITH_WEIGHTS]


def _kept(model: onnx.ModelProto, scopes: Sequence[Scope]) -> list[str]:
    """Names of the nodes that stay float: the last scope that finds one of their outputs says so."""
    left = {
        str(node.name): scope.recipe == LEFT_ALONE
        for scope in scopes
        for node in model.graph.node
        if any(re.search(scope.layers, name) for name in node.output)
    }
    return [name for name, is_left in left.items() if is_left]


def _dynamic(model: onnx.ModelProto, kept: list[str]) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory(prefix="godwit-dynamic-") as folder:
        products, all_of_it = (Path(folder) / name for name in ("products.onnx", "all.onnx"))
        quantize_dynamic(
            model, products, _DYNAMIC, per_channel=True, weight_type=QuantType.QInt8, nodes_to_exclude=kept
        )
        quantize_dynamic(onnx.load(products), all_of_it, ["Conv"], weight_type=QuantType.QUInt8, nodes_to_exclude=kept)
        return onnx.load(all_of_it)
