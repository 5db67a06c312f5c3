"""Quantization-aware training by torchao (the PT2E flow; Jacob et al. 2017, arXiv 1712.05877).

The network is exported, its batch normalizations are folded with their statistics as they are, and fake quantization
stands wherever `int8` says that TFLite rounds. litert-torch writes what training learned: nothing is calibrated.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torchao.quantization.pt2e.fake_quantize import FakeQuantize
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e
from torchao.quantization.pt2e.utils import _fuse_conv_bn_

from converter.bring import agreement
from converter.passes import float_ends, slim_tflite, whole_delegate
from converter.pytorch import int8
from converter.reasons import short
from converter.training.data import Array
from firmware_profiles.errors import InputError, Problem

_AT_ONCE = 100
_SHOWN = 16


class Prepared(NamedTuple):
    """Attributes: `said`: what was done, for people."""

    model: Simulated
    said: list[str]


class Simulated(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not installed where types are checked
    """A graph that computes as its int8 export will. Ranges follow what passes only while training.

    Attributes:
        layers: names of those that multiply; the graph keeps their weights' names.
    """

    def __init__(self, graph: torch.fx.GraphModule, layers: list[str]) -> None:
        super().__init__()
        self.graph_module, self.layers = graph, layers

    def forward(self, x: torch.Tensor) -> Any:
        """As the export computes it."""
        return self.graph_module(x)

    def train(self, mode: bool = True) -> Simulated:
        """The exported graph has no modes of its own; ranges of weights always follow the weights."""
        self.training = mode
        for each in self.ranges():
            each.enable_observer(mode)
        return self

    def ranges(self) -> list[Any]:
        """Of the activations."""
        rounders = (each for each in self.graph_module.modules() if isinstance(each, FakeQuantize))
        return [each for each in rounders if each.qscheme == torch.per_tensor_affine]


def prepared(network: torch.nn.Module, layers: list[str], seen: torch.Tensor) -> Prepared:
    """A copy of the network that computes as its int8 export will, with ranges of what it makes of `seen`.

    Args:
        layers: names of those that multiply.

    Raises:
        InputError: torch.export does not take the code, or nothing in it has an int8 form.
    """
    network.eval()
    graph = _exported(network, seen[:2])
    _fuse_conv_bn_(graph)
    with torch.no_grad():
        apart = agreement.difference([[network(seen[:_SHOWN]).numpy()]], [[graph(seen[:_SHOWN]).numpy()]])
    if apart:
        step = "call each layer once, or leave qat out for this network"
        raise InputError(Problem("qat", "batch normalizations that can be folded", apart, step))
    graph = prepare_qat_pt2e(graph, int8.Int8())
    model = Simulated(graph, layers).train()
    if not model.ranges():
        step = "leave qat out for this network"
        raise InputError(Problem("qat", "convolutions or dense layers, to be computed in int8", "none", step))
    with torch.no_grad():
        for start in range(0, len(seen), _AT_ONCE):
            model(seen[start : start + _AT_ONCE])
    left = int8.in_float(graph)
    said = [f"{len(layers)} layers and {len(model.ranges())} ranges are trained as int8"]
    return Prepared(model, [*said, *([f"stays in float: {', '.join(left)}"] if left else [])])


def write(model: Simulated, example: torch.Tensor, target: str, seen: Array) -> str:
    """Write `target`.tflite, with float32 inputs and outputs and exactly the learned ranges; its path.

    Args:
        example: one input, with its batch of 1.
        seen: float32 [n, …] as the network takes them, on some of which a smaller file must give the same bits.
    """
    path = Path(f"{target}.tflite")
    _written(model, example, path)
    content = whole_delegate.rewritten(float_ends.given(path.read_bytes()))
    try:
        content = slim_tflite.proven(content, seen[:_SHOWN])
    except slim_tflite.DeclinedError as error:
        print(f"{target} was not made smaller: {error}", file=sys.stderr)
    path.write_bytes(content)
    return str(path)


def _written(model: Simulated, example: torch.Tensor, path: Path) -> None:
    """As litert-torch does it: with an int8 input and output."""
    import litert_torch  # takes many seconds, and jax
    from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
    from litert_torch.quantize.quant_config import QuantConfig

    model.eval()
    with torch.no_grad():
        model(example)  # the ranges of weights follow the last step
    quantized = convert_pt2e(copy.deepcopy(model.graph_module), fold_quantize=False)
    # Of the quantizer only that it is static is asked here.
    static = PT2EQuantizer().set_global(get_symmetric_quantization_config())
    litert_torch.convert(quantized, (example,), quant_config=QuantConfig(pt2e_quantizer=static)).export(str(path))


def _exported(network: torch.nn.Module, some: torch.Tensor) -> torch.fx.GraphModule:
    try:
        program = torch.export.export(network, (some,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    except Exception as error:  # noqa: BLE001  # torch raises whatever it meets in the user's code
        step = "write the code so that torch.export takes it, with any batch"
        raise InputError(Problem("qat", "code that torch.export takes", short(error), step)) from None
    graph: torch.fx.GraphModule = program.module()
    return graph
