"""PyTorch to ONNX, by torch.onnx."""

from __future__ import annotations

import onnxruntime
import torch

from converter.bring import agreement
from converter.bring.request import Bring
from converter.bring.torch_model import load

_OPSET = 18
"""The oldest that torch.onnx writes without converting, which it does badly."""


def bring(request: Bring) -> None:
    """Write the ONNX file, with a batch of 1.

    Raises:
        InputError: the network is not what it must be.
        ValueError: what torch.onnx wrote does not answer as the network does.
    """
    network = load(request)
    outputs = [f"output{index or ''}" for index in range(len(network.answers[0]))]
    program = torch.onnx.export(
        network.module,
        (network.example,),
        dynamo=True,
        external_data=False,
        input_names=["input"],
        output_names=outputs,
        opset_version=_OPSET,
    )
    program.save(request.target)
    session = onnxruntime.InferenceSession(request.target, providers=["CPUExecutionProvider"])
    found = [session.run(None, {"input": x}) for x in network.trials]
    if reason := agreement.difference(network.answers, found):
        raise ValueError(f"torch.onnx: {reason}")
