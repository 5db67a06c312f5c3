"""ONNX: batch fixed to 1, brought to its simplest form, quantized."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # its stubs are a package more

from converter.formats.base import NoRouteError, Told, damaged, not_numbers
from converter.passes import erf_onnx, noise_onnx, simplified_onnx, slim_onnx, stable_names
from converter.passes.noise import exactly, ranked
from converter.passes.quantize_onnx import LEFT_ALONE, OnnxQuantizer, layers
from converter.protocol import Description, Export, Layer, Port, Rank
from converter.recipes import Scope, SourceFormat
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import Tensor

_SHOWN_ITEMS = 16
"""Calibration items on which a slim file must give the same bits, and a simpler one the same answers; on which
layers are compared too."""

_RANKING_ITEMS = 100
_QUANTIZED_OPERATORS = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "DynamicQuantizeLinear"}


def load(path: Path, source_format: SourceFormat) -> OnnxModel:
    """See `base.load`."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        raise damaged(path, "ONNX file", error) from None
    if len(_graph_inputs(model)) != 1:
        names = ", ".join(value.name for value in _graph_inputs(model))
        step = "export it with one input"
        raise InputError(Problem(str(path), "a model with one input", names or "none", step))
    if odd := [tensor.name for tensor in model.graph.initializer if _has_nan(tensor)]:
        raise not_numbers(path, odd)
    return OnnxModel(model)


class OnnxModel:
    """A loaded ONNX graph with one input."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._simplified: tuple[onnx.ModelProto, list[str]] | None = None
        self._work: OnnxQuantizer | None = None

    def describe(self) -> Description:
        """See `base.SourceModel`."""
        quantized = any(node.op_type in _QUANTIZED_OPERATORS for node in self._model.graph.node)
        inputs = [_port(value) for value in _graph_inputs(self._model)]
        outputs = [_port(value) for value in self._model.graph.output]
        return Description(inputs, outputs, "int8" if quantized else "float32")

    def export(self, request: Export) -> Told:
        """See `base.SourceModel`."""
        if self.describe().precision != "float32":
            onnx.save(self._model, request.target)  # with the weights that may lie in files beside it
            return Told()
        items = _items(request)
        shown = _spread(items, _SHOWN_ITEMS)
        simple, said = self._simple(request.shape, shown)
        if request.recipe.weights == "float32":
            _save(simple, request, shown)
            return Told([], said)
        work = self._quantizer(simple)
        quantized = work.quantized(request.recipe, request.calibration, items)
        _save(quantized, request, shown)
        return Told(noise_onnx.of_layers(work.model, quantized, shown), [*said, *_folded(simple, work.model)])

    def rank(self, request: Rank) -> list[Layer]:
        """See `base.Quantizable`."""
        items = _items(request)
        work = self._quantizer(self._simple(request.shape, _spread(items, _SHOWN_ITEMS))[0])
        some = _spread(items, _RANKING_ITEMS)

        def alone(layer: str) -> Any:
            scopes = (Scope(".*", LEFT_ALONE), Scope(exactly(layer), request.recipe.name))
            recipe = msgspec.structs.replace(request.recipe, scopes=scopes)
            return noise_onnx.answers(work.quantized(recipe, request.calibration, items), some)

        return ranked(layers(work.model), noise_onnx.answers(work.model, some), alone)

    def _simple(self, shape: list[int], shown: Any) -> tuple[onnx.ModelProto, list[str]]:
        if self._simplified is None:
            model, said = _fixed_float(self._model, shape)
            simple = simplified_onnx.simplified(model, shown)
            self._simplified = simple, [*said, *_folded(model, simple)]
        return self._simplified

    def _quantizer(self, simple: onnx.ModelProto) -> OnnxQuantizer:
        if self._work is None:
            self._work = OnnxQuantizer(simple)
        return self._work


def write_onnx(float_model: onnx.ModelProto, request: Export) -> list[str]:
    """Write the float model to the target, the same bytes for the same model; what was done, for people."""
    model, said = _fixed_float(float_model, request.shape)
    onnx.save(model, request.target)
    return said


def _save(model: onnx.ModelProto, request: Export, shown: Any) -> None:
    try:
        model = slim_onnx.proven(model, shown)
    except slim_onnx.DeclinedError as error:
        print(f"{request.recipe.name} was not made smaller: {error}", file=sys.stderr)
    onnx.save(model, request.target)


def _items(request: Export | Rank) -> Any:
    return np.load(request.calibration)["t0"]


def _spread(items: Any, count: int) -> Any:
    """So many of the items, evenly over all."""
    return items[np.linspace(0, len(items) - 1, min(len(items), count)).round().astype(int)]


def tensors(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs of an exported file, every size known."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    inputs, outputs = map(_fixed, _graph_inputs(model)), map(_fixed, model.graph.output)
    return list(inputs), list(outputs)


def _fixed(value: Any) -> Tensor:
    port = _port(value)
    if not all(port.shape):
        raise ValueError(f"the shape of {port.name} is not fixed: {port.shape}")
    return Tensor(port.name, port.shape, port.dtype)


def _folded(before: onnx.ModelProto, after: onnx.ModelProto) -> list[str]:
    """What became of the batch normalizations."""
    counts = [sum(node.op_type == "BatchNormalization" for node in model.graph.node) for model in (before, after)]
    gone = counts[0] - counts[1]
    return [f"{gone} of {counts[0]} batch normalizations folded into the layers before them"] if gone else []


def _fixed_float(source: onnx.ModelProto, shape: list[int]) -> tuple[onnx.ModelProto, list[str]]:
    model, said = erf_onnx.without_erfc(source)
    if lacking := sorted({node.op_type for node in model.graph.node if not _known(node)}):
        raise NoRouteError(f"ONNX has no operator {', '.join(lacking)}; a TFLite recipe may")
    return _with_shape(stable_names.applied(model), shape), said


def _with_shape(model: onnx.ModelProto, shape: list[int]) -> onnx.ModelProto:
    """A copy whose input has that shape, with shapes inferred anew."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    dimensions = _graph_inputs(copy)[0].type.tensor_type.shape.dim
    for dimension, size in zip(dimensions, shape, strict=True):
        dimension.dim_value = size
    del copy.graph.value_info[:]
    for output in copy.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True)
    for before, after in zip(model.graph.output, inferred.graph.output, strict=True):
        if not after.type.tensor_type.HasField("shape"):  # a loop (LSTM): the source's own word, with a batch of 1
            after.type.tensor_type.shape.CopyFrom(before.type.tensor_type.shape)
            if after.type.tensor_type.shape.dim and not after.type.tensor_type.shape.dim[0].dim_value:
                after.type.tensor_type.shape.dim[0].dim_value = 1
    return inferred


def _known(node: Any) -> bool:
    """tf2onnx leaves what it cannot translate as an operator that nobody knows; other domains are the runtime's."""
    return node.domain not in ("", "ai.onnx") or onnx.defs.has(node.op_type)


def _has_nan(tensor: Any) -> bool:
    values = onnx.numpy_helper.to_array(tensor)
    return values.dtype.kind == "f" and bool(np.isnan(values).any())


def _graph_inputs(model: onnx.ModelProto) -> list[Any]:
    """Old files list their weights among the inputs too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def _port(value: Any) -> Port:
    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return Port(value.name, [int(dimension.dim_value) for dimension in kind.shape.dim], dtype)
