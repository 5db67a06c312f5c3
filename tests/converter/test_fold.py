"""Layers with nothing between them: one is left where it costs less, and it answers as the two did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.passes import fold
from tests.converter.one_graph import OneGraph
from tests.converter.test_whole_delegate import answers, operators

_Operator = schema.BuiltinOperator
_RELU, _NONE = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.NONE
_SAME, _VALID = schema.Padding.SAME, schema.Padding.VALID


class Net(OneGraph):
    """A model of random layers on [1, 6, 6, channels]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.random = np.random.default_rng(0)
        self.x = self.last = self.tensor([1, 6, 6, channels])
        self.shape = [1, 6, 6, channels]

    def convolution(
        self, out: int, size: int = 1, stride: int = 1, padding: int = _VALID, activation: int = _NONE
    ) -> None:
        taken = self.shape[1] if padding == _SAME else self.shape[1] - size + 1
        side = -(-taken // stride)
        weights = self.random.standard_normal([out, size, size, self.shape[-1]]).astype(np.float32)
        options = schema.Conv2DOptionsT(padding, stride, stride, activation)
        self._layer(_Operator.CONV_2D, weights, [1, side, side, out], options)

    def dense(self, out: int, width: int, activation: int = _NONE, *, bias: bool = True) -> None:
        rows = int(np.prod(self.shape)) // width
        weights = self.random.standard_normal([out, width]).astype(np.float32)
        options = schema.FullyConnectedOptionsT(activation)
        self._layer(_Operator.FULLY_CONNECTED, weights, [rows, out], options, bias=bias)

    def _layer(self, code: int, weights: Any, shape: list[int], options: Any, *, bias: bool = True) -> None:
        source, self.last, self.shape = self.last, self.tensor(shape), shape
        constants = [self.constant(weights)]
        constants += [self.constant(self.random.standard_normal(len(weights)).astype(np.float32))] if bias else []
        self.operator(code, [source, *constants], [self.last], options)

    def check(self, left: list[int]) -> bytes:
        """The same answers by these operators."""
        content = self.content([self.x], [self.last])
        after = fold.folded(content).content
        assert operators(after) == left
        x = self.random.standard_normal([1, 6, 6, schema_channels(content)]).astype(np.float32)
        for before, now in zip(answers(content, x), answers(after, x), strict=True):
            # Sums of some dozens of float32 products, in another order.
            np.testing.assert_allclose(now, before, rtol=1e-4, atol=1e-4)
        return after


def schema_channels(content: bytes) -> int:
    graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    return int(graph.tensors[graph.inputs[0]].shape[-1])


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.sampled_from([_SAME, _VALID]),
    activation=st.sampled_from([_NONE, _RELU]),
)
def test_a_convolution_and_a_pointwise_one(size: int, stride: int, padding: int, activation: int) -> None:
    net = Net(3)
    net.convolution(20, size, stride, padding)
    net.convolution(4, activation=activation)
    after = net.check([_Operator.CONV_2D])
    model = schema.ModelT.InitFromPackedBuf(after, 0)
    assert len(model.subgraphs[0].tensors) == 4, "input, weights, bias, output"
    assert sum(buffer.data is not None for buffer in model.buffers) == 2


def test_a_pointwise_convolution_and_a_dense_layer() -> None:
    net = Net(3)
    net.convolution(16)
    net.dense(4, 16, _RELU)
    net.check([_Operator.FULLY_CONNECTED])


@pytest.mark.parametrize("bias", [True, False])
def test_a_chain_of_three_dense_layers(bias: bool) -> None:
    net = Net(3)
    for out, width in ((30, 108), (20, 30), (4, 20)):
        net.dense(out, width, bias=bias)
    net.check([_Operator.FULLY_CONNECTED])


def activated(net: Net) -> None:
    net.convolution(20, activation=_RELU)
    net.convolution(4)


def bottleneck(net: Net) -> None:
    net.convolution(2)
    net.convolution(20)


def larger_second(net: Net) -> None:
    net.convolution(20)
    net.convolution(4, size=3)


def strided_second(net: Net) -> None:
    net.convolution(20)
    net.convolution(4, stride=2)


def flattened(net: Net) -> None:
    net.convolution(20)
    net.dense(4, 720)


def not_pointwise_before_dense(net: Net) -> None:
    net.convolution(20, size=3)
    net.dense(4, 20)


@pytest.mark.parametrize(
    "layers", [activated, bottleneck, larger_second, strided_second, flattened, not_pointwise_before_dense]
)
def test_what_would_change_or_cost_more_is_left(layers: Any) -> None:
    net = Net(3)
    layers(net)
    content = net.content([net.x], [net.last])
    assert fold.folded(content).content is content


def test_what_another_reads_too_is_left() -> None:
    net = Net(3)
    net.convolution(20)
    between = net.last
    net.convolution(4)
    content = net.content([net.x], [between, net.last])
    assert fold.folded(content).content is content
