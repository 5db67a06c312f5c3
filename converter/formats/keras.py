"""Keras and SavedModel: loaded by TensorFlow, exported in float by its TFLite converter and by tf2onnx.

The model is traced once, with batch 1 and its variables frozen, and every export starts from that:
so the names and bytes of one export do not depend on which others were made before it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from converter.formats import own_layers
from converter.formats.base import ElsewhereError, Told, damaged, not_numbers
from converter.formats.onnx import write_onnx
from converter.formats.without_optimizer import without_optimizer
from converter.passes import fused
from converter.protocol import Description, Export, Port
from converter.recipes import SourceFormat
from firmware_profiles.errors import InputError, Problem

OPSET = 17
"""LayerNormalization's first; every runtime of the profiles reads it."""

_SIGNATURE = "serving_default"


def load(path: Path, source_format: SourceFormat) -> TensorFlowModel:
    """See `base.load`."""
    if source_format == "savedmodel":
        return _load_saved_model(path)
    return of_model(load_model(path, source_format), path=path)


class TensorFlowModel:
    """A callable with one input, whatever it was loaded from."""

    def __init__(self, call: Callable[[Any], list[Any]], inputs: Port, outputs: list[Port], norms: int = 0) -> None:
        """Args: `norms`: how many batch normalizations it has, as far as that is known."""
        self._call = call
        self._input = inputs
        self._outputs = outputs
        self._norms = norms
        self._frozen: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="godwit-tf-")

    def describe(self) -> Description:
        """See `base.SourceModel`."""
        return Description([self._input], self._outputs, "float32")

    def export(self, request: Export) -> Told:
        """See `base.SourceModel`."""
        if self._frozen is None:
            self._frozen = self._freeze(request.shape)
        if request.recipe.format == "tflite":
            content = self._tflite()
            Path(request.target).write_bytes(content)
            return Told([], fused.told(self._norms, content))
        return Told([], write_onnx(self._onnx, request))

    def in_float(self, shape: list[int]) -> bytes:
        """TFLite in float32."""
        self._frozen = self._freeze(shape)
        return self._tflite()

    def emulated_int8(self, shape: list[int]) -> bytes:
        """TFLite with the ranges of the fake quantization in the graph (see passes/qat_export.py)."""
        self._frozen = self._freeze(shape)
        return self._tflite([tf.lite.Optimize.DEFAULT])

    def _freeze(self, shape: list[int]) -> Any:
        """The model as one function of a [1, …] tensor, all variables constants."""
        spec = tf.TensorSpec(shape, self._input.dtype, name=self._input.name)
        traced = tf.function(lambda x: self._call(x), input_signature=[spec])
        return convert_variables_to_constants_v2(traced.get_concrete_function(), lower_control_flow=False)

    @cached_property
    def _saved_model(self) -> str:
        """The frozen function as a SavedModel: the TFLite files made of it have a signature."""
        module, folder = tf.Module(), str(Path(self._folder.name) / "saved_model")
        spec = tf.TensorSpec(self._frozen.inputs[0].shape, self._input.dtype, name=self._input.name)
        names = [port.name for port in self._outputs]
        module.serve = tf.function(lambda x: dict(zip(names, self._frozen(x), strict=True)), input_signature=[spec])
        # Keras's silu has a gradient of its own, which cannot be saved of a frozen function, and is not needed.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, folder, signatures={_SIGNATURE: module.serve}, options=options)
        return folder

    def _tflite(self, optimizations: Sequence[Any] = ()) -> bytes:
        converter = tf.lite.TFLiteConverter.from_saved_model(self._saved_model, signature_keys=[_SIGNATURE])
        converter.optimizations = list(optimizations)
        content: bytes = converter.convert()
        return content

    @cached_property
    def _onnx(self) -> Any:
        """The float32 ONNX model, with the source's own names for inputs and outputs."""
        inputs = [tensor.name for tensor in self._frozen.inputs]
        outputs = [tensor.name for tensor in self._frozen.outputs]
        own = [self._input.name, *(port.name for port in self._outputs)]
        model, _ = tf2onnx.convert.from_graph_def(
            self._frozen.graph.as_graph_def(),
            input_names=inputs,
            output_names=outputs,
            opset=OPSET,
            tensors_to_rename=dict(zip(inputs + outputs, own, strict=True)),
        )
        return model


def load_model(path: Path, source_format: SourceFormat) -> Any:
    """The Keras model in a file.

    Raises:
        InputError: it is damaged, or was never called.
        ElsewhereError: a Keras wrote it that is too old for this one.
    """
    import keras

    kind = ".h5 model" if source_format == "h5" else ".keras model"
    with tempfile.TemporaryDirectory() as folder:
        # Keras tells the formats apart by the name's suffix, we by the content.
        link = Path(folder) / f"model.{source_format}"
        link.symlink_to(path.resolve())
        try:
            model = keras.saving.load_model(link, compile=False)
        except Exception as error:  # noqa: BLE001  # Keras and h5py raise whatever they meet
            if source_format == "h5" and _older_keras(path):
                raise ElsewhereError(f"Keras {_older_keras(path)} wrote it, and Keras 3 cannot load it") from None
            if problems := own_layers.problems(path):
                raise InputError(*problems) from None
            raise damaged(path, kind, error) from None
    if not model.inputs:
        step = "call it once before saving"
        raise InputError(Problem(str(path), "a model that knows its input's shape", "one that was never called", step))
    _check_numbers(path, model.variables)
    return model


def of_model(model: Any, named_like: Any = None, path: Path = Path("model")) -> TensorFlowModel:
    """What exports a Keras model.

    Args:
        named_like: the model whose names inputs and outputs get.
    """
    named = named_like or model
    inputs = [Port(_plain(tensor.name), _sizes(tensor.shape), tensor.dtype) for tensor in named.inputs]
    # A Sequential has no names of its own for its outputs.
    names = getattr(named, "output_names", None) or [named.layers[-1].name]
    outputs = [
        Port(_plain(name), _sizes(tensor.shape), tensor.dtype)
        for name, tensor in zip(names, named.outputs, strict=True)
    ]
    norms = sum("BatchNormalization" in type(layer).__name__ for layer in _layers(model))

    def call(x: Any) -> list[Any]:
        answers: list[Any] = tf.nest.flatten(model(x, training=False))
        return answers

    return TensorFlowModel(call, _only(path, inputs), _distinct(outputs), norms)


def _layers(model: Any) -> Iterator[Any]:
    """Those of models within the model too."""
    for layer in model.layers:
        yield from _layers(layer) if hasattr(layer, "layers") else (layer,)


def _older_keras(path: Path) -> str:
    """The version that wrote a whole .h5 model, if it is older than 3; empty otherwise."""
    import h5py

    try:
        with h5py.File(path) as file:
            written_by = str(file.attrs.get("keras_version", "1")) if "model_config" in file.attrs else ""
    except OSError:
        return ""
    return "" if written_by.startswith("3") else written_by


def _load_saved_model(path: Path) -> TensorFlowModel:
    try:
        with without_optimizer(path) as plain:
            model = tf.saved_model.load(str(plain))
    except Exception as error:  # noqa: BLE001  # TensorFlow raises whatever it meets
        raise damaged(path, "SavedModel", error) from None
    if _SIGNATURE not in model.signatures:
        found = ", ".join(model.signatures) or "none"
        raise InputError(Problem(str(path), f"a signature {_SIGNATURE}", found, "save it with model.export()"))
    signature = model.signatures[_SIGNATURE]
    _check_numbers(path, signature.variables)
    specs = signature.structured_input_signature[1]
    inputs = [Port(name, _sizes(spec.shape), spec.dtype.name) for name, spec in specs.items()]
    results = signature.structured_outputs
    outputs = [Port(name, _sizes(results[name].shape), results[name].dtype.name) for name in sorted(results)]
    only = _only(path, inputs)

    def call(x: Any, keep: Any = model) -> list[Any]:  # a signature does not keep its variables alive
        answers = signature(**{only.name: x})
        return [answers[port.name] for port in outputs]

    return TensorFlowModel(call, only, outputs)


def _check_numbers(path: Path, variables: Iterable[Any]) -> None:
    values = {getattr(each, "path", each.name): each.numpy() for each in variables if "float" in str(each.dtype)}
    if odd := [str(name) for name, value in values.items() if np.isnan(value).any()]:
        raise not_numbers(path, odd)


def _only(path: Path, inputs: list[Port]) -> Port:
    if len(inputs) != 1:
        found = f"{len(inputs)}: {', '.join(port.name for port in inputs)}"
        raise InputError(Problem(str(path), "a model with one input", found, "export it with one input"))
    return inputs[0]


def _distinct(outputs: list[Port]) -> list[Port]:
    """Keras may give two outputs one name; a signature may not."""
    names = [port.name for port in outputs]
    if len(set(names)) == len(names):
        return outputs
    return [Port(f"output_{index}", port.shape, port.dtype) for index, port in enumerate(outputs)]


def _plain(name: str) -> str:
    return name.partition(":")[0].replace("/", "_")


def _sizes(shape: Any) -> list[int]:
    return [int(size or 0) for size in shape]
