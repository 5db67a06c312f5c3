"""Where TFLite rounds in int8, told to torchao on an exported graph.

Weights are rounded per output channel, symmetrically, those of dense layers per tensor (old kernels know no other);
activations by ranges of their own, but for operators that TFLite computes with one scale for input and output. What
is not named here stays in float, and `in_float` names it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.fake_quantize import FakeQuantize
from torchao.quantization.pt2e.observer import (
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

_ATEN = torch.ops.aten
_CONVOLUTIONS = (_ATEN.conv1d.default, _ATEN.conv2d.default)
_DENSE = (_ATEN.linear.default,)
_TOGETHER = (_ATEN.add.Tensor, _ATEN.add_.Tensor, _ATEN.sub.Tensor, _ATEN.mul.Tensor, _ATEN.mul_.Tensor)
_RECTIFIERS = (_ATEN.relu.default, _ATEN.relu_.default, _ATEN.relu6.default, _ATEN.relu6_.default)
_HARDTANH = (_ATEN.hardtanh.default, _ATEN.hardtanh_.default)
_HAS_RANGE = (_ATEN.mean.dim, _ATEN.adaptive_avg_pool2d.default, _ATEN.adaptive_avg_pool1d.default)
_KEEPS_RANGE = (
    *(_ATEN.max_pool1d.default, _ATEN.max_pool2d.default, _ATEN.avg_pool1d.default, _ATEN.avg_pool2d.default),
    *(_ATEN.view.default, _ATEN.reshape.default, _ATEN.flatten.using_ints, _ATEN.permute.default),
    *(_ATEN.transpose.int, _ATEN.squeeze.dim, _ATEN.squeeze.dims, _ATEN.unsqueeze.default, _ATEN.slice.Tensor),
    *(_ATEN.pad.default, _ATEN.constant_pad_nd.default, _ATEN.contiguous.default, _ATEN.clone.default),
    _ATEN.dropout.default,  # of an evaluated network: it hands on
)
"""TFLite wants one scale for input and output of these."""

_FIXED = {
    _ATEN.sigmoid.default: (1 / 256, -128),
    _ATEN.softmax.int: (1 / 256, -128),
    _ATEN.tanh.default: (1 / 128, 0),
}
"""Scale and zero point that TFLite prescribes. As the last operator they stay float: an answer keeps its digits."""

_MOMENTUM = 0.01
_LEAST_STEP = 2**-12

ACTIVATION = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=FakeQuantize.with_args(
        observer=MovingAverageMinMaxObserver, averaging_constant=_MOMENTUM, eps=_LEAST_STEP
    ),
)


def _weights(observer: Any, scheme: Any) -> QuantizationSpec:
    """By the extremes of the weights as they are now: an average would lag behind them."""
    fake = FakeQuantize.with_args(observer=observer, averaging_constant=1.0, eps=1e-9)
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=scheme,
        ch_axis=0,
        observer_or_fake_quant_ctr=fake,
    )


BY_CHANNEL = _weights(MovingAveragePerChannelMinMaxObserver, torch.per_channel_symmetric)
BY_TENSOR = _weights(MovingAverageMinMaxObserver, torch.per_tensor_symmetric)


class Int8(Quantizer):  # type: ignore[misc]  # torchao is not installed where types are checked
    """What torchao asks about a graph; see the module."""

    def annotate(self, model: GraphModule) -> GraphModule:
        """Say on each node where its inputs and its answer are rounded."""
        for node in model.graph.nodes:
            if node.op == "call_function" and "quantization_annotation" not in node.meta:
                _annotate(node)
        return model

    def validate(self, model: GraphModule) -> None:
        """There is nothing to refuse: what is not known stays float."""


def in_float(model: GraphModule) -> list[str]:
    """Operators of an annotated graph that are computed in float, by name, each once."""
    nodes = (node for node in model.graph.nodes if node.op == "call_function")
    left = [node for node in nodes if "quantization_annotation" not in node.meta and not _is_last(node)]
    return list(dict.fromkeys(str(node.target).removeprefix("aten.").partition(".")[0] for node in left))


def _annotate(node: Node) -> None:
    kind = node.target
    if kind in _CONVOLUTIONS or kind in _DENSE:
        weights = BY_TENSOR if kind in _DENSE else BY_CHANNEL
        _rounded(node, {node.args[0]: ACTIVATION, node.args[1]: weights})
    elif kind in _TOGETHER:
        _rounded(node, {each: ACTIVATION for each in node.args[:2] if isinstance(each, Node)})
    elif kind in _RECTIFIERS or kind in _HAS_RANGE or _is_relu6(node):
        _rounded(node, {node.args[0]: ACTIVATION})
    elif kind is _ATEN.cat.default:
        first, *others = node.args[0]
        shared = SharedQuantizationSpec((first, node))
        _say(node, {first: ACTIVATION, **dict.fromkeys(others, shared)}, shared)
    elif kind in _KEEPS_RANGE:
        source = node.args[0]
        _say(node, {source: ACTIVATION}, SharedQuantizationSpec((source, node)))
    elif kind in _FIXED and not _is_last(node):
        _say(node, {node.args[0]: ACTIVATION}, _fixed(*_FIXED[kind]))


def _rounded(node: Node, inputs: dict[Any, Any]) -> None:
    """The answer has a range of its own: that of the rectifier which alone reads it, where there is one."""
    reader = next(iter(node.users)) if len(node.users) == 1 else None
    if reader is not None and node.target not in _RECTIFIERS and (reader.target in _RECTIFIERS or _is_relu6(reader)):
        _say(node, inputs, None)
        _say(reader, {}, ACTIVATION)
    else:
        _say(node, inputs, ACTIVATION)


def _say(node: Node, inputs: dict[Any, Any], output: Any) -> None:
    node.meta["quantization_annotation"] = QuantizationAnnotation(
        input_qspec_map=inputs, output_qspec=output, _annotated=True
    )


def _fixed(scale: float, zero_point: int) -> FixedQParamsQuantizationSpec:
    known: dict[str, Any] = {
        "dtype": torch.int8,
        "scale": scale,
        "zero_point": zero_point,
        "quant_min": -128,
        "quant_max": 127,
        "qscheme": torch.per_tensor_affine,
    }
    return FixedQParamsQuantizationSpec(**known)


def _is_relu6(node: Node) -> bool:
    return node.target in _HARDTANH and tuple(node.args[1:3]) == (0.0, 6.0)


def _is_last(node: Node) -> bool:
    return all(user.op == "output" for user in node.users)
