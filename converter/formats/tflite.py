"""TFLite: passed through, quantized by ai-edge-quantizer, or turned into float ONNX by tf2onnx."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from converter.formats.base import NoRouteError, Told, damaged, not_numbers
from converter.passes import equalize, fold, modern, noise, slim_tflite, sparse_tflite, whole_delegate
from converter.passes.noise import exactly
from converter.passes.quantize_tflite import TfliteQuantizer, UnchangedError, layers
from converter.passes.tflite_graph import Passed
from converter.protocol import Description, Export, Layer, Port, Rank
from converter.recipes import Recipe, Scope, SourceFormat
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import Tensor
from firmware_profiles.words import Precision

_SHOWN_ITEMS = 16
"""Calibration items on which a slim file must give the same bits, and on which layers are compared."""

_RANKING_ITEMS = 100


def load(path: Path, source_format: SourceFormat) -> TfliteModel:
    """See `base.load`."""
    interpreter = _open(path)
    if len(interpreter.get_input_details()) != 1:
        found = str(len(interpreter.get_input_details()))
        raise InputError(Problem(str(path), "a model with one input", found, "export it with one input"))
    if odd := _not_numbers(path):
        raise not_numbers(path, odd)
    return TfliteModel(path, interpreter)


class TfliteModel:
    """A .tflite file with one input."""

    def __init__(self, path: Path, interpreter: Any) -> None:
        self._path = path
        self._interpreter = interpreter
        self._quantizers: dict[bool, TfliteQuantizer] = {}

    def describe(self) -> Description:
        """See `base.SourceModel`."""
        inputs = [_port(entry) for entry in self._interpreter.get_input_details()]
        outputs = [_port(entry) for entry in self._interpreter.get_output_details()]
        return Description(inputs, outputs, _precision(self._interpreter))

    def export(self, request: Export) -> Told:
        """See `base.SourceModel`."""
        if request.recipe.format == "onnx":
            return Told([], self._onnx(request))
        if _precision(self._interpreter) != "float32":
            Path(request.target).write_bytes(self._path.read_bytes())
            return Told()
        items = _items(request)
        shown = _spread(items, _SHOWN_ITEMS)
        content, layers, said = self._path.read_bytes(), list[Layer](), list[str]()
        if request.recipe.weights != "float32":
            work = self._quantizer(request.recipe, items)
            content = _quantized(work, request.recipe, request.calibration, items)
            layers = noise.of_layers(work.content, content, shown)
            content, said = whole_delegate.rewritten(content)
            said = [*self._modern.said, *said]
        elif request.recipe.sparse:
            content, said = sparse_tflite.sparse(content, shown)
        Path(request.target).write_bytes(_slim(content, request.recipe, shown))
        return Told(layers, said)

    def rank(self, request: Rank) -> list[Layer]:
        """See `base.Quantizable`."""
        items = _items(request)
        work = self._quantizer(request.recipe, items)
        some = _spread(items, _RANKING_ITEMS)

        def alone(layer: str) -> Any:
            scopes = (Scope(".*", "tflite-float32"), Scope(exactly(layer), request.recipe.name))
            recipe = msgspec.structs.replace(request.recipe, scopes=scopes)
            return noise.answers(_quantized(work, recipe, request.calibration, items), some)

        return noise.ranked(layers(work.content), noise.answers(work.content, some), alone)

    @cached_property
    def _modern(self) -> Passed:
        """The float model that is quantized."""
        return fold.folded(modern.modernised(self._path.read_bytes()))

    def _quantizer(self, recipe: Recipe, items: Any) -> TfliteQuantizer:
        if recipe.equalized not in self._quantizers:
            content = equalize.equalized(self._modern.content, items) if recipe.equalized else self._modern.content
            self._quantizers[recipe.equalized] = TfliteQuantizer(content)
        return self._quantizers[recipe.equalized]

    def _onnx(self, request: Export) -> list[str]:
        import tf2onnx

        from converter.formats.keras import OPSET
        from converter.formats.onnx import write_onnx

        model, _ = tf2onnx.convert.from_tflite(str(self._path), opset=OPSET)
        return write_onnx(model, request)


def _quantized(work: TfliteQuantizer, recipe: Recipe, calibration: str, items: Any) -> bytes:
    try:
        return work.quantized(recipe, calibration, items)
    except UnchangedError as error:
        raise NoRouteError(str(error)) from None


def _slim(content: bytes, recipe: Recipe, shown: Any) -> bytes:
    try:
        return slim_tflite.proven(content, shown)
    except slim_tflite.DeclinedError as error:
        print(f"{recipe.name} was not made smaller: {error}", file=sys.stderr)
        return content


def _items(request: Export | Rank) -> Any:
    return np.load(request.calibration)["t0"]


def _spread(items: Any, count: int) -> Any:
    """So many of the items, evenly over all."""
    return items[np.linspace(0, len(items) - 1, min(len(items), count)).round().astype(int)]


def tensors(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs of an exported file."""
    interpreter = _open(path)
    details = (interpreter.get_input_details(), interpreter.get_output_details())
    ports = [[_port(entry) for entry in entries] for entries in details]
    as_tensors = [[Tensor(port.name, port.shape, port.dtype) for port in side] for side in ports]
    return as_tensors[0], as_tensors[1]


def _open(path: Path) -> Any:
    try:
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise damaged(path, "TFLite file", error) from None
    return interpreter


def _not_numbers(path: Path) -> list[str]:
    """Names of the float constants that hold NaN."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    dtypes = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}
    found = []
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            content = model.Buffers(tensor.Buffer()).DataAsNumpy()
            dtype = dtypes.get(tensor.Type())
            if dtype and isinstance(content, np.ndarray) and np.isnan(content.view(dtype)).any():
                found.append((tensor.Name() or b"without a name").decode())
    return found


def _precision(interpreter: Any) -> Precision:
    """int8 if any constant or activation is quantized, float16 if constants are stored so."""
    entries = interpreter.get_tensor_details()
    if any(entry["dtype"] in (np.int8, np.uint8, np.int16) and entry["quantization"][0] for entry in entries):
        return "int8"
    if any(len(entry["quantization_parameters"]["scales"]) > 1 for entry in entries):
        return "int8"
    return "float16" if any(entry["dtype"] == np.float16 for entry in entries) else "float32"


def _port(entry: Any) -> Port:
    return Port(str(entry["name"]), [int(size) for size in entry["shape"]], np.dtype(entry["dtype"]).name)
