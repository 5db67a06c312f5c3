"""What LiteRT's and tflite-runtime's interpreters have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edge_agent.runtimes import quantized
from edge_agent.runtimes.base import Array, Nodes

_DELEGATE = "DELEGATE"


class InterpreterRuntime:
    """A model in a TFLite interpreter whose tensors are allocated."""

    def __init__(self, interpreter: Any, version: str, nodes: Nodes | None = None) -> None:
        self.version = version
        self.nodes = nodes or count_nodes(interpreter)
        self._interpreter = interpreter
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        self._inputs = [(entry["index"], quantized.of_tensor(entry).quantize) for entry in inputs]
        self._outputs = [(entry["index"], quantized.of_tensor(entry).dequantize) for entry in outputs]

    def quantize(self, real: Array) -> Array:
        """See `base.Runtime`."""
        return self._inputs[0][1](real)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """See `base.Runtime`."""
        interpreter = self._interpreter
        for (index, quantize), tensor in zip(self._inputs, inputs, strict=True):
            interpreter.set_tensor(index, quantize(tensor))
        interpreter.invoke()
        return [dequantize(interpreter.get_tensor(index)) for index, dequantize in self._outputs]

    def primed(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """See `base.Runtime`."""
        for (index, quantize), tensor in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, quantize(tensor))
        invoke: Callable[[], object] = self._interpreter.invoke
        return invoke


def count_nodes(interpreter: Any) -> Nodes:
    """How many nodes delegates took.

    A DELEGATE node has as its inputs every tensor that the nodes it replaced read (constants too),
    and as outputs what leaves it. A node was taken if all it reads is among the delegate's inputs
    or is made inside; walking the nodes in order and adding what each makes finds them.
    """
    operators = interpreter._get_ops_details()
    own = [entry for entry in operators if entry["op_name"] != _DELEGATE]
    taken: set[int] = set()
    for delegate in (entry for entry in operators if entry["op_name"] == _DELEGATE):
        known = {int(tensor) for tensor in delegate["inputs"]}
        ends = {int(tensor) for tensor in delegate["outputs"]}
        for entry in own:
            reads = {int(tensor) for tensor in entry["inputs"] if tensor >= 0}
            makes = {int(tensor) for tensor in entry["outputs"]}
            if reads <= known and not makes <= known:
                taken.add(entry["index"])
                known |= makes
            if ends <= known:
                break
    left = tuple(entry["op_name"] for entry in own if entry["index"] not in taken)
    return Nodes(len(taken), len(own), left)
