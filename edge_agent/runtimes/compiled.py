"""LiteRT's CompiledModel: the way to the GPU, and to XNNPACK's weight cache."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.runtimes import quantized
from edge_agent.runtimes.base import Array, Nodes
from edge_agent.runtimes.quantized import Affine

_SIGNATURE = 0
_STDOUT, _STDERR = 1, 2


def opened(file: Path, options: Any, version: str, nodes: Nodes | None = None) -> CompiledRuntime:
    """The model compiled with `ai_edge_litert.options.Options`.

    Args:
        nodes: what the accelerator took, where that is known; else all or nothing is asked for.

    Raises:
        RuntimeError, ValueError: it cannot be compiled so, or is not accelerated as a whole.
    """
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.interpreter import Interpreter

    with _output_to_stderr():
        model = CompiledModel.from_file(str(file), options=options)
    # Never allocated: it knows what a compiled model does not tell, the order of tensors and their quantization.
    interpreter = Interpreter(str(file))
    if nodes is None:
        if not model.is_fully_accelerated():
            raise RuntimeError("nodes of it that the accelerator does not take")
        total = len(interpreter._get_ops_details())
        nodes = Nodes(total, total)
    return CompiledRuntime(model, interpreter, version, nodes)


@contextmanager
def _output_to_stderr() -> Iterator[None]:
    """The GPU's library tells what it tries on standard output, where a command's own answer goes."""
    sys.stdout.flush()
    own = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # C has a buffer of its own
        os.dup2(own, _STDOUT)
        os.close(own)


class _Port(NamedTuple):
    """One input or output; `elements` of `shape`."""

    buffer: Any
    affine: Affine
    shape: tuple[int, ...]
    elements: int


class CompiledRuntime:
    """A compiled model with the buffers of its first signature."""

    def __init__(self, model: Any, interpreter: Any, version: str, nodes: Nodes) -> None:
        self.version = version
        self.nodes = nodes
        self._model = model
        signature = model.get_signature_by_index(_SIGNATURE)
        key = signature["key"]
        # Buffers go by the order of the signature, which need not be that of the model.
        self._input_buffers = model.create_input_buffers(_SIGNATURE)
        self._output_buffers = model.create_output_buffers(_SIGNATURE)
        inputs = _by_tensor(model.get_input_tensor_details(key), signature["inputs"], self._input_buffers)
        outputs = _by_tensor(model.get_output_tensor_details(key), signature["outputs"], self._output_buffers)
        self._inputs = [_port(entry, inputs) for entry in interpreter.get_input_details()]
        self._outputs = [_port(entry, outputs) for entry in interpreter.get_output_details()]

    def quantize(self, real: Array) -> Array:
        """See `base.Runtime`."""
        return self._inputs[0].affine.quantize(real)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """See `base.Runtime`."""
        return self.primed(inputs)()

    def primed(self, inputs: Sequence[Array]) -> Callable[[], list[Array]]:
        """See `base.Runtime`. Reading is part of it: a GPU has answered only when its answer is here."""
        for port, tensor in zip(self._inputs, inputs, strict=True):
            port.buffer.write(port.affine.quantize(tensor))
        return self._inference

    def _inference(self) -> list[Array]:
        self._model.run_by_index(_SIGNATURE, self._input_buffers, self._output_buffers)
        return [
            port.affine.dequantize(port.buffer.read(port.elements, port.affine.dtype).reshape(port.shape))
            for port in self._outputs
        ]


def _by_tensor(details: Mapping[str, Any], names: Sequence[str], buffers: Sequence[Any]) -> dict[int, Any]:
    return {details[name]["index"]: buffer for name, buffer in zip(names, buffers, strict=True)}


def _port(entry: Mapping[str, Any], buffers: Mapping[int, Any]) -> _Port:
    shape = tuple(int(size) for size in entry["shape"])
    if entry["index"] not in buffers:
        raise RuntimeError(f"its first signature leaves out the tensor {entry['name']}")
    return _Port(buffers[entry["index"]], quantized.of_tensor(entry), shape, math.prod(shape))
