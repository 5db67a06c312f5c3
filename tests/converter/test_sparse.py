"""Zeros of 1 × 1 convolutions stored as such: the same answers, and only where XNNPACK would compute them sparse."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from converter.delegation import has_sparse_kernels
from converter.passes import sparse_tflite
from converter.passes.same_answers import distance
from converter.passes.tflite_graph import code, read
from firmware_profiles import profile
from tests.converter.one_graph import OneGraph

_OP, _PADDING = schema.BuiltinOperator, schema.Padding
_RELU6 = schema.ActivationFunctionType.RELU6


class Net(NamedTuple):
    """A small depthwise-separable network.

    Attributes:
        size: of the image; zeros: part of the weights of 1 × 1.
        taps: of the depthwise layer, whose stride is 2.
        wide: channels of the first 1 × 1 layer; the second has twice as many.
        end: what reads the average.
    """

    size: int = 16
    colours: int = 3
    zeros: float = 0.8
    taps: int = 3
    padding: int = _PADDING.SAME
    wide: int = 128
    end: str = "row"

    def content(self) -> bytes:
        graph, random = OneGraph(), np.random.default_rng(5)

        def weights(*shape: int, zeros: float = 0.0) -> int:
            values = random.normal(size=shape).astype(np.float32)
            values[np.abs(values) < np.quantile(np.abs(values), zeros)] = 0
            return graph.constant(values)

        def layer(kind: int, source: int, kernel: int, shape: list[int], options: Any) -> int:
            target = graph.tensor(shape)
            options.dilationHFactor = options.dilationWFactor = 1
            options.fusedActivationFunction = _RELU6
            graph.operator(kind, [source, kernel, weights(shape[-1])], [target], options)
            return target

        half = (self.size + 1) // 2
        quarter = (half + 1) // 2 if self.padding == _PADDING.SAME else (half - self.taps) // 2 + 1
        image = graph.tensor([1, self.size, self.size, self.colours])
        strided = {"padding": self.padding, "strideH": 2, "strideW": 2}
        first = schema.Conv2DOptionsT(strideH=2, strideW=2)
        x = layer(_OP.CONV_2D, image, weights(8, 3, 3, self.colours), [1, half, half, 8], first)
        deep = schema.DepthwiseConv2DOptionsT(depthMultiplier=1, **strided)
        x = layer(_OP.DEPTHWISE_CONV_2D, x, weights(1, self.taps, self.taps, 8), [1, quarter, quarter, 8], deep)
        for before, after in ((8, self.wide), (self.wide, 2 * self.wide)):
            kernel = weights(after, 1, 1, before, zeros=self.zeros)
            plain = schema.Conv2DOptionsT(strideH=1, strideW=1)
            x = layer(_OP.CONV_2D, x, kernel, [1, quarter, quarter, after], plain)
        last_wide = 2 * self.wide
        row = graph.tensor([1, last_wide] if self.end == "row" else [1, 1, 1, last_wide])
        axes = graph.constant(np.array([1, 2], np.int32))
        graph.operator(_OP.MEAN, [x, axes], [row], schema.ReducerOptionsT(keepDims=self.end != "row"))
        if self.end == "row":
            answer = graph.tensor([1, 4])
            graph.operator(
                _OP.FULLY_CONNECTED, [row, weights(4, last_wide), weights(4)], [answer], schema.FullyConnectedOptionsT()
            )
            return graph.content([image], [answer])
        last = layer(
            _OP.CONV_2D, row, weights(4, 1, 1, last_wide), [1, 1, 1, 4], schema.Conv2DOptionsT(strideH=1, strideW=1)
        )
        if self.end == "place":
            return graph.content([image], [last])
        answer = graph.tensor([1, 4])
        shape = graph.constant(np.array([1, 4], np.int32))
        graph.operator(_OP.RESHAPE, [last, shape], [answer], schema.ReshapeOptionsT(newShape=[1, 4]))
        return graph.content([image], [answer])


def items(net: Net) -> Any:
    return np.random.default_rng(1).normal(size=(4, net.size, net.size, net.colours)).astype(np.float32)


@pytest.mark.parametrize("net", [Net(), Net(size=15), Net(size=17), Net(end="reshaped")])
def test_it_is_smaller_and_gives_the_same_answers(net: Net) -> None:
    before = net.content()
    after = sparse_tflite.sparse(before, items(net))
    assert "2 layers of 1 × 1 stored sparse" in after.said[-1]
    assert len(after.content) < len(before)
    assert distance(before, after.content, items(net)) < 1e-5
    model = read(after.content)
    kinds = [code(model, operator) for operator in model.subgraphs[0].operators]
    assert kinds.count(_OP.DENSIFY) == 2
    for operator in model.subgraphs[0].operators:
        if code(model, operator) in (_OP.CONV_2D, _OP.DEPTHWISE_CONV_2D) and operator.builtinOptions.strideH == 2:
            assert operator.builtinOptions.padding == _PADDING.VALID


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (Net(zeros=0.5), "50% of the weights of 1 × 1 are zero"),
        (Net(colours=1), "more padding on one side, or other sizes"),
        (Net(taps=5), "more padding on one side, or other sizes"),
        (Net(padding=_PADDING.VALID), "more padding on one side, or other sizes"),
        (Net(end="place"), "no dense layer"),
        (Net(wide=32), "with even padding"),
    ],
)
def test_what_xnnpack_would_not_compute_sparse_stays_as_it_is(net: Net, reason: str) -> None:
    before = net.content()
    after = sparse_tflite.sparse(before, items(net))
    assert after.content is before
    assert reason in after.said[0]


def test_profiles_with_sparse_kernels() -> None:
    found = {name for name in profile.names() if has_sparse_kernels(profile.load(name))}
    assert {"raspberry-pi-4", "raspberry-pi-5", "linux-arm64"} <= found
    assert "linux-x86_64" not in found
