"""How far a quantized TFLite model is from the float one it was made of, in decibels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from converter.protocol import Layer

Array = npt.NDArray[Any]
MOST_DB = 120.0
"""What is told where there is no noise: more than float32 itself can tell apart."""


def signal_to_noise_db(signal: float, noise: float) -> float:
    """10 · log10 of the ratio of two sums of squares, within ±120, to a tenth."""
    if noise <= 0:
        return MOST_DB
    return round(float(np.clip(10 * np.log10(max(signal, 1e-30) / noise), -MOST_DB, MOST_DB)), 1)


def of_layers(before: bytes, after: bytes, items: Array) -> list[Layer]:
    """Signal-to-noise of every operator's output in float and quantized, in the order they run.

    Args:
        before, after: .tflite files whose tensors have the same names.
        items: float32 [n, …] without the batch axis.
    """
    one, other = _Traced(before), _Traced(after)
    common = [name for name in one.operators if name in other.operators]
    signal, noise = np.zeros(len(common)), np.zeros(len(common))
    for item in items:
        one.run(item)
        other.run(item)
        for place, name in enumerate(common):
            expected, found = one.value(name), other.value(name)
            signal[place] += float((expected**2).sum())
            noise[place] += float(((found - expected) ** 2).sum())
    return [
        Layer(name, one.operators[name], signal_to_noise_db(signal[place], noise[place]), exactly(name))
        for place, name in enumerate(common)
    ]


def ranked(layers: Iterable[str], expected: Array, answers: Callable[[str], Array]) -> list[Layer]:
    """Each layer with the signal-to-noise of the model's output where that layer alone is quantized; worst first.

    Args:
        expected: the float model's answers [n, …].
        answers: layer → those of the model with only that layer quantized.
    """
    signal = float((expected**2).sum())
    found = [
        Layer(name, "", signal_to_noise_db(signal, float(((answers(name) - expected) ** 2).sum())), exactly(name))
        for name in layers
    ]
    return sorted(found, key=lambda layer: layer.snr_db)


def answers(content: bytes, items: Array) -> Array:
    """All outputs of the model for the items, float32 [n, values]."""
    interpreter: Any = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    entry, outputs = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()
    rows = []
    for item in items:
        interpreter.set_tensor(entry, item[np.newaxis])
        interpreter.invoke()
        rows.append(np.concatenate([interpreter.get_tensor(output["index"]).ravel() for output in outputs]))
    stacked: Array = np.stack(rows).astype(np.float32)
    return stacked


def exactly(layer: str) -> str:
    """The pattern of a scope that holds this layer and no other."""
    return rf"(^|;){re.escape(layer)}(;|$)"


class _Traced:
    """A model whose operators' outputs can be read, as numbers, after a run."""

    def __init__(self, content: bytes) -> None:
        self._interpreter: Any = Interpreter(
            model_content=content, num_threads=1, experimental_preserve_all_tensors=True
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._details = {entry["name"]: entry for entry in self._interpreter.get_tensor_details()}
        self.operators = dict(_operators(content))

    def run(self, item: Array) -> None:
        self._interpreter.set_tensor(self._input, item[np.newaxis])
        self._interpreter.invoke()

    def value(self, name: str) -> Array:
        """As float64; quantized numbers by their scale and zero point."""
        entry = self._details[name]
        scale, zero_point = entry["quantization"]
        raw = self._interpreter.get_tensor(entry["index"]).astype(np.float64)
        values: Array = (raw - zero_point) * (scale or 1.0)
        return values


def _operators(content: bytes) -> Iterable[tuple[str, str]]:
    """Output's name → operator, of the main graph, where the output is a number that was computed."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    numbers = (schema.TensorType.FLOAT32, schema.TensorType.INT8, schema.TensorType.INT16)
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        tensor = graph.tensors[operator.outputs[0]]
        if tensor.type in numbers and name not in ("QUANTIZE", "DEQUANTIZE", "WHILE"):
            yield tensor.name.decode(), name
