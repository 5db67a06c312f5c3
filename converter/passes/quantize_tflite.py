"""Every recipe for TFLite, from one float .tflite file: by ai-edge-quantizer, no TensorFlow needed.

TensorFlow's own converter is not used for it. With ranges found as in `ranges`, ai-edge-quantizer loses no
more (ResNet8, 1000 items: 0.2 points better than float against 0.2 to 0.8 worse), takes 0.1 s instead of
seconds, does not crash on an LSTM, and knows scopes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import quantizer
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import (
    ComputePrecision,
    OpQuantizationConfig,
    QuantGranularity,
    TensorDataType,
    TensorQuantizationConfig,
    TFLOperationName,
)

from converter.passes.noise import exactly
from converter.passes.ranges import Ranges, observed
from converter.passes.stem import narrow_stem
from converter.recipes import BY_NAME, Recipe

_ALL = ".*"
_BITS = {"int4": 4, "int8": 8, "float16": 16, "int16": 16}
_GRANULARITY = {
    "channel": QuantGranularity.CHANNELWISE,
    "tensor": QuantGranularity.TENSORWISE,
    "block": QuantGranularity.BLOCKWISE_32,
}
_QUANTIZED = (schema.TensorType.INT8, schema.TensorType.INT4, schema.TensorType.FLOAT16)


class UnchangedError(Exception):
    """The recipe applies to nothing in the model; the text is the reason."""


class TfliteQuantizer:
    """One float .tflite file with one input, and what its activations were seen to be."""

    def __init__(self, content: bytes) -> None:
        """Args: `content`, with a signature and named tensors (see `modern.modernised`)."""
        self.content = content
        self._ranges = lru_cache(maxsize=None)(self._observed)
        self._calibration: tuple[str, npt.NDArray[Any]] | None = None

    def quantized(self, recipe: Recipe, calibration: str, items: npt.NDArray[Any]) -> bytes:
        """The model by a recipe.

        Args:
            calibration: another one for other items.
            items: float32 [n, …] without the batch axis; used by recipes with static activations.

        Raises:
            UnchangedError: nothing would be quantized, or the recipe gains nothing here.
        """
        self._calibration = (calibration, items)
        work = quantizer.Quantizer(self.content)
        _configure(work, _ALL, recipe)
        for scope in recipe.scopes:
            _configure(work, scope.layers, BY_NAME[scope.recipe])
        if recipe.float_stem:
            stem = narrow_stem(self.content)
            if not stem:
                raise UnchangedError("float gains nothing: the first layer is no convolution of one or two channels")
            _configure(work, exactly(stem), BY_NAME["tflite-float32"])
        if recipe.static and (inside := "|".join(map(exactly, _in_loops(self.content)))):
            _configure(work, inside, BY_NAME["tflite-float32"])
        ranges = self._ranges(recipe.calibration, calibration) if work.need_calibration else None
        content = bytes(work.quantize(ranges, enable_progress_bar=False, enable_progress_report=False).quantized_model)
        if not _has_quantized(content):
            raise UnchangedError("ai-edge-quantizer quantizes none of its operators")
        return content

    def _observed(self, calibration: Any, _: str) -> Ranges:
        assert self._calibration is not None
        return observed(self.content, self._calibration[1], calibration)


def layers(content: bytes) -> list[str]:
    """Names of the outputs of the operators that compute, in the order they run."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    names = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) in _COMPUTING:
            names.append(graph.tensors[operator.outputs[0]].name.decode())
    return names


def _in_loops(content: bytes) -> list[str]:
    """Names of what the subgraphs but the first compute: no ranges are seen there, so it stays float."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return [
        graph.tensors[operator.outputs[0]].name.decode()
        for graph in model.subgraphs[1:]
        for operator in graph.operators
    ]


def _configure(work: quantizer.Quantizer, layers: str, recipe: Recipe) -> None:
    """What `recipe` does to the layers that the pattern finds; the model's own inputs and outputs stay float."""
    _quantize(work, layers, recipe)
    # A pattern that finds the last layer finds the output too, which has its name.
    for edge in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
        work.update_quantization_recipe(regex=layers, operation_name=edge, algorithm_key=AlgorithmName.NO_QUANTIZE)


def _quantize(work: quantizer.Quantizer, layers: str, recipe: Recipe) -> None:
    if recipe.weights == "float32":
        work.update_quantization_recipe(
            regex=layers, operation_name=TFLOperationName.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
        return
    scope: dict[str, Any] = {"regex": layers, "operation_name": TFLOperationName.ALL_SUPPORTED}
    if recipe.weights == "float16":
        weights = TensorQuantizationConfig(num_bits=16, dtype=TensorDataType.FLOAT)
        config = OpQuantizationConfig(
            weight_tensor_config=weights, compute_precision=ComputePrecision.FLOAT, explicit_dequantize=True
        )
        work.update_quantization_recipe(**scope, algorithm_key=AlgorithmName.FLOAT_CASTING, op_config=config)
        return
    bits, granularity = _BITS[recipe.weights], _GRANULARITY[recipe.granularity]
    if recipe.activations == "float":
        work.add_weight_only_config(**scope, num_bits=bits, granularity=granularity)
    elif recipe.activations == "dynamic":
        work.add_dynamic_config(**scope, num_bits=bits, granularity=granularity)
    else:
        work.add_static_config(
            **scope,
            activation_num_bits=_BITS[recipe.activations],
            weight_num_bits=bits,
            weight_granularity=granularity,
        )


def _has_quantized(content: bytes) -> bool:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return any(tensor.type in _QUANTIZED for graph in model.subgraphs for tensor in graph.tensors)


_OP = schema.BuiltinOperator
_COMPUTING = {
    *(_OP.CONV_2D, _OP.DEPTHWISE_CONV_2D, _OP.TRANSPOSE_CONV, _OP.FULLY_CONNECTED, _OP.BATCH_MATMUL),
    *(_OP.ADD, _OP.SUB, _OP.MUL, _OP.DIV, _OP.MEAN, _OP.SUM, _OP.AVERAGE_POOL_2D, _OP.SQUARED_DIFFERENCE, _OP.RSQRT),
    *(_OP.SOFTMAX, _OP.LOGISTIC, _OP.TANH, _OP.GELU, _OP.HARD_SWISH),
}
"""The others move numbers, or pick from them."""
