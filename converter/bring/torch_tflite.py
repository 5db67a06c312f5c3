"""PyTorch to TFLite, by litert-torch."""

from __future__ import annotations

import litert_torch
from ai_edge_litert.interpreter import Interpreter

from converter.bring import agreement
from converter.bring.agreement import Array
from converter.bring.request import Bring
from converter.bring.torch_model import load


def bring(request: Bring) -> None:
    """Write the .tflite file, with a batch of 1 and the network's own layout.

    Raises:
        InputError: the network is not what it must be.
        ValueError: what litert-torch wrote does not answer as the network does.
    """
    network = load(request)
    litert_torch.convert(network.module, (network.example,)).export(request.target)
    interpreter = Interpreter(request.target)
    interpreter.allocate_tensors()
    found = [_answers(interpreter, x) for x in network.trials]
    if reason := agreement.difference(network.answers, found):
        raise ValueError(f"litert-torch: {reason}")


def _answers(interpreter: Interpreter, x: Array) -> list[Array]:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()]
